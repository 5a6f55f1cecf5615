"""Meters that do everything that meters do, each with the truth of what can be known of it.

A meter counts in whole units. ``Known`` has what it has really counted at each instant at which it
showed that; what was used around a reset that nobody told of is lost, and is in no truth.
"""

import random
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

from collector.reading import Reading

HOUR_MS = 3_600_000
CALM_MS = 3 * HOUR_MS
LONG_CALM_MS = 30 * HOUR_MS  # what counts at noon only is decided at noon
NEVER = 1 << 60
WAKES_WITH_0 = 0.1
KWH = 1_000_000_000


@dataclass
class Known:
    """The truth of one counter, in micro-Wh since it began, where it can be known."""

    at: Any = field(default_factory=lambda: array("q"))
    micro: Any = field(default_factory=lambda: array("q"))

    def put(self, at_ms, micro):
        self.at.append(at_ms)
        self.micro.append(micro)

    def bounds(self, at_ms):
        """Return between which values the truth lies at a time; twice the same where known."""
        after = bisect_left(self.at, at_ms)
        if after == len(self.at):
            return self.micro[-1], self.micro[-1]
        if self.at[after] == at_ms or after == 0:
            return self.micro[after], self.micro[after]
        return self.micro[after - 1], self.micro[after]

    def is_known(self, at_ms):
        low, high = self.bounds(at_ms)
        return low == high

    def has_none_within(self, begin_ms, end_ms):
        """Tell whether nothing is known between two times, of which both are known."""
        first, last = bisect_left(self.at, begin_ms), bisect_left(self.at, end_ms)
        is_there = last < len(self.at) and self.at[first] == begin_ms and self.at[last] == end_ms
        return is_there and last == first + 1

    def newest(self, at_ms):
        """Return the newest time at or before *at_ms* of which something is known."""
        return self.at[bisect_right(self.at, at_ms) - 1]


@dataclass(frozen=True)
class Happened:
    """What happened to a meter, up to a time."""

    what: str
    begin_ms: int
    end_ms: int


class Meter:
    """One device; *units* has the micro-Wh of a unit for each of its counters."""

    def __init__(self, seed, device, kind, units, happenings, every_hours=20, modulus=None):
        self.device, self.kind, self.units = device, kind, units
        self.chance = random.Random(f"{seed} {device}")
        self.happenings, self.every_hours = happenings, every_hours
        self.modulus = modulus or NEVER
        # In readings; panels are asleep most of the time, and not read then.
        self.gaps = (10, 50, 200, 700) if kind != "solar" else (10, 50, 150)
        self.shown = dict.fromkeys(units, 10_000 * KWH)
        if modulus:
            self.shown = {name: modulus * unit * 9 // 10 for name, unit in units.items()}
        self.shown = {name: micro // units[name] for name, micro in self.shown.items()}
        self.raw = dict.fromkeys(units, -1)
        self.counted = dict.fromkeys(units, 0)
        self.used = dict.fromkeys(units, 0)
        self.known = {name: Known() for name in units}
        self.happened: list[Happened] = []
        self.late_ms: list[int] = []
        self.script = None
        self.is_asleep = False
        self.free_ms = 0
        self.last_ms = self.before_ms = 0

    @property
    def lowest(self):
        return min(each * self.units[name] for name, each in self.shown.items())

    def take(self, at_ms, energy, gauges, *, is_calm=False, is_asleep=False):
        """Count up to an instant; return the readings that a source makes of it."""
        self.use(at_ms, energy)
        self.gauges = gauges
        if is_asleep:
            self.is_asleep = True
            return []
        if self.is_asleep and self.script is None and self.chance.random() < WAKES_WITH_0:
            self.script = self.false_zeros()
        self.is_asleep = False
        return self.told(at_ms, is_calm=is_calm)

    def use(self, at_ms, energy):
        for name, unit in self.units.items():
            raw = energy[name] // unit
            used = raw - self.raw[name] if self.raw[name] >= 0 else 0
            self.raw[name], self.used[name] = raw, used
            self.counted[name] += used
            self.shown[name] += used
            if self.shown[name] >= self.modulus:
                self.shown[name] -= self.modulus
                self.note("roll_over", at_ms)
        self.before_ms, self.last_ms = self.last_ms, at_ms

    def told(self, at_ms, *, is_calm):
        if not self.free_ms:
            self.free_ms = at_ms + HOUR_MS
        if self.script is None and not is_calm and at_ms >= self.free_ms and self.happenings:
            self.script = getattr(self, self.chance.choice(self.happenings))()
        if self.script is not None:
            try:
                return next(self.script)
            except StopIteration as ended:
                self.script = None
                calm_ms = ended.value or CALM_MS
                more_ms = self.chance.expovariate(1 / (self.every_hours * HOUR_MS))
                self.free_ms = at_ms + calm_ms + round(more_ms)
        return [self.right()]

    def note(self, what, begin_ms):
        self.happened.append(Happened(what, begin_ms, self.last_ms))

    def right(self):
        """Return a reading that shows what was counted, and note that it is known."""
        for name in self.units:
            self.known[name].put(self.last_ms, self.counted[name] * self.units[name])
        return self.reading(self.shown)

    def reading(self, shown):
        values = {name: shown[name] * unit / 1e6 for name, unit in self.units.items()}
        return Reading(self.kind, self.device, self.last_ms, {**self.gauges, **values})

    # What happens: each yields the readings of one instant after the other.

    def false_zeros(self):
        begin_ms = self.before_ms
        for _ in range(self.chance.choice([1, 1, 2, 3, 6])):
            yield [self.reading(dict.fromkeys(self.units, 0))]
        self.note("set aside", begin_ms)

    def spike(self):
        begin_ms = self.before_ms
        yield [self.reading({name: each + 9_000_000 for name, each in self.shown.items()})]
        self.note("set aside", begin_ms)

    def jitter(self):
        """Show a unit or two less than before; what it then shows is no new value."""
        less = self.chance.randrange(1, 3)
        shown = {name: self.shown[name] - self.used[name] - less for name in self.units}
        yield [self.reading(shown)]

    def missed(self):
        for _ in range(self.chance.randrange(1, 3)):
            yield []

    def gap(self):
        for _ in range(self.chance.choice(self.gaps)):
            yield []

    def twice(self):
        one = self.right()
        yield [one, one]
        yield [one, self.right(), one]

    def late(self):
        late = self.reading(self.shown)
        self.late_ms.append(self.last_ms)
        yield []
        yield [self.right(), late]

    def lose(self, parts):
        """Lose so much of what was used since the last reading, by counter."""
        for name, part in parts.items():
            self.counted[name] -= part

    def reset(self):
        """Begin at 0 somewhere between two readings; what was used before in that time is lost."""
        if self.lowest < 20 * KWH:
            return 0
        lost = {name: self.chance.randrange(used + 1) for name, used in self.used.items()}
        self.lose(lost)
        self.shown = {name: used - lost[name] for name, used in self.used.items()}
        self.note("reset", self.before_ms)
        yield [self.right()]
        return LONG_CALM_MS

    def reset_in_gap(self):
        if self.lowest < 100 * KWH:
            return 0  # it could be back where it was before anything is read
        begin_ms, since = self.before_ms, dict(self.used)
        for _ in range(self.chance.randrange(10, 60)):
            yield []
            for name, used in self.used.items():
                since[name] += used
        self.lose(since)
        self.shown = dict.fromkeys(self.units, 0)
        for _ in range(self.chance.randrange(10, 60)):
            yield []
        self.note("reset", begin_ms)
        yield [self.right()]
        return LONG_CALM_MS

    def replaced_untold(self):
        """Let a meter go on that counted more before: what was used for the step is lost."""
        self.lose(self.used)
        self.shown = {
            name: each + 20_000 * KWH // self.units[name] for name, each in self.shown.items()
        }
        self.note("replaced", self.before_ms)
        yield [self.right()]
        return LONG_CALM_MS

    def replaced_told(self):
        """Let a new meter go on; the owner tells it at once, or some readings later."""
        records = []
        for name, unit in self.units.items():
            old = self.chance.randrange(self.used[name] + 1)
            final, first = self.shown[name] - self.used[name] + old, self.chance.randrange(5)
            self.shown[name] = first + self.used[name] - old
            records.append((name, final * unit / 1e6, first * unit / 1e6))
        when_ms, begin_ms = self.last_ms - 1, self.before_ms
        left = self.chance.randrange(8)
        for _ in range(left):
            yield [self.right()]
        said = [
            Reading(
                *("meter_replaced", self.device, self.last_ms - 1),
                {name: first, "meter_final": final, "meter_time": when_ms / 1000},
            )
            for name, final, first in records
        ]
        self.note("told", begin_ms)
        yield [*said, self.right()]
        return LONG_CALM_MS
