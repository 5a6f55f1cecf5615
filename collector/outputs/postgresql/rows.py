"""Readings as the rows of wide tables: one table per kind, one column per quantity. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

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

    @property
    def quantities(self) -> list[str]:
        return sorted({name for each in self.values.values() for name in each})

    @property
    def months(self) -> set[str]:
        return {month_of(int(at_ms)) for at_ms in {at_ms for _, at_ms in self.values}}

    def columns(self, quantities: Sequence[str]) -> Iterator[str]:
        """Yield the devices, the times and the values of each quantity, as arrays of PostgreSQL."""
        yield array(device for device, _ in self.values)
        yield array(at_ms for _, at_ms in self.values)
        for quantity in quantities:
            yield array(each.get(quantity, "NULL") for each in self.values.values())


def array(words: Iterable[str]) -> str:
    """Write an array of numbers or plain words."""
    return "{" + ",".join(words) + "}"


def split(line: bytes) -> tuple[str, str, str, str]:
    """Return kind, device, fields and time of an encoded reading."""
    head, fields, at_ms = line.decode("ascii").split(" ")
    kind, device = head.split(",device=")
    return kind, device, fields, at_ms


def rows_of(lines: Iterable[bytes]) -> dict[str, Rows]:
    """Return the rows of *lines* by kind, in the order in which they came."""
    tables: dict[str, Rows] = {}
    for line in lines:
        kind, device, fields, at_ms = split(line)
        rows = tables.setdefault(kind, Rows()).values
        values = dict([pair.split("=") for pair in fields.split(",")])
        if (before := rows.setdefault((device, at_ms), values)) is not values:
            before |= values
    return tables


def fault(line: bytes, tags: Iterable[str]) -> str:
    """Return why there can be no table or column for a reading; nothing where there can."""
    kind, _, fields, _ = split(line)
    if MONTH.fullmatch(kind[-8:]) or kind in OWN_NAMES or len(kind) > LONGEST_NAME - 8:
        return f"no table can have the name of the kind {kind!r}"
    for quantity in (pair.partition("=")[0] for pair in fields.split(",")):
        if quantity in OWN_COLUMNS or quantity in tags or len(quantity) > LONGEST_NAME:
            return f"no column can have the name of the quantity {quantity!r}"
    return ""


def month_of(at_ms: int) -> str:
    """Return the month of a time in UTC, such as 2026-11."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m")


def month_after(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def month_in(part: str) -> str:
    """Return the month of a part by its name, such as electricity_2026_11."""
    return part[-7:].replace("_", "-")


def partition(kind: str, month: str) -> str:
    return f"{kind}_{month.replace('-', '_')}"
