"""From readings to quarter hours: every micro-unit is in a quarter or in a gap."""

import random
from zoneinfo import ZoneInfo

import pytest

from collector.ledger import sums
from collector.ledger.book import Book, micro
from collector.ledger.database import Gap, create
from collector.ledger.days import QUARTER_MS, Amount, Shown
from collector.reading import Reading, encode

Q0 = 1_763_654_400_000 // QUARTER_MS * QUARTER_MS // QUARTER_MS
BEGIN_MS = Q0 * QUARTER_MS
MINUTE_MS = 60_000
UTC = ZoneInfo("UTC")


@pytest.fixture
def ledger(tmp_path):
    database = create(tmp_path / "ledger/it.sqlite")
    yield database
    database.close()


def energy(at_ms, value, device="mains", **more):
    return encode(Reading("energy", device, at_ms, {"active_energy_import": value, **more}))


def power(at_ms, value):
    return encode(Reading("electricity", "mains", at_ms, {"active_power": value, "voltage": 230.0}))


def written(book, ledger):
    with ledger.transaction():
        book.write(ledger)
    book.written()
    return ledger


def booked(lines, ledger):
    book = Book()
    for line in lines:
        book.take(line)
    return written(book, ledger)


def quarters(ledger, kind="counter", quantity="active_energy_import"):
    series = ledger.series("mains", quantity, kind)
    return {at - Q0: row for at, row in ledger.quarters(series, 0, 1 << 40)}


def test_what_lies_between_two_readings_of_a_quarter_is_its_own(ledger):
    booked([energy(BEGIN_MS + n * MINUTE_MS, 100.0 + n * 0.1) for n in range(16)], ledger)
    assert quarters(ledger) == {0: Amount(1_500_000, QUARTER_MS, 0)}


def test_across_a_boundary_close_readings_are_shared_by_time_to_the_last_micro_unit(ledger):
    edge = BEGIN_MS + QUARTER_MS
    booked([energy(edge - 20_000, 5.0), energy(edge + 40_000, 5.000001)], ledger)
    assert quarters(ledger) == {0: Amount(0, 20_000, 0), 1: Amount(1, 40_000, 0)}
    booked([energy(edge - 20_000, 0.0, "b"), energy(edge + 40_000, 60.0, "b")], ledger)
    series = ledger.series("b", "active_energy_import", "counter")
    assert [row.micro for _, row in ledger.quarters(series, 0, 1 << 40)] == [20_000_000, 40_000_000]


def test_what_a_gap_cost_is_booked_to_the_gap_and_to_the_month_that_holds_it(ledger):
    end = BEGIN_MS + 3 * 96 * QUARTER_MS
    booked([energy(BEGIN_MS, 10.0), energy(end, 51.2), energy(end + MINUTE_MS, 51.3)], ledger)
    series = ledger.series("mains", "active_energy_import", "counter")
    assert ledger.gaps(series, 0, end + 1) == [Gap(BEGIN_MS, end, 41_200_000)]
    days = sums.used(ledger, series, BEGIN_MS, end + MINUTE_MS, "day", UTC)
    assert [each.micro for each in days] == [0, 0, 0, 100_000]
    (month,) = sums.used(ledger, series, BEGIN_MS, end, "month", UTC)
    assert (month.micro, month.gap_micro) == (41_300_000, 41_200_000)


def test_a_gap_within_a_quarter_is_the_quarters(ledger):
    booked([energy(BEGIN_MS, 1.0), energy(BEGIN_MS + QUARTER_MS, 3.0)], ledger)
    assert quarters(ledger) == {0: Amount(2_000_000, QUARTER_MS, 0)}


def test_energy_from_power_is_said_to_be_estimated(ledger):
    lines = [energy(BEGIN_MS + n * MINUTE_MS, float(n), from_power=1.0) for n in range(3)]
    booked(lines, ledger)
    assert quarters(ledger) == {0: Amount(2_000_000, 2 * MINUTE_MS, 2_000_000)}


def test_a_gauge_holds_its_value_until_the_next_reading_for_a_minute_at_most(ledger):
    booked(
        [power(BEGIN_MS, 100.0), power(BEGIN_MS + 10_000, 300.0), power(BEGIN_MS + 600_000, 50.0)],
        ledger,
    )
    mean = (100.0 * 10 + 300.0 * 60) / 70
    assert quarters(ledger, "gauge", "active_power") == {0: Shown(mean, 50.0, 300.0, 70_000)}


def test_a_spike_of_a_second_stays_in_its_quarter(ledger):
    values = [100.0] * 1800
    values[1000] = 9000.0
    booked([power(BEGIN_MS + n * 1000, value) for n, value in enumerate(values)], ledger)
    shown = quarters(ledger, "gauge", "active_power")
    assert (shown[0].high, shown[1].high, shown[1].low) == (100.0, 9000.0, 100.0)
    assert shown[1].mean == pytest.approx(100 + 8900 / 899)


def test_a_value_is_held_over_a_boundary(ledger):
    edge = BEGIN_MS + QUARTER_MS
    booked([power(edge - 30_000, 10.0), power(edge + 30_000, 20.0)], ledger)
    assert quarters(ledger, "gauge", "active_power") == {
        0: Shown(10.0, 10.0, 10.0, 30_000),
        1: Shown(10.0, 10.0, 20.0, 30_000),
    }


def test_what_a_portal_says_of_an_hour_is_shared_and_replaced_when_corrected(ledger):
    def hour(amount):
        values = {"interval_energy": amount, "interval_length": 3600.0}
        return encode(Reading("electricity", "mains", BEGIN_MS, values))

    booked([hour(1000.0), hour(1000.1)], ledger)
    rows = quarters(ledger, "interval", "interval_energy")
    assert len(rows) == 4
    assert sum(each.micro for each in rows.values()) == 1_000_100_000
    assert booked([hour(900.0)], ledger)
    rows = quarters(ledger, "interval", "interval_energy")
    assert sum(each.micro for each in rows.values()) == 900_000_000


def test_decisions_are_events_with_their_counter(ledger):
    values = {"active_energy_import": 0.3, "event": 3.0, "event_before": 900.0}
    booked([encode(Reading("counter_event", "mains", BEGIN_MS, values))], ledger)
    (event,) = ledger.events()
    assert (event.device, event.quantity, event.what) == ("mains", "active_energy_import", "3")
    assert event.more == {"active_energy_import": 0.3, "event_before": 900.0}


def day_of_readings(seed):
    chance = random.Random(seed)
    at, counter = BEGIN_MS, 1000.0
    for _ in range(3000):
        at += chance.choice([1000, 1000, 1000, 59_000, 400_000])
        counter = round(counter + chance.random() * 3, 3)
        yield energy(at, counter)
        yield power(at, round(chance.uniform(-500, 5000), 1))


def test_the_same_readings_give_the_same_ledger_however_they_are_cut(tmp_path):
    lines = list(day_of_readings(1))
    whole = booked(lines, create(tmp_path / "whole.sqlite"))
    parts, state = create(tmp_path / "parts.sqlite"), None
    chance = random.Random(2)
    at = 0
    while at < len(lines):
        book, count = Book(state), chance.randrange(1, 400)
        for line in lines[at : at + count]:
            book.take(line)
        written(book, parts)
        state, at = book.state(), at + count
    for query in ("SELECT * FROM days ORDER BY 1, 2", "SELECT * FROM gaps ORDER BY 1, 2"):
        rows = whole.connection.execute(query).fetchall()
        assert rows
        assert rows == parts.connection.execute(query).fetchall()
    whole.close()
    parts.close()


@pytest.mark.parametrize("seed", range(5))
def test_every_micro_unit_is_in_a_quarter_or_in_a_gap(ledger, seed):
    lines = list(day_of_readings(seed))
    booked(lines, ledger)
    series = ledger.series("mains", "active_energy_import", "counter")
    in_quarters = sum(row.micro for _, row in ledger.quarters(series, 0, 1 << 40))
    in_gaps = sum(each.micro for each in ledger.gaps(series, 0, 1 << 60))
    first, last = (
        micro(float(each.split(b"=")[2].split(b" ")[0])) for each in (lines[0], lines[-2])
    )
    assert in_gaps
    assert in_quarters + in_gaps == last - first


def test_readings_that_come_again_count_once(ledger):
    lines = list(day_of_readings(3))
    book = Book()
    for line in lines:
        book.take(line)
    written(book, ledger)
    before = ledger.connection.execute("SELECT * FROM days").fetchall()
    again = Book(book.state())
    for line in lines:
        again.take(line)
    written(again, ledger)
    assert ledger.connection.execute("SELECT * FROM days").fetchall() == before


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/Brussels", "2025-10-26", 100),
        ("Europe/Brussels", "2026-03-29", 92),
        ("Asia/Kathmandu", "2026-03-29", 96),
        ("Australia/Lord_Howe", "2026-04-05", 98),
    ],
)
def test_local_days_have_as_many_quarters_as_the_clock_says(zone, day, count):
    from datetime import datetime  # noqa: PLC0415

    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    at_ms = round(noon.timestamp() * 1000)
    (period,) = sums.periods(at_ms, at_ms + 1, "day", ZoneInfo(zone))
    assert period.length_ms == count * QUARTER_MS
    hours = list(sums.periods(period.begin_ms, period.end_ms, "hour", ZoneInfo(zone)))
    assert (hours[0].begin_ms, hours[-1].end_ms) == (period.begin_ms, period.end_ms)


def test_a_state_that_is_none_is_refused():
    for state in ({"x": 1}, {"counters": [[1]], "gauges": []}, {"counters": [], "gauges": [["a"]]}):
        with pytest.raises(ValueError, match="no state of the ledger"):
            Book(state)


def price(at_ms, value, length_s=3600, currency=978):
    values = {"price": value, "price_length": length_s, "currency": currency}
    return encode(Reading("price", "spot", at_ms, values))


def test_a_price_stands_in_each_quarter_that_it_holds_for_and_a_later_word_replaces_it(ledger):
    booked([price(BEGIN_MS, -0.00079), price(BEGIN_MS + 4 * QUARTER_MS, 0.1, 900)], ledger)
    booked([price(BEGIN_MS + 2 * QUARTER_MS, 0.02211, 900)], ledger)
    found = ledger.quarters(ledger.series("spot", "price", "price"), 0, 1 << 40)
    assert [(at - Q0, row.micro) for at, row in found] == [
        (0, -790), (1, -790), (2, 22110), (3, -790), (4, 100_000),
    ]  # fmt: skip
    currency = ledger.quarters(ledger.series("spot", "currency", "price"), 0, 1 << 40)
    assert {row.micro for _, row in currency} == {978_000_000}


def test_a_price_for_less_than_a_quarter_is_not_stretched_over_it(ledger):
    booked([price(BEGIN_MS + 300_000, 0.1, 900)], ledger)
    series = ledger.series("spot", "price", "price")
    assert list(ledger.quarters(series, 0, 1 << 40)) == []
