"""Bills that others have published or worked out: every line to the cent."""

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from collector.derive.cost.peaks import demand
from tests.unit.derive.cost.house import LATER, UTC, Given, days_of, house, told

SEYMOUR = """
contracts:
  - from: 2026-01-01
    currency: USD
    vat: 1%
    standing: [{name: base, amount: 7.50/month}]
    energy:
      - {name: winter, months: oct-may,
         price: [0.064, 0.049 from 250/month, 0.0446 from 700/month]}
      - {name: summer,
         price: [0.064, 0.049 from 250/month, 0.0475 from 700/month, 0.0446 from 1250/month]}
    charges:
      - {name: power cost, price: 0.085}
"""
IDAHO = """
contracts:
  - from: 2026-01-01
    currency: USD
    energy:
      - {name: energy, price: [0.088958, 0.098073 from 800/month, 0.108615 from 2000/month]}
"""
JACKSON = """
contracts:
  - from: 2026-01-01
    currency: USD
    standing: [{name: availability fee, amount: 18.48/month}]
    energy: [{price: 0.0951}]
"""
DAILY = """
contracts:
  - from: 2026-01-01
    currency: EUR
    energy:
      - {name: energy, price: [0.18, 0.24 from 10/day, 0.31 from 20/day]}
"""
MONTHLY = DAILY.replace("from 10/day", "from 20/month").replace("from 20/day", "from 40/month")
FLAT = "contracts: [{from: 2020-01-01, currency: EUR, energy: [{name: all, price: 0.20}]}]"
ONTARIO = """
contracts:
  - from: 2018-05-01
    currency: CAD
    holidays: [2018-07-02]
    energy:
      - {name: on-peak, price: 0.208, days: mon-fri, hours: 11:00-17:00}
      - {name: mid-peak, price: 0.144, days: mon-fri, hours: 07:00-19:00}
      - {name: off-peak, price: 0.101}
"""


class Worked(NamedTuple):
    tariff: str
    kwh: Any
    month: tuple[int, int]
    rows: list[tuple[str, str]]
    net: str
    total: str


CASES = {
    "B1": Worked(
        *(SEYMOUR, 1200, (2026, 1)),
        [
            ("winter", "16.00"), ("winter from 250 kWh/month", "22.05"),
            ("winter from 700 kWh/month", "22.30"), ("summer", "0.00"),
            ("power cost", "102.00"), ("base", "7.50"),
        ],
        *("169.85", "171.55"),
    ),
    "B2": Worked(
        *(SEYMOUR, 2000, (2026, 7)),
        [
            ("winter", "0.00"), ("summer", "16.00"), ("summer from 250 kWh/month", "22.05"),
            ("summer from 700 kWh/month", "26.13"), ("summer from 1250 kWh/month", "33.45"),
            ("power cost", "170.00"), ("base", "7.50"),
        ],
        *("275.13", "277.88"),
    ),
    "B3": Worked(
        *(IDAHO, 2225, (2026, 1)),
        [
            ("energy", "71.17"), ("energy from 800 kWh/month", "117.69"),
            ("energy from 2000 kWh/month", "24.44"),
        ],
        *("213.30", "213.30"),
    ),
    "B4": Worked(
        *(IDAHO, 1050, (2026, 2)),
        [("energy", "71.17"), ("energy from 800 kWh/month", "24.52")],
        *("95.69", "95.69"),
    ),
    "B5": Worked(
        *(JACKSON, 9975 - 8865, (2026, 3)),
        [("energy", "105.56"), ("availability fee", "18.48")],
        *("124.04", "124.04"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_month_costs_what_its_published_bill_says(name):
    case, given = CASES[name], Given()
    given.spread(case.kwh, *days_of(*case.month))
    bill = house(case.tariff, given).month(*case.month, LATER)
    assert told(bill) == case.rows
    assert (str(bill.net), str(bill.total)) == (case.net, case.total)


@pytest.mark.parametrize(
    ("peaks", "mean"),
    [
        (".632 4.6 0 1.028 3.444 4.164 4.564 6 9.2 5 4.12 4.88", "4.456"),  # B6
        (".5 .5 .5 .5 .5 9.2 .5 .5 .5 .5 .5 .5", "3.058"),  # B7
    ],
)
def test_each_month_of_a_mean_of_peaks_counts_as_at_least_the_floor(peaks, mean):
    found = demand([Decimal(each) for each in peaks.split()], Decimal("2.5"))
    assert str(found.quantize(Decimal("0.001"))) == mean


def test_twelve_months_of_peaks_are_billed_at_their_mean():  # B6, out of quarter hours
    given, peaks = Given(), "0.632 4.6 0.1 1.028 3.444 4.164 4.564 6 9.2 5 4.12 4.88"
    for number, kw in enumerate(peaks.split(), start=1):
        given.at(Decimal(kw) / 4, date(2025, number, 15), 40)
    bill = house(
        """
contracts:
  - from: 2025-12-01
    currency: EUR
    peak: {price: 3.39/kW/month, at_least: 2.5, mean_of: 12}
""",
        given,
    ).month(2025, 12, LATER)
    (row,) = bill.rows
    assert (row.unit, str(row.quantity), str(row.amount)) == ("kW", "4.456", "15.11")
    assert bill.notes == ()


@pytest.mark.parametrize(
    ("day", "rows", "total"),
    [
        (date(2018, 7, 2), [("off-peak", "2.42")], "2.42"),
        (
            date(2018, 7, 3),
            [("on-peak", "1.25"), ("mid-peak", "0.86"), ("off-peak", "1.21")],
            "3.32",
        ),
    ],
)
def test_a_holiday_counts_as_a_sunday(day, rows, total):  # B8
    given, zone = Given(), ZoneInfo("America/Toronto")
    given.spread(24, day, date.fromordinal(day.toordinal() + 1), zone=zone)
    bill = house(ONTARIO, given, zone).day(day, LATER)
    assert [each for each in told(bill) if each[1] != "0.00"] == rows
    assert str(bill.total) == total


@pytest.mark.parametrize(
    ("day", "quarters", "kwh", "total"),
    [
        (date(2025, 10, 26), 100, "25.00", "5.00"),
        (date(2026, 3, 29), 92, "23.00", "4.60"),
    ],
)
def test_a_day_on_which_clocks_change_has_all_its_quarter_hours(day, quarters, kwh, total):  # B9
    given, zone = Given(), ZoneInfo("Europe/Brussels")
    given.spread(Decimal(quarters) / 4, day, date.fromordinal(day.toordinal() + 1), zone=zone)
    assert len(given.flows["import"]) == quarters
    bill = house(FLAT, given, zone).day(day, LATER)
    (row,) = bill.rows
    assert (f"{row.quantity:.2f}", str(row.amount), str(bill.total)) == (kwh, total, total)


@pytest.mark.parametrize(
    ("tariff", "rows", "total"),
    [
        (
            DAILY,
            [("energy", "3.24"), ("energy from 10 kWh/day", "2.40"),
             ("energy from 20 kWh/day", "1.55")],
            "7.19",
        ),
        (MONTHLY, [("energy", "3.60"), ("energy from 20 kWh/month", "3.12")], "6.72"),
    ],
)  # fmt: skip
def test_tiers_of_a_day_begin_anew_each_day_and_those_of_a_month_do_not(tariff, rows, total):  # B10
    given = Given()
    given.spread(8, date(2026, 5, 1), date(2026, 5, 2))
    given.spread(25, date(2026, 5, 2), date(2026, 5, 3))
    bill = house(tariff, given, UTC).month(2026, 5, LATER)
    assert told(bill) == rows
    assert str(bill.total) == total
