"""How much charge a battery gives at a current: a table, or one figure and Peukert's exponent."""

import itertools
import math
from collections.abc import Sequence

RATED_HOURS = 20.0  # of which makers state the capacity, and Victron's rules count
FAR = 2.0  # outside of a table by more than this factor its end slope proves little

Row = tuple[float, float]  # hours, Ah


class BadTable(Exception):
    """A table that no battery has; *row* is the number of the row that shows it."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def exponent(slow: Row, fast: Row) -> float:
    """Return Peukert's exponent between two rows of a table."""
    hours = math.log(slow[0]) - math.log(fast[0])
    return hours / (math.log(fast[1] / fast[0]) - math.log(slow[1] / slow[0]))


def check(rows: Sequence[Row]) -> None:
    """Raise BadTable where *rows* are in no order, or where an exponent is none."""
    for number, (fast, slow) in enumerate(itertools.pairwise(rows), 1):
        if slow[0] <= fast[0]:
            message = f"{slow[0]:g} h follows {fast[0]:g} h: the hours must rise from row to row"
            raise BadTable(number, message)
        between = f"from {fast[0]:g} h to {slow[0]:g} h"
        if slow[1] / slow[0] >= fast[1] / fast[0]:
            message = (
                f"{between} the current rises from {fast[1] / fast[0]:.3g} to "
                f"{slow[1] / slow[0]:.3g} A: a longer discharge has a smaller current"
            )
            raise BadTable(number, message)
        if slow[1] < fast[1]:
            message = (
                f"{between} the capacity falls from {fast[1]:g} to {slow[1]:g} Ah, which is a "
                f"Peukert exponent of {exponent(slow, fast):.2f}: below 1 a battery would give "
                "more at a larger current; compare both rows with the data sheet"
            )
            raise BadTable(number, message)


class Capacity:
    """The capacity of a bank at a current.

    Between rows ln C is interpolated over ln I. Outside of them, the slope of the first or last two
    rows goes on, or that of *slope* (an exponent) where there is one row.
    """

    def __init__(self, rows: Sequence[Row], slope: float) -> None:
        """Take *rows* that ``check`` accepts."""
        self.points = [(math.log(ah / hours), math.log(ah)) for hours, ah in reversed(rows)]
        self.slope = 1 - slope
        hours = min(max(RATED_HOURS, rows[0][0]), rows[-1][0])
        self.rated = self.of_hours(rows, hours)
        self.is_table = len(rows) > 1

    def of_hours(self, rows: Sequence[Row], hours: float) -> float:
        """Return the capacity at *hours*, which lie within the rows; ln C is straight in ln t."""
        for fast, slow in itertools.pairwise(rows):
            if fast[0] < hours < slow[0]:
                part = math.log(hours / fast[0]) / math.log(slow[0] / fast[0])
                return math.exp(math.log(fast[1]) + part * math.log(slow[1] / fast[1]))
        return next(ah for each, ah in rows if each == hours)

    def at(self, current: float) -> float:
        """Return the capacity in Ah at *current*, which is above 0."""
        x, points = math.log(current), self.points
        if len(points) == 1:
            return math.exp(points[0][1] + (x - points[0][0]) * self.slope)
        place = next((n for n, (end, _) in enumerate(points[1:-1], 1) if x <= end), len(points) - 1)
        (x1, y1), (x2, y2) = points[place - 1], points[place]
        return math.exp(y1 + (x - x1) * (y2 - y1) / (x2 - x1))

    def scale(self, current: float) -> float:
        """Return how much a discharge at *current* takes of the rated capacity, per Ah drawn."""
        return self.rated / self.at(current)

    def is_far(self, current: float) -> bool:
        """Tell whether *current* is outside of the table by more than a factor of 2."""
        least, most = self.points[0][0], self.points[-1][0]
        x, far = math.log(current), math.log(FAR) + 1e-9
        return self.is_table and (x < least - far or x > most + far)

    def hours(self, current: float) -> float:
        """Return how long a full bank gives *current*."""
        return self.at(current) / current
