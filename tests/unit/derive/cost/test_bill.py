"""What a contract can say, each with a bill that can be worked out on paper."""

from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from collector.derive.cost.bill import NoBill
from collector.derive.cost.calendar import begin_of
from collector.derive.cost.flows import Market
from tests.unit.derive.cost.house import LATER, Given, house, told

BRUSSELS = ZoneInfo("Europe/Brussels")
FLAT = "contracts: [{from: 2026-01-01, currency: EUR, energy: [{name: all, price: 0.20}]}]"


def days(number, month=3, year=2026) -> tuple[date, date]:
    first = date(year, month, number)
    return first, first + timedelta(days=1)


def contract(lines, more=""):
    return f"contracts:\n  - from: 2026-01-01\n    currency: EUR\n{more}    energy:\n{lines}"


def rows(bill):
    return [each for each in told(bill) if each[1] != "0.00"]


def test_the_first_line_that_fits_counts_also_over_midnight_and_at_half_hours():
    given = Given()
    given.spread(48, *days(3))  # a Tuesday; 0.5 kWh each quarter hour
    bill = house(
        contract(
            "      - {name: night, price: 0.10, hours: 22:00-06:30}\n"
            "      - {name: lunch, price: 0.50, hours: '12:00-12:30, 13:00-13:15'}\n"
            "      - {name: day, price: 0.20}\n"
        ),
        given,
    ).month(2026, 3, LATER)
    assert [(each.name, str(each.quantity.normalize())) for each in bill.rows] == [
        ("night", "17"), ("lunch", "1.5"), ("day", "29.5"),
    ]  # fmt: skip
    assert str(bill.total) == "8.35"


def test_weekends_and_seasons_have_lines_of_their_own():
    given = Given()
    for number in (6, 7):  # a Friday and a Saturday
        given.spread(10, *days(number))
    given.spread(10, *days(7, month=8))
    tariff = contract(
        "      - {name: summer, price: 0.30, months: jun-sep}\n"
        "      - {name: weekend, price: 0.10, days: 'sat, sun'}\n"
        "      - {name: week, price: 0.20}\n"
    )
    assert rows(house(tariff, given).month(2026, 3, LATER)) == [
        ("weekend", "1.00"), ("week", "2.00"),
    ]  # fmt: skip
    assert rows(house(tariff, given).month(2026, 8, LATER)) == [("summer", "3.00")]


def test_energy_of_a_gap_is_priced_at_the_windows_that_the_gap_covers_and_marked():
    given = Given()
    begin = begin_of(date(2026, 3, 3), ZoneInfo("UTC"))
    given.gaps["import"] = {begin + slot: 10**9 for slot in range(28, 36)}  # 07:00 to 09:00
    bill = house(
        contract(
            "      - {name: night, price: 0.10, hours: 00:00-08:00}\n"
            "      - {name: day, price: 0.30}\n"
        ),
        given,
    ).month(2026, 3, LATER)
    assert rows(bill) == [("night", "0.40"), ("day", "1.20")]
    assert [each.gap for each in bill.rows] == [4, 4]
    assert (bill.coverage.gap_ms, bill.coverage.gap) == (7_200_000, 8)


def test_a_peak_in_a_gap_is_not_made_up():
    given = Given()
    begin = begin_of(date(2026, 3, 3), ZoneInfo("UTC"))
    given.gaps["import"] = {begin: 10**10}
    given.at("0.75", date(2026, 3, 3), 50)
    bill = house(
        "contracts: [{from: 2026-01-01, currency: EUR, peak: {price: 2/kW/month}}]", given
    ).month(2026, 3, LATER)
    assert [(str(each.quantity), str(each.amount)) for each in bill.rows] == [("3.000", "6.00")]


def test_a_peak_may_count_only_in_some_hours_and_over_an_hour():
    given = Given()
    given.at(5, date(2026, 3, 3), 4)  # at night
    for slot in (28, 29, 30, 31, 32):  # 07:00 to 08:15
        given.at(1, date(2026, 3, 3), slot)
    tariff = """
contracts:
  - from: 2026-01-01
    currency: SEK
    peak: {name: effekt, price: 50/kW/month, over: 1h, days: mon-fri, hours: 07:00-19:00,
           months: nov-mar}
"""
    (row,) = house(tariff, given).month(2026, 3, LATER).rows
    assert (row.name, str(row.quantity), str(row.amount)) == ("effekt", "4.000", "200.00")
    assert house(tariff, given).month(2026, 6, LATER).rows == ()


def test_a_price_change_within_a_month_leaves_the_past_as_it_was():
    given = Given()
    for number in range(1, 31):
        given.spread(10, *days(number, month=4))
    tariff = """
contracts:
  - {from: 2026-01-01, name: old, currency: EUR, standing: 30/month, energy: [{price: 0.20}]}
  - {from: 2026-04-11, name: new, currency: EUR, standing: 0.5/day, energy: [{price: 0.30}]}
"""
    bill = house(tariff, given).month(2026, 4, LATER)
    assert [(each.contract, *both) for each, both in zip(bill.rows, told(bill), strict=True)] == [
        ("old", "energy", "20.00"), ("old", "standing charge", "10.00"),
        ("new", "energy", "60.00"), ("new", "standing charge", "10.00"),
    ]  # fmt: skip


def test_a_billing_month_begins_on_its_billing_day():
    given = Given()
    given.spread(10, *days(14, month=4))
    given.spread(20, *days(15, month=4))
    given.spread(40, *days(14, month=5))
    given.spread(80, *days(15, month=5))
    tariff = FLAT.replace("currency", "billing_day: 15, currency")
    bill = house(tariff, given).month(2026, 4, LATER)
    assert (str(bill.first), str(bill.end), str(bill.total)) == (
        "2026-04-15",
        "2026-05-15",
        "12.00",
    )


def test_a_bill_is_at_least_the_minimum():
    given = Given()
    given.spread(10, *days(1))
    tariff = FLAT.replace("energy", "minimum: 20/month, energy")
    bill = house(tariff, given).month(2026, 3, LATER)
    assert told(bill) == [("all", "2.00"), ("up to the minimum of 20/month", "18.00")]


def test_vat_is_rounded_once_for_each_percentage():
    given = Given()
    given.spread(100, *days(1))
    bill = house(
        """
contracts:
  - from: 2026-01-01
    currency: EUR
    vat: 10%
    standing: [{name: network, amount: 7.33/month, vat: 22%}]
    energy: [{price: 0.1237}]
    export: 0.05
""",
        given,
    ).month(2026, 3, LATER)
    assert {str(percent): str(tax) for percent, (_, tax) in bill.vat.items()} == {
        "10": "1.24", "22": "1.61",
    }  # fmt: skip
    assert str(bill.total) == "22.55"


@pytest.mark.parametrize(
    ("currency", "total"), [("JPY", "20"), ("KWD", "20.250"), ("EUR", "20.25")]
)
def test_amounts_have_the_digits_of_their_currency(currency, total):
    given = Given()
    given.spread(101.25, *days(1))
    assert str(house(FLAT.replace("EUR", currency), given).month(2026, 3, LATER).total) == total


def test_what_is_fed_in_is_paid_by_its_windows():
    given = Given()
    given.spread(96, *days(3), flow="export")
    bill = house(
        """
contracts:
  - from: 2026-01-01
    currency: EUR
    energy: [{price: 0.30}]
    export:
      - {name: noon, price: 0.02, hours: 11:00-14:00}
      - {name: other, price: 0.08}
""",
        given,
    ).month(2026, 3, LATER)
    assert rows(bill) == [("noon", "-0.24"), ("other", "-6.72")]
    assert str(bill.total) == "-6.96"


BANK = """
contracts:
  - from: 2026-01-01
    currency: EUR
    energy: [{name: all, price: 0.20}]
    export: {bank: true, true_up: 04-01, price: 0.03}
"""


def banked(month, used, fed, given):
    given.spread(used, *days(2, month=month))
    given.spread(fed, *days(3, month=month), flow="export")


def test_a_bank_keeps_what_is_fed_in_for_later_months_until_its_year_ends():
    given = Given()
    banked(1, 100, 160, given)  # 60 into the bank
    banked(2, 100, 80, given)  # 20 out of it
    banked(3, 30, 20, given)  # 10 out of it, 30 left, paid
    banked(4, 50, 10, given)
    made = house(BANK, given)
    assert told(made.month(2026, 1, LATER)) == [("all", "0.00")]
    assert told(made.month(2026, 2, LATER)) == [("all", "0.00")]
    march = made.month(2026, 3, LATER)
    assert told(march) == [("all", "0.00"), ("export: left in the bank", "-0.90")]
    assert march.notes == ("all: 10.000 kWh came out of the bank, 30.000 kWh are left in it",)
    assert told(made.month(2026, 4, LATER)) == [("all", "8.00")]


DYNAMIC = contract("      - {name: spot, price: {source: spot, times: 1.10, plus: 0.021}}\n")
# Day-ahead of Belgium, 2025-10-26: the hour that is there twice, per MWh.
TWICE = ("61.12", "10.00", "1.71", "1.20", "22.11", "1.09", "0.67", "-0.79")


def test_prices_of_the_hour_that_is_there_twice_go_by_their_own_instants():
    given, day = Given(), date(2025, 10, 26)
    begin = begin_of(day, BRUSSELS)
    given.markets["spot"] = Market(
        {begin + number: 50_000 for number in range(100)}
        | {begin + 8 + at: int(Decimal(each) * 1000) for at, each in enumerate(TWICE)},
        frozenset({978}),
    )
    given.flows["import"] = {begin + 8 + at: 10**9 for at in range(8)}
    tariff = DYNAMIC.replace("2026-01-01", "2025-01-01")
    bill = house(tariff, given, BRUSSELS).day(day, LATER)
    # the prices add up to 97.11 per MWh; times 1.10, and 0.021 for each of 8 kWh
    assert told(bill) == [("spot", "0.27")]
    assert bill.notes == ()


def test_96_prices_for_a_day_of_100_quarter_hours_are_told_and_not_stretched():
    given, day = Given(), date(2026, 10, 25)
    begin = begin_of(day, BRUSSELS)
    given.markets["spot"] = Market({begin + number: 100_000 for number in range(96)})
    given.spread(25, day, day + timedelta(days=1), zone=BRUSSELS)
    bill = house(DYNAMIC, given, BRUSSELS).day(day, LATER)
    assert told(bill) == [("spot", "3.14"), ("spot: no price known", "0.00")]
    assert [each.quantity for each in bill.rows] == [24, 1]
    assert (
        "spot: 96 prices for the 100 quarter hours of 2026-10-25; what has no price is not billed"
        in (bill.notes)
    )


def test_prices_in_another_currency_are_told():
    given = Given()
    given.markets["spot"] = Market({}, frozenset({752}))
    bill = house(DYNAMIC, given).month(2026, 3, LATER)
    assert "spot: its prices are in SEK, the contract in EUR" in bill.notes


def test_registers_of_the_meter_count_in_place_of_the_clock():
    given = Given()
    given.spread(100, *days(3))
    given.spread(70, *days(3), flow="import_t1")
    given.spread(30, *days(3), flow="import_t2")
    bill = house(
        contract(
            "      - {name: low, price: 0.10, register: t1}\n"
            "      - {name: high, price: 0.20, register: t2}\n"
        ),
        given,
    ).month(2026, 3, LATER)
    assert told(bill) == [("low", "7.00"), ("high", "6.00")]


def test_a_day_costs_what_it_added_to_its_month():
    given = Given()
    given.spread(8, *days(1))
    given.spread(25, *days(2))
    made = house(
        contract("      - {name: all, price: [0.18, 0.24 from 10/day, 0.31 from 20/day]}\n"), given
    )
    assert told(made.day(date(2026, 3, 1), LATER)) == [("all", "1.44")]
    second = made.day(date(2026, 3, 2), LATER)
    assert [each[1] for each in told(second)] == ["1.80", "2.40", "1.55"]
    assert str(second.total) == "5.75"


def test_the_days_of_a_month_add_up_to_it_also_where_its_minimum_is_reached_and_a_price_changes():
    given = Given()
    for number in range(1, 32):
        given.spread(number, *days(number))
        given.spread(0.5, *days(number), flow="export")
    line = (
        "  - {from: %s, currency: EUR, vat: 10%%, minimum: 90/month, export: 0.03, "
        "standing: [3/month, 0.1/day], "
        "energy: [{price: [0.2, 0.3 from 200/month], days: mon-fri}, {price: 0.1}], "
        "charges: [{price: 0.01}], peak: {price: 2/kW/month}}\n"
    )
    tariff = f"contracts:\n{line % '2026-01-01'}{line % '2026-03-20'}"
    made = house(tariff, given)
    month = made.month(2026, 3, LATER)
    every = [made.day(date(2026, 3, number), LATER) for number in range(1, 32)]
    assert any("minimum" in row.name for bill in every for row in bill.rows)
    assert sum(each.total for each in every) == month.total
    assert sum(row.quantity for each in every for row in each.rows if row.kind == "energy") == 496
    assert {row.contract for row in month.rows} == {
        "contract from 2026-01-01", "contract from 2026-03-20",
    }  # fmt: skip


def test_lines_of_one_name_and_price_are_one_line_and_rounded_once():
    given = Given()
    for number in (3, 7):  # a Tuesday and a Saturday
        given.spread(1.02, *days(number))
    tariff = contract(
        "      - {name: a, price: 0.2, days: mon-fri}\n"
        "      - {name: a, price: 0.2}\n"
        "      - {name: a, price: 0.3}\n"
    )
    assert told(house(tariff, given).month(2026, 3, LATER)) == [("a", "0.41"), ("a (2)", "0.00")]


def test_a_year_is_the_sum_of_its_months():
    given = Given()
    for month in (1, 2, 12):
        given.spread(10.024, *days(1, month=month))
    bill = house(FLAT, given).year(2026, LATER)
    assert str(bill.total) == "6.00"  # 2.00 each, rounded before they are added


def test_a_year_in_which_a_contract_begins_is_billed_from_there_on():
    given = Given()
    given.spread(10, *days(1, month=1))
    given.spread(10, *days(1, month=12))
    tariff = FLAT.replace("2026-01-01", "2026-11-01")
    bill = house(tariff, given).year(2026, LATER)
    assert str(bill.total) == "2.00"
    assert bill.notes[0] == "there is no contract for 2026-01 of mains"
    assert len(bill.notes) == 10


@pytest.mark.parametrize("ask", ["month", "day", "year"])
def test_what_has_not_begun_has_no_bill(ask):
    made, today = house(FLAT, Given()), date(2026, 3, 10)
    asked = {
        "month": lambda: made.month(2026, 4, today),
        "day": lambda: made.day(date(2026, 3, 11), today),
        "year": lambda: made.year(2027, today),
    }
    with pytest.raises(NoBill, match="has not begun"):
        asked[ask]()


def test_days_without_a_contract_and_hours_without_a_line_are_told():
    given = Given()
    given.spread(10, *days(20))
    tariff = """
contracts:
  - {from: 2026-03-11, currency: EUR, energy: [{price: 0.20, hours: 12:00-24:00}]}
"""
    assert house(tariff, given).month(2026, 3, LATER).notes == (
        "5.000 kWh have no price: no line of 'energy' fits their hours",
        "no contract holds on 10 days, 2026-03-01 the first: not billed",
    )
    with pytest.raises(NoBill, match="there is no contract for 2026-02 of mains"):
        house(tariff, given).month(2026, 2, LATER)


def test_a_month_that_is_not_over_is_billed_up_to_today():
    given = Given()
    given.spread(10, *days(1))
    tariff = FLAT.replace("energy", "standing: 31/month, energy")
    bill = house(tariff, given).month(2026, 3, date(2026, 3, 10))
    assert told(bill) == [("all", "2.00"), ("standing charge", "10.00")]
    assert str(bill.end) == "2026-03-11"


def test_a_currency_that_changes_within_a_month_makes_no_bill():
    tariff = """
contracts:
  - {from: 2026-01-01, currency: EUR}
  - {from: 2026-03-15, currency: USD}
"""
    with pytest.raises(NoBill, match="the currency changes within the billing month 2026-03"):
        house(tariff, Given()).month(2026, 3, LATER)
