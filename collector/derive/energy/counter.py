"""One counter: what is accepted of it, what is pending, and what a drop or a jump was.

Energies are whole micro-Wh, times whole milliseconds. A value that does not fit is neither accepted
nor forgotten: the readings after it decide. What is decided rests on readings alone, so a replay
decides the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from collector.ledger.decisions import Code

MINUTE_MS, QUARTER_MS = 60_000, 900_000
CLOSE_MS = 180_000  # beyond, a reading each quarter of an hour is enough for the ledger
LEAST_GAP_MS = 10_000  # a meter read each second may be busy for some
USUAL_TIMES = 3
LONGEST_USUAL_MS = 3_600_000  # beyond, no quarter of an hour has its share
# A meter may show what it counts only now and then: a value that stood still was perhaps not new.
REFRESH_MS = 900_000
LEAST_MS = 10_000
AGREE_COUNT, AGREE_MS = 3, 60_000
JITTER_STEPS = 2
COARSEST_STEP = 1_000_000_000  # 1 kWh
# Floats up to 2^33 hold micro-units: beyond half of that, a counter starts at 0 here.
HIGHEST_START = 4_000_000_000_000_000
ASIDE_EVERY_MS = 3_600_000  # a meter that shows false zeros all the time is told once an hour

Point = Callable[[int, int], None]  # takes a time and what was counted up to it


@dataclass(frozen=True, slots=True)
class Limits:
    """What a counter can do: *watts* behind its fuse, *modulus* in micro-Wh where it rolls over."""

    watts: int
    modulus: int = 0

    def most(self, took_ms: int, step: int) -> int:
        """Return what can have been used in a time, a tenth more than the fuse says."""
        return self.watts * max(took_ms, LEAST_MS) * 11 // 36 + step


@dataclass(slots=True)
class Pending:
    """Values that do not fit: where they began, the newest of them, how many agree with it.

    *edges* are those around each full minute, so that what they add is booked to its own time. They
    are few, for a value that rises is decided within a minute or three readings.
    """

    begin_at: int
    begin: int
    flat_at: int  # when *begin* was shown last
    at: int
    raw: int
    agree: int = 0
    edges: list[list[int]] = field(default_factory=list)

    def go_on(self, at: int, raw: int) -> None:
        """Take one more value that agrees."""
        self.agree += 1
        if raw > self.begin and at // MINUTE_MS != self.at // MINUTE_MS:
            self.edges += [[self.at, self.raw], [at, raw]]
        self.at, self.raw = at, raw
        if raw == self.begin:
            self.flat_at = at


@dataclass(slots=True)
class Decision:
    """What was decided: the values on both sides, and the energy counted between them."""

    code: Code
    begin_at: int
    end_at: int
    before: int
    after: int
    energy: int = 0
    count: int = 1


@dataclass(slots=True)
class Counter:
    """The last good value, and what was counted; *told_at* is the newest point given out."""

    at: int
    raw: int
    total: int
    changed_at: int
    told_at: int
    step: int = COARSEST_STEP
    usual_ms: int = 0
    aside: int = 0  # readings set aside since the last event about it
    aside_at: int = 0
    pending: Pending | None = None
    announced: list[int] = field(default_factory=list)  # time, final value, first value

    @property
    def newest_at(self) -> int:
        return self.pending.at if self.pending else self.at

    @property
    def limit_ms(self) -> int:
        return max(LEAST_GAP_MS, USUAL_TIMES * self.usual_ms)

    def state(self) -> list[Any]:
        values = [getattr(self, name) for name in NAMES]
        pending = self.pending
        return [*values, pending and [getattr(pending, each) for each in PENDING_NAMES]]

    def most(self, at: int, limits: Limits) -> int:
        """Return by how much the counter can have grown since the last good value."""
        return limits.most(at - max(self.changed_at, self.at - REFRESH_MS), self.step)

    def fits(self, at: int, raw: int, limits: Limits) -> bool:
        rose = raw - self.raw
        if rose <= self.step:  # as nearly always; a step more is never too much
            return rose >= -JITTER_STEPS * self.step
        return rose <= self.most(at, limits)

    def take(self, at: int, raw: int, limits: Limits, point: Point) -> Decision | None:
        """Take a value; give out points, and return what it decides."""
        if at <= self.newest_at:
            return None  # late, or once more
        while self.step > 1 and raw % self.step:
            self.step //= 10
        if self.fits(at, raw, limits) and not self.is_going_on(at, raw, limits):
            decision = self.back() if self.pending else None
            self.accept(at, max(raw, self.raw), point)
            return decision
        if self.announced and self.is_announced(at, raw, limits):
            self.pending = Pending(at, raw, at, at, raw)
            return self.replace(self.announced, point)
        return self.doubt(at, raw, limits, point)

    def is_going_on(self, at: int, raw: int, limits: Limits) -> bool:
        """Tell whether what is pending counts already, and a value goes on with it."""
        held = self.pending
        return held is not None and held.raw > held.begin and self.agrees(held, at, raw, limits)

    def agrees(self, held: Pending, at: int, raw: int, limits: Limits) -> bool:
        least = -JITTER_STEPS * self.step
        return least <= raw - held.raw <= limits.most(at - held.at, self.step)

    def accept(self, at: int, raw: int, point: Point) -> None:
        """Count up to *raw*; give out each full minute, and where a gap begins and ends."""
        took, used = at - self.at, raw - self.raw
        if took > self.limit_ms:
            if self.told_at < self.at:
                point(self.at, self.total)
            point(at, self.total + used)
            self.told_at = at
        else:
            every = MINUTE_MS if took <= CLOSE_MS else QUARTER_MS
            edge = (self.at // every + 1) * every
            while edge <= at:
                point(edge, self.total + used * (edge - self.at) // took)
                self.told_at = edge
                edge += every
        if used:
            self.changed_at = at
        self.total += used
        self.at, self.raw = at, raw
        self.usual_ms = usual(self.usual_ms, took)

    def back(self) -> Decision | None:
        """Forget what was pending, for the counter goes on where it was."""
        assert self.pending is not None
        pending, self.pending = self.pending, None
        self.aside += pending.agree + 1
        if self.aside_at and pending.at - self.aside_at < ASIDE_EVERY_MS:
            return None
        count, self.aside, self.aside_at = self.aside, 0, pending.at
        return Decision(Code.SET_ASIDE, self.at, pending.at, self.raw, pending.raw, 0, count)

    def doubt(self, at: int, raw: int, limits: Limits, point: Point) -> Decision | None:
        """Hold a value that does not fit, until enough others agree with it."""
        held = self.pending
        if held is None or not self.agrees(held, at, raw, limits):
            if held:
                self.aside += held.agree + 1
            self.pending = Pending(at, raw, at, at, raw)
            return None
        held.go_on(at, max(raw, held.raw))
        is_high = held.begin > self.raw
        if held.agree < AGREE_COUNT or at - held.begin_at < AGREE_MS:
            return None
        if not is_high and held.raw == held.begin:
            return None  # a zero that does not rise may be false
        return self.decide(limits, point)

    def decide(self, limits: Limits, point: Point) -> Decision:
        """Say what the pending values are, and count on from them."""
        held = self.pending
        assert held is not None
        code, energy = Code.JUMP, 0
        if held.begin < self.raw:
            most = self.most(held.begin_at, limits)
            rolled = limits.modulus - self.raw + held.begin
            if limits.modulus and 0 <= rolled <= most:
                code, energy = Code.ROLL_OVER, rolled
            elif held.begin <= most:
                is_gap = held.begin_at - self.at > self.limit_ms
                code, energy = Code.RESET_IN_GAP if is_gap else Code.RESET, held.begin
            else:
                code = Code.RESET_UNCOUNTED
        return self.settle(code, energy, point)

    def settle(self, code: Code, energy: int, point: Point) -> Decision:
        """Count *energy* up to where the pending values begin, and then what they add."""
        held = self.pending
        assert held is not None
        made = Decision(code, self.at, held.begin_at, self.raw, held.begin, energy)
        if self.told_at < self.at:
            point(self.at, self.total)
        self.go_on(self.total + energy, point)
        return made

    def go_on(self, total: int, point: Point) -> None:
        """Count on from the pending values, which begin at *total*."""
        held, usual_ms = self.pending, self.usual_ms
        assert held is not None
        self.pending = None
        self.start(held.begin_at, held.begin, total, point)
        for at, raw in ((held.flat_at, held.begin), *held.edges, (held.at, held.raw)):
            if at > self.at:
                self.accept(at, raw, point)
        self.usual_ms = usual_ms

    def start(self, at: int, raw: int, total: int, point: Point) -> None:
        point(at, total)
        self.at = self.changed_at = self.told_at = at
        self.raw, self.total = raw, total

    def is_announced(self, at: int, raw: int, limits: Limits) -> bool:
        """Tell whether a value is that of the new meter that the owner told of."""
        when, _, first = self.announced
        return at >= when and 0 <= raw - first <= limits.most(at - when, self.step)

    def replace(self, told: list[int], point: Point) -> Decision:
        """Count the rest of the old meter and the beginning of the new one, which is pending.

        *told* has the time of the replacement, the final value and the first.
        """
        when, final, first = told
        held = self.pending
        assert held is not None
        self.announced = []
        rest, beginning = max(final - self.raw, 0), held.begin - first
        made = Decision(Code.REPLACED, self.at, held.begin_at, final, held.begin, rest + beginning)
        if self.told_at < self.at:
            point(self.at, self.total)
        if self.at < when < held.begin_at:
            point(when, self.total + rest)
        self.go_on(self.total + rest + beginning, point)
        return made


NAMES = [each for each in Counter.__slots__ if each != "pending"]
PENDING_NAMES = list(Pending.__slots__)


def usual(known_ms: int, took: int) -> int:
    """Return the usual time between readings, now that one *took* so long.

    A gap counts as three times the usual, so that it is outgrown soon.
    """
    if known_ms:
        took = known_ms + (min(took, USUAL_TIMES * known_ms) - known_ms) // 4
    return min(took, LONGEST_USUAL_MS)


def new(at: int, raw: int, total: int | None, point: Point) -> Counter:
    """Return a counter that begins with *raw*, and with what was counted before, if anything."""
    start = (raw if raw < HIGHEST_START else 0) if total is None else total
    point(at, start)
    return Counter(at, raw, start, at, at)


def restored(state: list[Any]) -> Counter:
    """Return a counter as it was. Raise TypeError, ValueError where *state* is none."""
    made = Counter(0, 0, 0, 0, 0)
    *values, pending = state
    for name, value in zip(NAMES, values, strict=True):
        setattr(made, name, value)
    made.pending = Pending(*pending) if pending else None
    return made
