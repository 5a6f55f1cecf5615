"""The capacity that a long discharge shows: from full down to a rest, or to the BMS's cut-off."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

REST_MS = 4 * 3_600_000
REST_PART = 0.01  # of the capacity, in A: below that the bank rests
LEAST_PART = 0.4  # of the capacity must have been drawn
STEADY = 0.25  # largest deviation of the current, as a part of its mean
CHARGED_PART = 0.01  # so much charge in between makes a discharge worth nothing
KEPT = 5


@dataclass
class Discharge:
    """A discharge that began with a full bank; *counts* until something spoils it."""

    counts: bool = False
    seconds: float = 0.0
    charge: float = 0.0  # As
    squares: float = 0.0  # A²s
    charged: float = 0.0  # Ah put in since it began

    def add(self, current: float, seconds: float, rest: float) -> None:
        """Take what flowed out of the bank, while it did not rest."""
        if current > rest:
            self.seconds += seconds
            self.charge += current * seconds
            self.squares += current * current * seconds

    @property
    def is_steady(self) -> bool:
        if not self.seconds:
            return False
        mean = self.charge / self.seconds
        return self.squares / self.seconds - mean * mean <= (STEADY * mean) ** 2


@dataclass
class Health:
    """What the discharges showed: the last estimates of the capacity in Ah, and the present one."""

    discharge: Discharge = field(default_factory=Discharge)
    rest_since_ms: int = 0
    estimates: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """The bank is full."""
        self.discharge = Discharge(counts=True)

    def spoil(self) -> None:
        self.discharge.counts = False

    def rested(self, at_ms: int, current: float, capacity: float, *, is_gap: bool) -> bool:
        """Return whether the bank has rested for long enough at *at_ms*."""
        if abs(current) >= REST_PART * capacity:
            self.rest_since_ms = 0
            return False
        if not self.rest_since_ms or is_gap:
            self.rest_since_ms = at_ms
        return at_ms - self.rest_since_ms >= REST_MS

    def estimate(self, drawn: float, left: float, capacity: float) -> None:
        """Take the end of a discharge: *drawn* Ah, after which the part *left* is in the bank."""
        run = self.discharge
        if run.counts and run.is_steady and drawn >= LEAST_PART * capacity and left < 1:
            self.estimates = [*self.estimates, drawn / (1 - left)][-KEPT:]
            run.counts = False

    @property
    def capacity(self) -> float | None:
        return statistics.median(self.estimates) if self.estimates else None


def left_at_rest(table: Sequence[tuple[float, float]], voltage: float) -> float:
    """Return the part that is left by *voltage*; *table* has V and % from empty to full."""
    if voltage <= table[0][0]:
        return table[0][1] / 100
    for (v1, s1), (v2, s2) in itertools.pairwise(table):
        if voltage <= v2:
            return (s1 + (s2 - s1) * (voltage - v1) / (v2 - v1)) / 100
    return table[-1][1] / 100
