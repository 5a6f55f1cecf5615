"""Which line of a contract a quarter hour belongs to. Pure."""

from collections.abc import Sequence
from datetime import date

from collector.derive.cost.notation import SUNDAY
from collector.derive.cost.tariffs import WindowOptions

NONE = -1


class Windows:
    """Says of every quarter hour of a local day which of some lines is the first that fits."""

    def __init__(self, lines: Sequence[WindowOptions], holidays: frozenset[date]) -> None:
        self.lines = lines
        self.holidays = holidays
        self.known: dict[tuple[int, int], tuple[int, ...]] = {}

    def of(self, day: date) -> tuple[int, ...]:
        """Return the number of the line for each slot of a day; NONE where none fits."""
        weekday = SUNDAY if day in self.holidays else day.weekday()
        return self.at(day.month, weekday)

    def at(self, month: int, weekday: int) -> tuple[int, ...]:
        key = month, weekday
        if key not in self.known:
            self.known[key] = tuple(self.first(*key, slot) for slot in range(96))
        return self.known[key]

    def first(self, month: int, weekday: int, slot: int) -> int:
        fitting = (
            number for number, each in enumerate(self.lines) if each.fits(month, weekday, slot)
        )
        return next(fitting, NONE)
