"""How much a counter rose in each minute, hour and day, from energies that never fall.

What lies between two readings is of the period that holds both. Where they stand in two periods
and close together it is shared by time; otherwise no period can have its share.
"""

from typing import Any

from collector.contract.rolled import PERIODS
from collector.derive.rollup.periods import Calendar
from collector.ledger.book import CLOSE_MS, micro
from collector.ledger.days import MICRO

Told = dict[tuple[str, int], float]  # the period and its begin → by how much the counter rose


class Rise:
    """One counter: its last value in micro-units, and what it rose in the periods that are open."""

    __slots__ = ("at", "open", "value")

    def __init__(self, at: int, value: int) -> None:
        self.at, self.value = at, value
        self.open: dict[str, list[int]] = {}  # of each period begin, end, and by how much it rose

    def take(self, at: int, value: float, calendar: Calendar) -> Told:
        """Take a value; return of the periods that are over by how much the counter rose."""
        told: Told = {}
        if at <= self.at:
            return told
        new = micro(value)
        for period in PERIODS:
            self.share(period, at, max(new - self.value, 0), calendar, told)
        self.at, self.value = at, new
        return told

    def share(self, period: str, until: int, rose: int, calendar: Calendar, told: Told) -> None:
        at, is_close = self.at, until - self.at <= CLOSE_MS
        while at < until:
            level = self.open.get(period)
            if level is None or at >= level[1]:
                span = calendar.span(period, at)
                level = self.open[period] = [span.begin, span.end, 0, 0]
            end = min(level[1], until)
            if is_close or (at == self.at and end == until):
                part = rose if end == until else rose * (end - at) // (until - at)
                level[2] += part
                level[3] = 1
                rose -= part
            if end == level[1]:
                self.tell(period, told)
            at = end if is_close else until
        if not is_close:
            self.end(period, until, told)

    def end(self, period: str, until: int, told: Told) -> None:
        """End a period that a gap has left behind."""
        if period in self.open and self.open[period][1] <= until:
            self.tell(period, told)

    def tell(self, period: str, told: Told) -> None:
        begin, _, rose, is_known = self.open.pop(period)
        if is_known:
            told[period, begin] = rose / MICRO

    def state(self) -> list[Any]:
        return [self.at, self.value, self.open]


def restored(state: list[Any]) -> Rise:
    """Return it as it was. Raise AttributeError, TypeError, ValueError where *state* is none."""
    at, value, levels = state
    made = Rise(at, value)
    made.open = {period: list(each) for period, each in levels.items()}
    return made
