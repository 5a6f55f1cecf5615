"""Energy from power, of a device that has no counter.

A power holds until the next reading, and counts for nothing over a gap. Sums are whole µW·ms, so
that they are exact. Import and export are kept apart, as a meter keeps them.
"""

from dataclasses import dataclass, field
from typing import Any

from collector.derive.energy.counter import LEAST_GAP_MS, MINUTE_MS, USUAL_TIMES, Point, usual

MS_PER_HOUR = 3_600_000
GRACE_MS = 600_000  # counters of a device may be read less often than its power


@dataclass(slots=True)
class Power:
    """The newest power in µW, and what has been drawn and fed in; *held* waits for a counter."""

    first_at: int
    at: int
    power: int
    drawn: int = 0
    fed: int = 0
    told_at: int = 0
    usual_ms: int = 0
    has_export: bool = False
    held: list[list[int]] = field(default_factory=list)

    def state(self) -> list[Any]:
        return [getattr(self, name) for name in Power.__slots__]

    def take(self, at: int, power: int, imported: Point, exported: Point) -> None:
        """Take a power; give out what was used at each full minute, and around gaps."""
        if at <= self.at:
            return
        took = at - self.at
        if took > max(LEAST_GAP_MS, USUAL_TIMES * self.usual_ms):
            if self.told_at < self.at:
                self.tell(self.at)
            self.tell(at)
        else:
            begin = self.at
            edge = (begin // MINUTE_MS + 1) * MINUTE_MS
            while edge <= at:
                self.count(edge - begin)
                self.tell(edge)
                begin, edge = edge, edge + MINUTE_MS
            self.count(at - begin)
        self.usual_ms = usual(self.usual_ms, took)
        self.at, self.power = at, power
        if power < 0 and not self.has_export:
            self.has_export = True
            self.tell(at)
        self.give(imported, exported)

    def count(self, took: int) -> None:
        if self.power >= 0:
            self.drawn += self.power * took
        else:
            self.fed -= self.power * took

    def tell(self, at: int) -> None:
        fed = self.fed // MS_PER_HOUR if self.has_export else -1
        self.held.append([at, self.drawn // MS_PER_HOUR, fed])
        self.told_at = at

    def give(self, imported: Point, exported: Point) -> None:
        """Give out what is held, once it is sure that the device has no counter."""
        if self.at - self.first_at < GRACE_MS:
            return
        for at, drawn, fed in self.held:
            imported(at, drawn)
            if fed >= 0:
                exported(at, fed)
        self.held = []


def new(at: int, power: int) -> Power:
    made = Power(at, at, power, has_export=power < 0)
    made.tell(at)
    return made


def restored(state: list[Any]) -> Power:
    """Return it as it was. Raise TypeError, ValueError where *state* is none."""
    made = Power(0, 0, 0)
    for name, value in zip(Power.__slots__, state, strict=True):
        setattr(made, name, value)
    return made
