"""One row per device and interval: the mean of what goes up and down, the last of all else."""

import math
from collections.abc import Iterable, Iterator
from functools import cache

from collector.outputs.file.rows import Row
from collector.quantity import catalogue

MOST_HELD = 4096  # values of one quantity: more are added up before


def resample(rows: Iterable[Row], every_ms: int) -> Iterator[Row]:
    """Yield a row per device and interval of *rows*, which are sorted; its time is the beginning.

    Counters keep their last value, and states, of which no mean has a meaning.
    """
    begun: tuple[str, int] | None = None
    held: dict[bytes, Values] = {}
    for device, at_ms, fields in rows:
        interval = (device, at_ms - at_ms % every_ms)
        if interval != begun:
            if begun is not None:
                yield *begun, ended(held)
            begun, held = interval, {}
        for field in fields.split(b","):
            name, _, value = field.partition(b"=")
            values = held.get(name)
            if values is None:
                values = held[name] = Mean() if is_gauge(name) else Last()
            values.add(value)
    if begun is not None:
        yield *begun, ended(held)


def ended(held: "dict[bytes, Values]") -> bytes:
    return b",".join(b"%s=%r" % (name, values.value) for name, values in held.items())


@cache
def is_gauge(name: bytes) -> bool:
    known = catalogue().get(name.decode())
    return known is None or known.kind == "gauge"


class Last:
    """Keeps the last of some values."""

    def __init__(self) -> None:
        self.last = b""

    def add(self, value: bytes) -> None:
        self.last = value

    @property
    def value(self) -> float:
        return float(self.last)


class Mean:
    """Keeps the sum of some values, rounded once."""

    def __init__(self) -> None:
        self.count = 0
        self.held: list[float] = []

    def add(self, value: bytes) -> None:
        self.held.append(float(value))
        self.count += 1
        if len(self.held) >= MOST_HELD:
            self.held[:] = [math.fsum(self.held)]

    @property
    def value(self) -> float:
        return math.fsum(self.held) / self.count


Values = Mean | Last
