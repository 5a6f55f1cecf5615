"""Gauges of one device: their minutes, and from those hours and days.

A minute is given out as soon as a later one begins. For half a minute more it takes readings that
come late or twice, and is given out again where that changes it; then its hour and day get it. Sums
are whole millionths, so they are the same in any order.
"""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.derive.rollup.periods import BY, MINUTE, MINUTE_MS, Calendar, Span
from collector.quantity import catalogue

MICRO = 1_000_000
GRACE_MS = 30_000
NEVER = 1 << 60
SILENT_MS = 600_000  # of a device that tells no more, a period ends so much later
MOST_ROWS = 1_200  # of a minute; what a device tells beyond is left out
Values = dict[str, float]
Out = Iterator[tuple[str, int, Values]]  # the period, its begin, and what it was

COUNT, SUM, LOW, HIGH, LAST_AT, LAST = range(6)


@functools.cache
def states() -> frozenset[str]:
    return frozenset(each.name for each in catalogue().values() if each.kind == "state")


@dataclass(slots=True)
class Sums:
    """What is known of some gauges: of each the count, sum, lowest, highest and last value."""

    of: dict[str, list[Any]] = field(default_factory=dict)

    def put(self, name: str, more: list[Any]) -> None:
        known = self.of.get(name)
        if known is None:
            self.of[name] = list(more)
            return
        known[COUNT] += more[COUNT]
        known[SUM] += more[SUM]
        known[LOW] = min(known[LOW], more[LOW])
        known[HIGH] = max(known[HIGH], more[HIGH])
        if more[LAST_AT] >= known[LAST_AT]:
            known[LAST_AT], known[LAST] = more[LAST_AT], more[LAST]

    def state(self) -> dict[str, list[Any]]:
        return {name: list(each) for name, each in self.of.items()}

    def values(self) -> Values:
        found = {}
        for name, (count, total, low, high, _, last) in self.of.items():
            found[f"{name}_last"] = last
            if name in states():
                continue
            found[f"{name}_mean"] = min(max(total / (count * MICRO), low), high)
            found[f"{name}_lowest"] = low
            found[f"{name}_highest"] = high
        return found


@dataclass(slots=True)
class Minute:
    """A minute that still takes readings; *seen* has their times, by the first quantity of each."""

    sums: Sums = field(default_factory=Sums)
    seen: dict[str, dict[int, None]] = field(default_factory=dict)
    rows: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    is_told: bool = False
    is_new: bool = True  # it has readings that were not given out

    def take(self, at: int, values: Mapping[str, float]) -> None:
        times = self.seen.setdefault(next(iter(values)), {})
        if at not in times and len(times) < MOST_ROWS:
            times[at] = None
            self.rows.append((at, values))
            self.is_new = True

    def fold(self, wanted: Collection[str]) -> Sums:
        """Add up the rows that came since the last time."""
        columns: dict[str, list[float]] = {}
        times: dict[str, int] = {}
        for at, values in sorted(self.rows, key=lambda row: row[0]):
            for name, value in values.items():
                if name in columns:
                    columns[name].append(value)
                elif name in wanted:
                    columns[name] = [value]
                times[name] = at
        for name, each in columns.items():
            total = sum([round(value * MICRO) for value in each])
            row = [len(each), total, min(each), max(each), times[name], each[-1]]
            self.sums.put(name, row)
        self.rows = []
        return self.sums


@dataclass(slots=True)
class Level:
    """An hour or a day that is open."""

    begin: int
    end: int
    sums: Sums = field(default_factory=Sums)
    is_told: bool = False


class Gauges:
    """What is known of the gauges of a device; *done* is the end of what takes no more readings.

    At the time *due* there is something to give out. *size* is how much it takes of the memory.
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.done = 0
        self.newest = 0
        self.due = NEVER
        self.minutes: dict[int, Minute] = {}
        self.levels: dict[str, Level] = {}

    def take(self, at: int, values: Mapping[str, float]) -> None:
        """Take a reading; one of a minute that is done is left out."""
        minute = at // MINUTE_MS * MINUTE_MS
        if minute < self.done:
            return
        if minute not in self.minutes:
            self.minutes[minute] = Minute()
            self.due = min(self.due, minute + MINUTE_MS)
        self.minutes[minute].take(at, values)
        self.newest = max(self.newest, at)

    def give(self, at: int, wanted: Collection[str], calendar: Calendar) -> Out:
        """Give out what is over at a time."""
        for minute in sorted(self.minutes):
            each = self.minutes[minute]
            if minute + MINUTE_MS > at:
                break
            is_done = minute + MINUTE_MS + GRACE_MS <= at
            if each.is_new and (is_done or not each.is_told):
                each.is_told, each.is_new = True, False
                if values := each.fold(wanted).values():
                    yield MINUTE, minute, values
            if is_done:
                del self.minutes[minute]
                self.done = minute + MINUTE_MS
                yield from self.add(minute, each.sums, calendar)
        self.find_due()

    def find_due(self) -> None:
        ends = (
            minute + MINUTE_MS + (GRACE_MS if each.is_told else 0)
            for minute, each in self.minutes.items()
        )
        self.due = min(ends, default=NEVER)

    def add(self, minute: int, sums: Sums, calendar: Calendar) -> Out:
        """Add a minute to its hour and day."""
        for period in BY:
            level = self.levels.get(period)
            if level is None or minute >= level.end:
                if level:
                    yield from self.tell(period, level)
                span: Span = calendar.span(period, minute)
                level = self.levels[period] = Level(span.begin, span.end)
            if minute >= level.begin:
                level.is_told = False
                for name, each in sums.of.items():
                    level.sums.put(name, each)

    def tell(self, period: str, level: Level) -> Out:
        if not level.is_told:
            level.is_told = True
            if values := level.sums.values():
                yield period, level.begin, values

    def tick(self, now: int, wanted: Collection[str], calendar: Calendar) -> Out:
        """Give out what is over for long, where the device told no more."""
        yield from self.give(now - SILENT_MS, wanted, calendar)
        for period, level in self.levels.items():
            if level.end + SILENT_MS + MINUTE_MS + GRACE_MS <= now:
                yield from self.tell(period, level)

    def state(self, wanted: Collection[str]) -> list[Any]:
        minutes = [
            [
                minute,
                each.fold(wanted).state(),
                {name: [at - minute for at in times] for name, times in each.seen.items()},
                each.is_told,
                each.is_new,
            ]
            for minute, each in self.minutes.items()
        ]
        levels = [
            [period, each.begin, each.end, each.sums.state(), each.is_told]
            for period, each in self.levels.items()
        ]
        return [self.size, self.done, self.newest, minutes, levels]


def restored(state: list[Any]) -> Gauges:
    """Return it as it was. Raise AttributeError, TypeError, ValueError where *state* is none."""
    made = Gauges()
    made.size, made.done, made.newest, minutes, levels = state
    for minute, sums, seen, is_told, is_new in minutes:
        times = {name: {at + minute: None for at in each} for name, each in seen.items()}
        made.minutes[minute] = Minute(Sums(dict(sums)), times, is_told=is_told, is_new=is_new)
    for period, begin, end, sums, is_told in levels:
        made.levels[period] = Level(begin, end, Sums(dict(sums)), is_told)
    made.find_due()
    return made
