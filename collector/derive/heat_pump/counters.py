"""Energy from a counter that falls and jumps now and then, or from a power.

A drop is neither a new beginning nor forgotten: the readings that follow decide whether it was a
glitch, a restart or a new counter.
"""

from dataclasses import dataclass, field

AGREEING = 3  # readings that must agree on a jump,
AGREEING_MS = 60_000  # over so long
HOUR_MS = 3_600_000
SHORTEST_GAP_MS = 10_000
USUAL_OF = 5


@dataclass(frozen=True)
class Limits:
    """The largest power in W that can be true, and one step of the counter in Wh."""

    power: float
    grain: float

    def most(self, passed_ms: int) -> float:
        return self.power * passed_ms / HOUR_MS * 1.1 + self.grain


@dataclass
class Counter:
    """The last good value in Wh with its time, and a jump that is not believed yet.

    *jump* is the newest value after it, *jumped_to* the first.
    """

    last: float | None = None
    at_ms: int = 0
    jump: float | None = None
    jumped_to: float = 0.0
    jump_ms: int = 0
    seen_ms: int = 0
    agreeing: int = 0

    def step(self, value: float, at_ms: int, limits: Limits, *, may_fall: bool = False) -> float:
        """Take a *value*; return the Wh since the last one, below 0 where it *may_fall*."""
        if self.last is None:
            self.last, self.at_ms = value, at_ms
            return 0.0
        change, most = value - self.last, limits.most(at_ms - self.at_ms)
        if 0 <= change <= most or (may_fall and -most <= change < 0):
            self.take(value, at_ms)
            return change
        if -2 * limits.grain <= change < 0:
            return 0.0  # it trembles
        agrees = self.jump is not None and (
            0 <= value - self.jump <= limits.most(at_ms - self.seen_ms)
        )
        if not agrees:
            self.jumped_to, self.jump_ms, self.agreeing = value, at_ms, 0
        self.jump, self.seen_ms, self.agreeing = value, at_ms, self.agreeing + 1
        if self.agreeing < AGREEING or at_ms - self.jump_ms < AGREEING_MS:
            return 0.0
        if change < 0 and value == self.jumped_to:
            return 0.0  # a zero that does not rise may be false
        is_restart = change < 0 and self.jumped_to <= limits.most(self.jump_ms - self.at_ms)
        self.take(value, at_ms)
        return value if is_restart else value - self.jumped_to

    def take(self, value: float, at_ms: int) -> None:
        self.last, self.at_ms = value, at_ms
        self.jump, self.agreeing = None, 0


@dataclass
class Pace:
    """How often readings come."""

    at_ms: int = 0
    intervals: list[int] = field(default_factory=list)

    def step(self, at_ms: int) -> int:
        """Return the time since the reading before; 0 for the first and after a gap."""
        passed_ms = at_ms - self.at_ms if self.at_ms else 0
        self.at_ms = at_ms
        if not passed_ms:
            return 0
        known = sorted(self.intervals)
        usual = known[len(known) // 2] if known else 0
        self.intervals = [*self.intervals, passed_ms][-USUAL_OF:]
        return passed_ms if passed_ms <= max(SHORTEST_GAP_MS, 3 * usual) else 0


@dataclass
class Held:
    """A power that holds until the next reading, but over no gap."""

    power: float = 0.0
    pace: Pace = field(default_factory=Pace)

    def step(self, power: float, at_ms: int) -> tuple[float, int]:
        """Take a *power*; return the Wh since the reading before, and in how many ms they came."""
        passed_ms = self.pace.step(at_ms)
        before, self.power = self.power, power
        return before * passed_ms / HOUR_MS, passed_ms
