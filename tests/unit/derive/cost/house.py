"""A house for tests: what was used stands in a dictionary, contracts in YAML."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from collector.derive.cost.bill import House
from collector.derive.cost.calendar import begin_of, day_of
from collector.derive.cost.flows import Market, Use
from collector.derive.cost.tariffs import TariffOptions, Tariffs
from collector.options import Faults, Place, read_options

UTC = ZoneInfo("UTC")
LATER = date(2100, 1, 1)


class Given:
    """Flows that a test has given, in Wh by quarter hour."""

    def __init__(self):
        self.flows: dict[str, dict[int, int]] = {}
        self.gaps: dict[str, dict[int, int]] = {}
        self.markets: dict[str, Market] = {}
        self.gap_ms = 0

    def use(self, flow, begin, end):
        measured = within(self.flows.get(flow, {}), begin, end)
        gaps = within(self.gaps.get(flow, {}), begin, end)
        return Use(measured, gaps, len(measured) * 900_000, len(gaps) * 900_000)

    def market(self, source, begin, end):
        found = self.markets.get(source, Market())
        return Market(within(found.prices, begin, end), found.currencies)

    def spread(self, kwh, first, end, flow="import", zone=UTC):
        """Give so many kWh evenly over local days, to the last micro-Wh."""
        quarters = range(begin_of(first, zone), begin_of(end, zone))
        whole = int(Decimal(str(kwh)).scaleb(9))
        flows = self.flows.setdefault(flow, {})
        for number, at in enumerate(quarters):
            left = len(quarters) - number
            flows[at], whole = whole // left, whole - whole // left

    def at(self, kwh, day, slot, flow="import", zone=UTC):
        """Give so many kWh to a quarter hour of a local day."""
        self.flows.setdefault(flow, {})[day_of(day, zone).begin + slot] = int(
            Decimal(str(kwh)).scaleb(9)
        )


def within(rows, begin, end):
    return {at: value for at, value in rows.items() if begin <= at < end}


def contracts_of(text):
    faults = Faults()
    node: Any = yaml.compose(text)
    options = read_options(TariffOptions, node, Place("tariffs.yaml", ""), faults)
    faults.raise_found()
    return options.contracts


def house(text, given, zone=UTC, holidays=frozenset()):
    every = Tariffs(Path("tariffs.yaml"), contracts_of(text)).of("mains")
    return House("mains", every, given, zone, lambda each: each.holidays.dates or holidays)


def days_of(year, month):
    first = date(year, month, 1)
    end = (first + timedelta(days=31)).replace(day=1)
    return first, end


def told(bill):
    """Return name and amount of each row, as a person reads them."""
    return [(each.name, str(each.amount)) for each in bill.rows]
