"""The count of charge: what has been drawn from a full bank, and how sure that is."""

from dataclasses import dataclass, field

from collector.derive.battery_bank.capacity import Capacity

REFERENCE_C = 20.0
# Readings further apart than three usual intervals are a gap; these are the shortest and the
# longest that is bridged where both ends have the same current.
SHORTEST_GAP_MS = 10_000
LONGEST_BRIDGE_MS = 3_600_000
USUAL_OF = 5
SAME = 0.1
BUCKETS = 12

COUNTED, ESTIMATED, AT_MOST, AT_LEAST, UNCERTAIN = range(5)


@dataclass(frozen=True)
class Rates:
    """How a bank is counted: *least* in A, *efficiency* as a part, *per_degree* as a part."""

    capacity: Capacity
    efficiency: float
    least: float
    per_degree: float

    def usable(self, temperature: float | None) -> float:
        """Return the rated capacity at *temperature*, of which some is left however cold it is."""
        if temperature is None:
            return self.capacity.rated
        return self.capacity.rated * max(1 + self.per_degree * (temperature - REFERENCE_C), 0.1)


@dataclass
class Count:
    """The charge *missing* from full in Ah of the rated scale (None: unknown), and the totals."""

    missing: float | None = None
    is_synchronised: bool = False
    at_most: bool = False
    at_least: bool = False
    discharged: float = 0.0
    charged: float = 0.0
    discharged_wh: float = 0.0
    charged_wh: float = 0.0
    excess: float = 0.0
    is_far: bool = False

    def add(self, rates: Rates, current: float, voltage: float, seconds: float) -> float:
        """Take *current* (positive charges) for *seconds*; return the Ah that went in or out."""
        if abs(current) < rates.least:
            self.is_far = False
            return 0.0
        charge = abs(current) * seconds / 3600
        self.is_far = current < 0 and rates.capacity.is_far(-current)
        if current < 0:
            self.discharged += charge
            self.discharged_wh += charge * voltage
            if self.missing is not None:
                self.missing += charge * rates.capacity.scale(-current)
            return -charge
        self.charged += charge
        self.charged_wh += charge * voltage
        if self.missing is not None:
            self.missing -= charge * rates.efficiency
            if self.missing < 0:
                self.excess -= self.missing
                self.missing = 0.0
        return charge

    def full(self) -> None:
        self.missing = 0.0
        self.is_synchronised = True
        self.at_most = self.at_least = False

    def lose(self, before: float, after: float, passed_ms: int) -> None:
        """Nobody knows what flowed between two readings with these currents.

        In a long time it may have been anything: a sunny day lies between two nights.
        """
        is_open = before == after == 0 or passed_ms > LONGEST_BRIDGE_MS
        self.at_most |= before < 0 or after < 0 or is_open
        self.at_least |= before > 0 or after > 0 or is_open

    @property
    def quality(self) -> int:
        if not self.is_synchronised:
            return ESTIMATED
        if self.at_most and self.at_least:
            return UNCERTAIN
        return AT_MOST if self.at_most else AT_LEAST if self.at_least else COUNTED


@dataclass
class Pace:
    """How often readings come."""

    intervals: list[int] = field(default_factory=list)

    def is_gap(self, passed_ms: int) -> bool:
        """Tell whether *passed_ms* is longer than usual, and remember it."""
        known = sorted(self.intervals)
        usual = known[len(known) // 2] if known else 0
        self.intervals = [*self.intervals, passed_ms][-USUAL_OF:]
        return passed_ms > max(SHORTEST_GAP_MS, 3 * usual)


@dataclass
class Mean:
    """The mean current of the last minutes, in so many parts: end in ms, As, seconds."""

    parts: list[list[float]] = field(default_factory=list)

    def add(self, at_ms: int, current: float, seconds: float, over_ms: int) -> float:
        """Take what flowed until *at_ms*; return the mean over *over_ms*."""
        if not over_ms:
            return current
        length = over_ms / BUCKETS
        number = float(at_ms // length)
        if not self.parts or self.parts[-1][0] != number:
            self.parts.append([number, 0.0, 0.0])
        self.parts[-1][1] += current * seconds
        self.parts[-1][2] += seconds
        while self.parts[0][0] <= number - BUCKETS:
            del self.parts[0]
        passed = sum(each[2] for each in self.parts)
        return sum(each[1] for each in self.parts) / passed if passed else current


def is_bridged(before: float, after: float, passed_ms: int, least: float) -> bool:
    """Tell whether a gap has so much the same current at both ends that it is counted."""
    if passed_ms > LONGEST_BRIDGE_MS:
        return False
    if abs(before) < least and abs(after) < least:
        return True
    return abs(before - after) <= 2 * SAME * max(abs(before), abs(after)) / (1 + SAME)
