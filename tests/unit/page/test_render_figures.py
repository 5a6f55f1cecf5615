"""Numbers, times and money as people of a language write them."""

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from collector.page.figures import MINUS, NONE, Writer
from collector.page.words import words

ROME = ZoneInfo("Europe/Rome")
AT_MS = 1_763_654_400_000  # 20 November 2025, 16:00 UTC


def writer(language="en", zone=ROME):
    return Writer(words(language), zone)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "W", "0 W"),
        (-0.4, "W", "0 W"),
        (480.4, "W", "480 W"),
        (-412.3, "W", f"{MINUS}412 W"),
        (2345.6, "W", "2.35 kW"),
        (12345.6, "W", "12.3 kW"),
        (123456.0, "W", "123 kW"),
        (484.7, "Wh", "0.48 kWh"),
        (8700.0, "Wh", "8.70 kWh"),
        (13_450_120.0, "Wh", "13,450 kWh"),
        (231.44, "V", "231.4 V"),
        (50.012, "Hz", "50.01 Hz"),
        (78.5, "%", "78 %"),
        (3.9, "", "3.90"),
        (3.0, "1", "3"),
        (7260.0, "s", "2 h"),
        (141_000_000.0, "bytes", "141 MB"),
        (None, "W", f"{NONE} W"),
        (None, "Wh", f"{NONE} kWh"),
    ],
)
def test_a_figure_has_the_unit_and_the_decimals_that_people_want(value, unit, text):
    assert str(writer().figure(value, unit)).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "12,345.67"),
        ("de", "12.345,67"),
        ("it", "12.345,67"),
        ("fr", "12\u202f345,67"),
        ("es", "12.345,67"),
    ],
)
def test_numbers_have_the_marks_of_the_language(language, text):
    assert writer(language).number(12345.67, 2) == text


@pytest.mark.parametrize(
    ("language", "amount", "currency", "text"),
    [
        ("en", "1.23", "EUR", "€1.23"),
        ("en", "-2.73", "USD", f"{MINUS}$2.73"),
        ("en", "12", "JPY", "¥12"),
        ("en", "1.20", "CHF", "CHF 1.20"),
        ("de", "1234.50", "EUR", "1234,50 €"),
        ("it", "-0.50", "EUR", f"{MINUS}0,50 €"),
        ("fr", "10.00", "CHF", "10,00 CHF"),
        ("es", None, "EUR", NONE),
    ],
)
def test_money_is_written_to_its_last_digit(language, amount, currency, text):
    assert writer(language).money(amount, currency).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Thu 20 Nov 2025, 17:00"),
        ("de", "Do 20. Nov. 2025, 17:00"),
        ("it", "gio 20 nov 2025, 17:00"),
        ("fr", "jeu. 20 nov. 2025, 17:00"),
        ("es", "jue 20 nov 2025, 17:00"),
    ],
)
def test_a_moment_is_that_of_the_house(language, text):
    assert writer(language).moment(AT_MS) == text


def test_a_day_is_written_from_a_date_too():
    assert writer("de").day(date(2026, 3, 1), "month") == "März 2026"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.6, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (172_800, "2 days")],
)
def test_a_duration_has_its_largest_unit(seconds, text):
    assert writer().duration(seconds) == text


def test_a_change_is_told_in_words():
    assert writer().change(-0.12, "the day before") == "12 % less than the day before"
    assert writer("de").change(0.08, "am Tag davor") == "8 % mehr als am Tag davor"
    assert writer().change(0.001, "the day before") == "as much as the day before"
    assert writer().change(None, "the day before") == ""


def test_a_decimal_is_not_rounded_by_binary_fractions():
    assert writer().number(Decimal("0.125"), 2) == "0.12"  # half to even, as the bill rounds not
    assert writer().number(Decimal("92.310"), 3) == "92.310"
