"""Local days as quarter hours of UTC, and billing months as local days.

A quarter has the slot of the clock on the wall at which it begins, 0 to 95. A day of 23 hours has
no quarter for some slots, one of 25 hours two for some. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from collector.ledger.days import QUARTER_MS

QUARTER_S = QUARTER_MS // 1000
ORDINARY = tuple(range(96))


@dataclass(frozen=True)
class Day:
    """A local day: its first quarter hour, and the slot of each."""

    date: date
    begin: int
    slots: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.begin + len(self.slots)


@dataclass(frozen=True)
class Month:
    """A billing month: from its first day to before *end*."""

    first: date
    end: date

    @property
    def length(self) -> int:
        return (self.end - self.first).days

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


def begin_of(day: date, zone: ZoneInfo) -> int:
    """Return the first quarter hour of a local day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return round(midnight.timestamp()) // QUARTER_S


@lru_cache(maxsize=2000)
def day_of(day: date, zone: ZoneInfo) -> Day:
    begin, end = begin_of(day, zone), begin_of(day + timedelta(days=1), zone)
    if end - begin == len(ORDINARY):
        return Day(day, begin, ORDINARY)
    clock = [datetime.fromtimestamp(each * QUARTER_S, zone) for each in range(begin, end)]
    return Day(day, begin, tuple(each.hour * 4 + each.minute // 15 for each in clock))


def days(first: date, end: date, zone: ZoneInfo) -> Iterator[Day]:
    """Yield the local days from *first* to before *end*."""
    for number in range((end - first).days):
        yield day_of(first + timedelta(days=number), zone)


def month_of(year: int, month: int, billing_day: int) -> Month:
    """Return the billing month that begins in a month of the calendar."""
    first = date(year, month, billing_day)
    return Month(first, next_month(first))


def next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, first.day)


def month_before(month: Month) -> Month:
    first = month.first
    year, number = (first.year, first.month - 1) if first.month > 1 else (first.year - 1, 12)
    return Month(date(year, number, first.day), first)


def month_with(day: date, billing_day: int) -> Month:
    """Return the billing month that holds a day."""
    month = month_of(day.year, day.month, billing_day)
    return month if month.first <= day else month_before(month)
