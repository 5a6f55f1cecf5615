"""The cost so far is the bill of the same time, at each quarter of an hour, whatever happens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.derive.cost.bill import House
from collector.derive.cost.flows import FromLedger
from collector.derive.cost.tariffs import Tariffs
from collector.reading import Reading
from tests.unit.derive.cost.house import contracts_of
from tests.unit.derive.cost.living import QUARTER, ROME, Living

CONTRACT = """
contracts:
  - from: 2026-01-01
    name: Trend
    currency: EUR
    vat: 10%
    standing: [{name: supplier, amount: 0.42/day}, {name: network, amount: 5.10/month}]
    minimum: 1/month
    holidays: [2026-11-02]
    energy:
      - {name: F1, price: [0.1450, 0.2450 from 4/day], days: mon-fri, hours: 08:00-19:00}
      - {name: F2, price: [0.1320, 0.1520 from 60/month], days: mon-sat, hours: 07:00-23:00}
      - {name: F3, price: 0.1180}
    charges: [{name: market, price: {source: spot, times: 1.1, plus: 0.004}, vat: 22%}]
    export: [{price: {source: spot, plus: -0.01}}]
    peak: {price: 3.39/kW/month, over: 15m, at_least: 1, mean_of: 2}
"""
CONTRACTS = Tariffs(Path("tariffs.yaml"), contracts_of(CONTRACT)).of("mains")
SECONDS = 1000


def bills(house, until, day, zone=ROME):
    """Return what the command would print of a day and of its month, from the true ledger."""
    house.write(house.truth, house.all)
    flows = FromLedger(house.truth, "mains", until)
    made = House("mains", CONTRACTS, flows, zone, lambda each: each.holidays.dates)
    return made.day(day, day), made.month(day.year, day.month, day)


def local(at_ms, zone=ROME):
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)


class Compared:
    """Compares each reading with the bills of the same time."""

    def __init__(self, house):
        self.house, self.count = house, 0

    def __call__(self, made):
        is_last = made.at_ms % QUARTER != 0
        until = -(-made.at_ms // QUARTER)
        day = local(made.at_ms).date()
        today, month = bills(self.house, until, day)
        at = local(made.at_ms)
        assert (at.strftime("%H:%M:%S") == "23:59:59") == is_last
        assert made.values["cost_today"] == float(today.total), at
        assert made.values["cost_month"] == float(month.total), at
        assert local(made.values["cost_today_since"] * SECONDS).date() == day
        assert local(made.values["cost_month_since"] * SECONDS).date() == day.replace(day=1)
        self.count += 2


def follies(house, day):
    """Let a day pass with what meters, owners and markets do; days are told by their number."""
    morning, noon, evening = (day + timedelta(hours=each) for each in (7.2, 12.5, 20))
    if day.day != 14:  # the market is silent
        house.prices_of(day)
    house.pass_to(morning)
    if day.day % 3 == 0:
        house.is_wrong = 1
    if day.day % 5 == 0:
        house.restart()
    house.pass_to(noon)
    if day.day % 4 == 0:
        house.is_silent = True
    if day.day % 6 == 0:  # a correction for this morning, and one for days ago
        for back in (6, 90):
            at = house.at // (4 * QUARTER) * 4 * QUARTER - back * 4 * QUARTER
            house.price(at, 0.5)
    house.pass_to(evening)
    if day.day not in (16, 31):  # then the night is a gap too
        house.is_silent = False
    if day.day == 11:
        house.counters["active_energy_import"] = 17  # a meter is replaced, untold
    if day.day == 13:
        (event, *_) = [each for each in house.heard if each.kind == "counter_event"][::-1]
        undo = Reading(
            "meter_undo", "mains", house.at, {"undo_event": event.values["event_number"]}
        )
        house.journal([undo, *house.energy.derive([undo])])


def live(tmp_path, first, days):
    with Living(tmp_path, CONTRACT, datetime(*first)) as house:  # noqa: DTZ001  local
        compared = house.compare = Compared(house)
        for number in range(days):
            day = datetime(*first) + timedelta(days=number)  # noqa: DTZ001
            follies(house, day)
            if day.day == 17:
                house.is_silent = False
        house.is_silent = False
        house.pass_to(datetime(*first) + timedelta(days=days, hours=1))  # noqa: DTZ001
        return house, compared.count


@pytest.mark.parametrize("first", [(2026, 10, 24), (2026, 3, 28)], ids=["autumn", "spring"])
def test_it_is_the_bill_over_a_change_of_the_clocks(tmp_path, first):
    _, count = live(tmp_path, first, 2)
    assert count > 2 * 96 * 2


def test_it_is_the_bill_over_the_end_of_a_month(tmp_path):
    house, _ = live(tmp_path, (2026, 10, 30), 3)
    final = [
        each for each in house.made if local(each.at_ms).strftime("%d %H:%M:%S") == "31 23:59:59"
    ]
    assert len(final) == 1
    new = next(each for each in house.made if local(each.at_ms).strftime("%d %H:%M") == "01 00:00")
    assert new.values["cost_today"] == new.values["cost_month"]


@pytest.mark.slow
def test_it_is_the_bill_at_each_quarter_of_an_hour_of_a_month(tmp_path):
    _, count = live(tmp_path, (2026, 10, 1), 33)
    assert count > 33 * 94 * 2
    print(f"{count} values compared")
