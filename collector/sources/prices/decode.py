"""Rows of JSON or CSV into prices per kWh, each with its UTC instant and its length. Pure."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Literal

from collector.contract.documents import parsed
from collector.errors import FrameDamaged
from collector.reading import LATEST_MS

MOST_ROWS = 20_000
LENGTHS_MS = (900_000, 1_800_000, 3_600_000)
PER_KWH = {"kWh": Decimal(1), "MWh": Decimal("0.001")}
DELIMITERS = ";\t,"
LARGEST = Decimal(10) ** 9
Row = tuple[Any, Any, Any]  # begin, end or None, price


@dataclass(frozen=True)
class Form:
    """How an answer is written: where its times and prices stand, and in which units."""

    form: Literal["json", "csv"]
    rows: str
    times: str
    ends: str
    prices: str
    time: Literal["iso", "s", "ms"]
    per: Literal["kWh", "MWh"]
    length_ms: int
    unit_at: str
    unit: str


@dataclass(frozen=True)
class Priced:
    """What a kWh costs for *length_ms*."""

    length_ms: int
    price: Decimal


def decode(body: bytes, form: Form) -> dict[int, Priced]:
    """Return the prices in an answer by the instant at which they begin. Raise FrameDamaged."""
    try:
        rows = list(rows_of_csv(body, form) if form.form == "csv" else rows_of_json(body, form))
    except (ValueError, csv.Error) as error:
        raise FrameDamaged(f"the answer is no {form.form.upper()}: {body[:100]!r}") from error
    if len(rows) > MOST_ROWS:
        raise FrameDamaged(f"the answer has more than {MOST_ROWS:,} prices")
    priced = sorted(
        (instant(begin, form), None if end is None else instant(end, form), number(price, form))
        for begin, end, price in rows
        if price not in (None, "")  # not yet known
    )
    begins = [begin for begin, _, _ in priced]
    if len(set(begins)) < len(begins):
        twice = next(one for one, other in pairwise(begins) if one == other)
        raise FrameDamaged(f"two prices begin at the same instant: {twice} ms since 1970 UTC")
    lengths = [0] * len(begins) if form.ends else lengths_of(begins, form.length_ms)
    return {
        begin: Priced(checked(length if end is None else end - begin), price)
        for (begin, end, price), length in zip(priced, lengths, strict=True)
    }


def lengths_of(begins: Sequence[int], given_ms: int) -> list[int]:
    """Return how long each price holds: as *given_ms* says, or as long as to the nearer neighbour.

    So a missing price is not covered by the one before it.
    """
    if given_ms:
        return [given_ms] * len(begins)
    distances = [other - one for one, other in pairwise(begins)]
    if begins and not distances:
        raise FrameDamaged("one price alone does not say how long it holds: set 'length'")
    return [min(distances[max(at - 1, 0) : at + 1] or distances[-1:]) for at in range(len(begins))]


def checked(length_ms: int) -> int:
    if length_ms not in LENGTHS_MS:
        raise FrameDamaged(f"a price holds for {length_ms / 60_000:g} min, not for 15, 30 or 60")
    return length_ms


def rows_of_json(body: bytes, form: Form) -> Iterator[Row]:
    answer = parsed(body, parse_float=Decimal, parse_constant=refuse)
    if form.rows:
        rows = at(answer, form.rows)
        if not isinstance(rows, list):
            raise FrameDamaged(f"the answer has no list at {form.rows!r}")
        for row in rows:
            check_unit(row, form)
            end = at(row, form.ends) if form.ends else None
            yield at(row, form.times), end, at(row, form.prices)
        return
    check_unit(answer, form)
    columns = [at(answer, path) for path in (form.times, form.prices)]
    if not all(isinstance(each, list) for each in columns):
        raise FrameDamaged(f"the answer has no lists at {form.times!r} and {form.prices!r}")
    times, prices = columns
    if len(times) != len(prices):
        raise FrameDamaged(f"the answer has {len(prices)} prices at {len(times)} times")
    for begin, price in zip(times, prices, strict=True):
        yield begin, None, price


def rows_of_csv(body: bytes, form: Form) -> Iterator[Row]:
    text = body.decode("utf-8-sig")
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    for row in csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True):
        check_unit(row, form)
        end = at(row, form.ends) if form.ends else None
        price = at(row, form.prices)
        yield at(row, form.times), end, price.replace(",", ".") if delimiter != "," else price


def refuse(constant: str) -> None:
    raise ValueError(constant)


def at(value: Any, path: str) -> Any:
    """Return what stands at a path such as ``data.0.price``. Raise FrameDamaged."""
    for part in path.split(".") if not (isinstance(value, dict) and path in value) else [path]:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (LookupError, TypeError, ValueError) as error:
            raise FrameDamaged(f"the answer has nothing at {path!r}") from error
    return value


def check_unit(value: Any, form: Form) -> None:
    if form.unit_at and (told := at(value, form.unit_at)) != form.unit:
        raise FrameDamaged(f"the answer has prices in {str(told)[:50]!r}, not in {form.unit!r}")


def instant(value: Any, form: Form) -> int:
    """Return a time as milliseconds since 1970 UTC. Raise FrameDamaged."""
    with suppress(ValueError, TypeError, OverflowError):
        if form.time == "iso":
            read = datetime.fromisoformat(value)
            if read.tzinfo is None:
                raise FrameDamaged(
                    f"{str(value)[:50]!r} has no offset from UTC, so it is two times where clocks "
                    "are set back"
                )
            found = read.timestamp() * 1000
        else:
            found = float(value) * (1000 if form.time == "s" else 1)
        if math.isfinite(found) and 0 < found < LATEST_MS and not isinstance(value, bool):
            return round(found)
    raise FrameDamaged(f"{str(value)[:50]!r} is no time as {form.time!r} says")


def number(value: Any, form: Form) -> Decimal:
    """Return a price per kWh. Raise FrameDamaged."""
    with suppress(InvalidOperation, TypeError, ValueError):
        if not isinstance(value, bool | float | list | dict):
            found = Decimal(value)
            if found.is_finite() and abs(found) < LARGEST:
                return found * PER_KWH[form.per]
    raise FrameDamaged(f"{str(value)[:50]!r} is no price")
