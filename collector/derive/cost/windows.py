"""Which line of a contract a quarter hour belongs to. Pure."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from collector.derive.cost.notation import SUNDAY
from collector.derive.cost.tariffs import WindowOptions

NONE = -1


class Windows:
    """Says of every quarter hour of a local day which of some lines is the first that fits."""

    def __init__(self, lines: Sequence[WindowOptions], holidays: frozenset[date]) -> None:
        self.lines = tuple(lines)
        self.holidays = holidays
        self.known: dict[tuple[int, int], tuple[int, ...]] = {}

    def of(self, day: date) -> tuple[int, ...]:
        """Return the number of the line for each slot of a day; NONE where none fits."""
        weekday = SUNDAY if day in self.holidays else day.weekday()
        return self.at(day.month, weekday)

    def at(self, month: int, weekday: int) -> tuple[int, ...]:
        key = month, weekday
        if key not in self.known:
            self.known[key] = table(self.lines, *key)
        return self.known[key]


@lru_cache(maxsize=256)
def table(lines: tuple[WindowOptions, ...], month: int, weekday: int) -> tuple[int, ...]:
    """Return the number of the line for each slot; kept, for each bill of a house asks the same."""
    found = [NONE] * 96
    for number, each in reversed([*enumerate(lines)]):
        if month in each.months and weekday in each.days:
            for slot in each.hours:
                found[slot] = number
    return tuple(found)
