"""What a device shows: the newest value of each quantity, and counters that never fall by mistake.

Home Assistant takes a counter below 0.9 of the one before as a new meter, and then adds all that it
shows. So a lower value waits until a second, later read agrees: the meter was really replaced.
"""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any, Self

from collector.outputs.mqtt.mapping import counts_up
from collector.reading import LATEST_MS, NAME

GAPS = 3  # of which the middle one counts: an outage is no interval
SILENT_INTERVALS = 3
UNKNOWN_INTERVAL_MS = 300_000  # until a second reading comes
GONE_QUANTITY_MS = 7 * 86_400_000
GONE_DEVICE_MS = 30 * 86_400_000
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.ASCII)


@dataclass
class Value:
    """The value of a quantity as it is shown, in the journal's *text*.

    *seen_ms* is the time of its newest reading, also of one that is not shown; *gaps* are between
    the last ones. *lower* waits for a second read. *part* is the discovery message that has it.
    *is_fresh* once it was read since we started: before that the broker may show a newer one.
    """

    text: str
    seen_ms: int
    gaps: list[int] = field(default_factory=list)
    lower: tuple[str, int] | None = None
    part: int = 0
    is_fresh: bool = False

    def take(self, text: str, at_ms: int, *, counts: bool) -> None:
        """Take what was read at *at_ms*; what is older than what is known is left out."""
        if at_ms < self.seen_ms:
            return
        if at_ms > self.seen_ms:
            self.gaps = [*self.gaps, at_ms - self.seen_ms][-GAPS:]
            self.seen_ms = at_ms
        if counts and float(text) < float(self.text) and not self.agrees(text, at_ms):
            return
        self.text, self.lower, self.is_fresh = text, None, True

    def agrees(self, text: str, at_ms: int) -> bool:
        """Is *text* the second, later read of a counter that is lower than what is shown?"""
        if self.lower is None or float(text) < float(self.lower[0]):
            self.lower = text, at_ms
            return False
        return at_ms > self.lower[1]

    @property
    def interval_ms(self) -> int:
        return median_low(self.gaps) if self.gaps else UNKNOWN_INTERVAL_MS


@dataclass
class Device:
    """One device: the *kind* of its first reading, and its values."""

    kind: str
    values: dict[str, Value] = field(default_factory=dict)

    def take(self, at_ms: int, fields: Iterable[tuple[str, str]], now_ms: float = math.inf) -> None:
        """Take what was read at *at_ms*, when *now_ms* was the newest time of any device.

        What is known from beyond both is of before the clock was set back: it is as old as that.
        """
        for value in self.values.values():
            if at_ms <= now_ms < value.seen_ms:
                value.seen_ms, value.lower = at_ms, None
        for name, text in fields:
            counts = counts_up(name)
            known = self.values.get(name)
            if known:
                known.take(text, at_ms, counts=counts)
            else:
                self.values[name] = Value(text, at_ms, is_fresh=True)

    @property
    def seen_ms(self) -> int:
        return max(each.seen_ms for each in self.values.values())

    @property
    def interval_ms(self) -> int:
        return min(each.interval_ms for each in self.values.values())

    def shown(self, every_ms: int) -> list[tuple[str, str]]:
        """Return what is shown: no gauge that was not read for three of its intervals."""
        newest_ms = self.seen_ms
        return [
            (name, value.text)
            for name, value in self.values.items()
            if value.is_fresh
            and (
                counts_up(name)
                or newest_ms - value.seen_ms <= SILENT_INTERVALS * max(value.interval_ms, every_ms)
            )
        ]

    def is_silent(self, now_ms: float, every_ms: int) -> bool:
        return now_ms - self.seen_ms > SILENT_INTERVALS * max(self.interval_ms, every_ms)

    def is_gone(self, now_ms: float) -> bool:
        return now_ms - self.seen_ms > GONE_DEVICE_MS

    def gone(self) -> list[str]:
        """Return the quantities that are no longer read, although the device is."""
        newest_ms = self.seen_ms
        return [
            name
            for name, value in self.values.items()
            if newest_ms - value.seen_ms > max(GONE_QUANTITY_MS, 3 * value.interval_ms)
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "values": {
                name: [value.text, value.seen_ms, value.gaps, value.part]
                for name, value in self.values.items()
            },
        }

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Return the device that ``to_json`` wrote. Raise ValueError, LookupError or TypeError."""
        values = {}
        for name, (text, seen_ms, gaps, part) in document["values"].items():
            numbers = [seen_ms, part, *gaps]
            if not NAME.fullmatch(name) or not NUMBER.fullmatch(text) or not are_whole(numbers):
                raise ValueError(name)
            values[name] = Value(text, seen_ms, gaps[-GAPS:], part=part)
        if not values or not isinstance(document["kind"], str):
            raise ValueError("no values")
        return cls(document["kind"], values)


def are_whole(numbers: Collection[Any]) -> bool:
    return all(type(each) is int and 0 <= each < LATEST_MS for each in numbers)
