"""A day of quarter hours in one blob: small enough that years of a house fit on its card.

A quarter is the number of quarter hours since 1970 UTC, a day the number of days. Amounts are whole
micro-units (of a Wh, a litre or a start), so that sums are exact in any order.
"""

import struct
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

QUARTER_MS = 900_000
PER_DAY = 96
MICRO = 1_000_000
LARGEST_BLOB = 16_384


class Damaged(ValueError):
    """A blob of the ledger is none that we wrote."""


@dataclass(slots=True)
class Amount:
    """What was used in a quarter: micro-units, how long it was measured, how much is estimated."""

    micro: int = 0
    measured_ms: int = 0
    estimated_micro: int = 0


@dataclass(slots=True)
class Shown:
    """What a gauge showed in a quarter; the mean is over *measured_ms*."""

    mean: float = 0.0
    low: float = 0.0
    high: float = 0.0
    measured_ms: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns of a day, each of 96 numbers: the fields of *row* in their order."""

    row: type
    columns: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        return sum(PER_DAY * array(code).itemsize for _, code in self.columns)


AMOUNTS = Layout(Amount, (("micro", "q"), ("measured_ms", "i"), ("estimated_micro", "q")))
GAUGES = Layout(Shown, (("mean", "d"), ("low", "d"), ("high", "d"), ("measured_ms", "i")))

Row = Amount | Shown
Day = dict[int, Row]  # slot of the day, 0 to 95 → what is known of it


def pack(layout: Layout, day: Mapping[int, Row]) -> bytes:
    """Return *day* as a blob. Columns stand together, for like numbers deflate well."""
    empty = layout.row()
    parts = [
        struct.pack(
            f"<{PER_DAY}{code}", *(getattr(day.get(at, empty), name) for at in range(PER_DAY))
        )
        for name, code in layout.columns
    ]
    return zlib.compress(b"".join(parts), 9)


def unpack(layout: Layout, blob: bytes) -> Day:
    """Return the day in *blob*, without the slots of which nothing is known. Raise Damaged."""
    try:
        if len(blob) > LARGEST_BLOB:
            raise Damaged("it is too large")
        opened = zlib.decompressobj()
        data = opened.decompress(blob, layout.size + 1)
        if len(data) != layout.size or not opened.eof:
            raise Damaged("it has another length")
    except zlib.error as error:
        raise Damaged(str(error)) from error
    columns, at = [], 0
    for _, code in layout.columns:
        form = f"<{PER_DAY}{code}"
        columns.append(struct.unpack_from(form, data, at))
        at += struct.calcsize(form)
    empty = layout.row()
    rows = (layout.row(*values) for values in zip(*columns, strict=True))
    return {slot: row for slot, row in enumerate(rows) if row != empty}
