"""The demo's history: exact, the same each time, without a step where live readings begin."""

from contextlib import closing
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from collector.contract import Context
from collector.contract.counters import DECISION
from collector.demo import history
from collector.demo.household import METERS, Household, counters
from collector.derive.energy.derivation import Energy, EnergyOptions
from collector.journal.journal import Journal
from collector.journal.reader import Reader
from collector.ledger import database
from collector.ledger.book import Book
from collector.ledger.days import MICRO, QUARTER_MS, Amount, Shown
from collector.lines.serial import Lines
from collector.reading import decode, encode

BUILT = date(2026, 11, 26)
NOW = datetime(2026, 11, 30, 12, 7, 3, tzinfo=UTC).timestamp()
LATER_S = 960
CONTEXT = Context("demo", Lines(), Path("/nowhere"), Path("/nowhere"))


@pytest.fixture(scope="module")
def household():
    return Household(1, "Europe/Rome", BUILT)


@pytest.fixture
def folder(tmp_path, household):
    history.write_readings(tmp_path, household, NOW)
    history.write_ledger(tmp_path, household, history.first_reading(NOW))
    assert not history.is_written(tmp_path)
    history.take(tmp_path)
    assert history.is_written(tmp_path)
    return tmp_path


def records(folder):
    journal = Journal(folder / "journal", "boot")
    journal.open()
    lines = [line for _, line in Reader(journal.log, journal.log.first_number).take(100_000)]
    journal.close()
    return lines


def totals(folder):
    """Return the Wh of each counter in the ledger, its quarters and its gaps."""
    with closing(database.open_to_read(history.file_in(folder))) as ledger:
        found = {}
        for key, series in ledger.known.items():
            if key[2] == "counter":
                rows = dict(ledger.quarters(series, 0, 1 << 40))
                micro = sum(row.micro for row in rows.values() if isinstance(row, Amount))
                found[key[:2]] = micro / MICRO, rows, ledger.gaps(series, 0, 1 << 60)
        return found


def test_the_ledger_has_every_quarter_of_every_counter_exactly(folder, household):
    until = history.first_reading(NOW)
    begin, end = (round(each * 1000) // QUARTER_MS for each in (household.begin, until))
    exact = household.energies(until)
    found = totals(folder)
    for each in counters():
        wh, rows, gaps = found[each.device, each.quantity]
        assert wh == pytest.approx(each.value(exact), abs=1e-3)
        assert wh == pytest.approx(
            each.factor * sum(exact[part] for part in each.parts), abs=max(each.step, 0.001)
        )
        assert list(rows) == list(range(begin, end))
        assert all(row.micro >= 0 and row.measured_ms == QUARTER_MS for row in rows.values())
        assert gaps == []


def test_power_in_the_ledger_is_that_of_the_house(folder, household):
    at = household.begin + 86400
    with closing(database.open_to_read(history.file_in(folder))) as ledger:
        for meter in METERS:
            series = ledger.known[meter.name, "active_power", "gauge"]
            first = round(at * 1000) // QUARTER_MS
            for quarter, row in ledger.quarters(series, first, first + 96):
                assert isinstance(row, Shown)
                begin = quarter * QUARTER_MS / 1000
                watts = [
                    dict(household.meters(begin + second))[meter]["active_power"]
                    for second in range(0, 900, 150)
                ]
                assert row.low - 1e-6 <= min(watts)
                assert max(watts) <= row.high + 1e-6
                assert row.low - 1e-6 <= row.mean <= row.high + 1e-6


def derived(lines):
    energy = Energy("energy", EnergyOptions(type="energy"), CONTEXT)
    return energy.derive([decode(line) for line in lines])


def test_live_readings_go_on_where_the_history_ends_without_a_step_or_a_gap(folder, household):
    """What the collector derives of journal and live readings is what the house has used."""
    end = NOW + 4  # the collector starts
    live = [encode(each) for second in range(LATER_S) for each in household.readings(end + second)]
    made = derived([*records(folder), *live])
    assert [each for each in made if each.kind == DECISION] == []
    with closing(database.create(history.file_in(folder))) as ledger:
        book = Book(ledger.kept("book"))
        for each in made:
            book.take(encode(each))
        with ledger.transaction():
            book.write(ledger)
    last = max(each.at_ms for each in made) / 1000
    exact = household.energies(last)
    found = totals(folder)
    for each in counters():
        wh, rows, gaps = found[each.device, each.quantity]
        assert gaps == []
        assert wh == pytest.approx(each.value(exact), abs=max(each.step, 0.1))
        whole = [number for number in rows if (number + 1) * QUARTER_MS <= last * 1000]
        assert whole == list(range(min(rows), max(whole) + 1))
        assert all(rows[number].measured_ms == QUARTER_MS for number in whole)


def test_the_journal_ends_now_and_its_newest_minutes_are_close(folder):
    times = sorted({decode(line).at_ms for line in records(folder)})
    assert times[0] == round(history.first_reading(NOW) * 1000)
    assert NOW * 1000 - 10_000 < times[-1] < NOW * 1000
    steps = [after - before for before, after in pairwise(times)]
    assert max(steps) == 60_000
    assert set(steps[-60:]) == {10_000}


def test_the_same_house_has_the_same_history(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    again = Household(1, "Europe/Rome", BUILT)
    history.write_readings(other, again, NOW)
    assert records(other) == records(folder)


@pytest.mark.parametrize("days", [0.1, 2.5])
def test_a_folder_that_was_left_is_filled_up(folder, household, days):
    """The keeper has not counted the journal here, so all of it is as if left out."""
    later = NOW + days * 86400
    before = records(folder)
    history.write_readings(folder, household, later)
    lines = records(folder)
    assert lines[: len(before)] == before
    assert decode(lines[-1]).at_ms > later * 1000 - 10_000
    made = derived(lines)
    assert [each for each in made if each.kind == DECISION] == []
    with closing(database.create(history.file_in(folder))) as ledger:
        book = Book(ledger.kept("book"))
        for each in made:
            book.take(encode(each))
        with ledger.transaction():
            book.write(ledger)
    exact = household.energies(max(each.at_ms for each in made) / 1000)
    found = totals(folder)
    for each in counters():
        wh, _, gaps = found[each.device, each.quantity]
        assert wh == pytest.approx(each.value(exact), abs=max(each.step, 0.1))
        assert gaps == []


def test_a_ledger_without_its_history_is_known_as_such(tmp_path):
    assert not history.is_written(tmp_path)
    database.create(history.file_in(tmp_path)).close()
    assert not history.is_written(tmp_path)
