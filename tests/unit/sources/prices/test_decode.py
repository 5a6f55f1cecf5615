"""Prices out of JSON and CSV: exact, per kWh, by UTC instant and length."""

import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import FrameDamaged
from collector.sources.prices.decode import Form, decode
from tests.fakes.market import seconds

HOUR_MS = 3_600_000
ROWS = Form("json", "data", "at", "", "value", "iso", "MWh", 0, "", "")
# Day-ahead of Belgium, 2025-10-26: the hour that is there twice.
TWICE = ((61.12, 10.00, 1.71, 1.20), (22.11, 1.09, 0.67, -0.79))


def twice():
    rows = [
        {"at": f"2025-10-26T02:{minute:02}:00+0{offset}:00", "value": value}
        for offset, hour in zip((2, 1), TWICE, strict=True)
        for minute, value in zip((0, 15, 30, 45), hour, strict=True)
    ]
    return json.dumps({"data": rows}).encode()


def test_the_hour_that_is_there_twice_has_eight_prices_in_their_order():
    found = decode(twice(), ROWS)
    begin = seconds("2025-10-26T00:00:00") * 1000
    assert list(found) == [begin + at * 900_000 for at in range(8)]
    assert [str(each.price.normalize()) for each in found.values()] == [
        "0.06112", "0.01", "0.00171", "0.0012", "0.02211", "0.00109", "0.00067", "-0.00079",
    ]  # fmt: skip
    assert {each.length_ms for each in found.values()} == {900_000}


def test_lengths_follow_the_nearer_neighbour_so_that_nothing_missing_is_covered():
    hours = [0, 1, 2, 2.25, 2.5, 4.5, 4.75]  # hours become quarters; two hours are missing
    begin = seconds("2025-09-30T20:00:00")
    body = {"t": [begin + round(each * 3600) for each in hours], "p": [1] * len(hours)}
    form = replace(ROWS, rows="", times="t", prices="p", time="s")
    found = decode(str(body).replace("'", '"').encode(), form)
    assert [each.length_ms // 60_000 for each in found.values()] == [60, 60, 15, 15, 15, 15, 15]


def test_csv_may_have_semicolons_and_decimal_commas():
    form = replace(ROWS, form="csv", ends="end", per="kWh")
    body = (
        "at;end;value\r\n2026-01-01T00:00Z;2026-01-01T01:00Z;0,1234\r\n"
        "2026-01-01T01:00Z;2026-01-01T02:00Z;\r\n"
    )
    (found,) = decode(b"\xef\xbb\xbf" + body.encode(), form).items()
    assert found[0] == seconds("2026-01-01T00:00:00") * 1000
    assert (found[1].length_ms, found[1].price) == (HOUR_MS, Decimal("0.1234"))


def pair(second):
    rows = [{"at": f"2026-01-01T{each}Z", "value": 1} for each in ("00:00", second)]
    return json.dumps({"data": rows}).encode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html>", "the answer is no JSON"),
        (b"[" * 100_000, "the answer is no JSON"),
        (b'{"data": NaN}', "the answer is no JSON"),
        (b'{"prices": []}', "the answer has nothing at 'data'"),
        (b'{"data": {}}', "the answer has no list at 'data'"),
        (b'{"data": [1]}', "the answer has nothing at 'at'"),
        (b'{"data": [{"at": "2026-01-01T00:00", "value": 1}]}', "has no offset from UTC"),
        (b'{"data": [{"at": 12, "value": 1}]}', "'12' is no time as 'iso' says"),
        (b'{"data": [{"at": "2026-01-01T00:00Z", "value": "x"}]}', "'x' is no price"),
        (b'{"data": [{"at": "2026-01-01T00:00Z", "value": 1e99}]}', "is no price"),
        (b'{"data": [{"at": "2026-01-01T00:00Z", "value": 1}]}', "one price alone"),
        (pair("00:00"), "two prices begin at the same instant"),
        (pair("00:05"), "holds for 5 min, not for 15, 30 or 60"),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_has_its_sentence(body, sentence):
    with pytest.raises(FrameDamaged, match=sentence):
        decode(body, ROWS)


def test_a_price_in_another_unit_is_refused():
    form = replace(ROWS, unit_at="unit", unit="EUR/MWh")
    body = b'{"data": [{"at": "2026-01-01T00:00Z", "value": 1, "unit": "ct/kWh"}]}'
    with pytest.raises(FrameDamaged, match="the answer has prices in 'ct/kWh', not in 'EUR/MWh'"):
        decode(body, form)


@given(st.binary(max_size=300), st.sampled_from(["json", "csv"]))
def test_whatever_comes_is_prices_or_a_fault(body, form):
    with suppress(FrameDamaged):
        assert isinstance(decode(body, replace(ROWS, form=form, rows="")), dict)
