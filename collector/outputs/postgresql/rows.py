"""Readings as the rows of wide tables: one table per kind, one column per quantity. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

LONGEST_NAME = 63  # of PostgreSQL: it cuts the rest off, and two names may become one
MONTH = re.compile(r"_\d{4}_\d{2}")
OWN_COLUMNS = ("site", "device", "time")
OWN_NAMES = {
    "readings_long", "usage_by_minute", "usage_by_hour", "usage_by_day", "energy_monitor_sites",
}  # fmt: skip


@dataclass
class Rows:
    """Readings of one kind: the values by quantity of each device and time, as they are written.

    Two readings of a device at one time are one row.
    """

    values: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> set[tuple[str, ...]]:
        """The quantities of each row, which are mostly the same in all."""
        return set(map(tuple, self.values.values()))

    @cached_property
    def quantities(self) -> list[str]:
        return sorted({name for shape in self.shapes for name in shape})

    @cached_property
    def months(self) -> set[str]:
        times = {int(at_ms) for _, at_ms in self.values}
        ends = {month_of(min(times)), month_of(max(times))}
        return ends if len(ends) == 1 else set(map(month_of, times))

    def columns(self) -> Iterator[str]:
        """Yield the devices, the times and the values of each quantity, as arrays of PostgreSQL."""
        devices, times = zip(*self.values, strict=True)
        yield array(devices)
        yield array(times)
        rows = list(self.values.values())
        if len(self.shapes) > 1:
            rows = [{name: each.get(name, "NULL") for name in self.quantities} for each in rows]
        columns = zip(*[each.values() for each in rows], strict=True)
        found = dict(zip(rows[0], columns, strict=True))
        for quantity in self.quantities:
            yield array(found[quantity])


def array(words: Iterable[str]) -> str:
    """Write an array of numbers or plain words."""
    return "{" + ",".join(words) + "}"


def rows_of(lines: Iterable[bytes]) -> dict[str, Rows]:
    """Return the rows of encoded readings by kind, in the order in which they came."""
    tables: dict[str, Rows] = {}
    for line in lines:
        head, fields, at_ms = line.decode("ascii").split(" ")
        kind, device = head.split(",device=")
        words = fields.replace("=", ",").split(",")  # half the time that a split per pair takes
        values = dict(zip(words[::2], words[1::2], strict=True))
        rows = tables.get(kind) or tables.setdefault(kind, Rows())
        if (before := rows.values.setdefault((device, at_ms), values)) is not values:
            before |= values
    return tables


def fault(kind: str, rows: Rows, tags: Iterable[str]) -> str:
    """Return why there can be no table or column for *rows*; nothing where there can."""
    if MONTH.fullmatch(kind[-8:]) or kind in OWN_NAMES or len(kind) > LONGEST_NAME - 8:
        return f"no table can have the name of the kind {kind!r}"
    for quantity in rows.quantities:
        if quantity in OWN_COLUMNS or quantity in tags or len(quantity) > LONGEST_NAME:
            return f"no column can have the name of the quantity {quantity!r}"
    return ""


def month_of(at_ms: int) -> str:
    """Return the month of a time in UTC, such as 2026-11."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at.year}-{at.month:02}"


def month_after(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def month_in(part: str) -> str:
    """Return the month of a part by its name, such as electricity_2026_11."""
    return part[-7:].replace("_", "-")


def partition(kind: str, month: str) -> str:
    return f"{kind}_{month.replace('-', '_')}"
