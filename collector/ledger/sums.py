"""Sums over the ledger by the hour, day, month or year of the house's clock.

A quarter belongs to the local period in which it begins; days of 23 and 25 hours come out right,
and so do zones that are off by half an hour. What a gap cost belongs to a period that holds all of
it; otherwise it belongs to none, and is told beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from collector.ledger.database import Database, Series
from collector.ledger.days import MICRO, QUARTER_MS, Amount, Shown

By = Literal["quarter", "hour", "day", "month", "year"]


@dataclass(frozen=True)
class Period:
    """A local period, its times in ms UTC: *end_ms* is the first that is outside."""

    begin_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.begin_ms


@dataclass(frozen=True)
class Used:
    """What was used in a period: micro-units in all, of which some are estimated or of gaps."""

    period: Period
    micro: int
    estimated_micro: int
    gap_micro: int
    measured_ms: int

    @property
    def amount(self) -> float:
        return self.micro / MICRO


@dataclass(frozen=True)
class Level:
    """What a gauge showed in a period: *mean* over the time that was measured."""

    period: Period
    mean: float
    low: float
    high: float
    measured_ms: int


def start(at_ms: int, by: By, zone: ZoneInfo) -> datetime:
    """Return the local time at which the period that holds *at_ms* begins."""
    local = datetime.fromtimestamp(at_ms / 1000, zone).replace(second=0, microsecond=0)
    if by == "quarter":
        return local.replace(minute=local.minute // 15 * 15)
    if by == "hour":
        return local.replace(minute=0)
    local = local.replace(hour=0, minute=0, fold=0)
    if by == "day":
        return local
    return local.replace(day=1) if by == "month" else local.replace(month=1, day=1)


def next_start(begin: datetime, by: By) -> datetime:
    """Return where the period after the one that begins at *begin* begins."""
    if by in {"quarter", "hour"}:
        length = timedelta(minutes=15 if by == "quarter" else 60)
        after = (begin.astimezone(UTC) + length).astimezone(begin.tzinfo)
        # Where clocks are set back by half an hour, the hour before that has half an hour more.
        whole = after.replace(minute=0) if by == "hour" else after
        return whole if whole.timestamp() > begin.timestamp() else after
    if by == "day":
        return begin + timedelta(days=1)
    months = 1 if by == "month" else 12
    month = begin.month - 1 + months
    return begin.replace(year=begin.year + month // 12, month=month % 12 + 1)


def periods(begin_ms: int, end_ms: int, by: By, zone: ZoneInfo) -> Iterator[Period]:
    """Yield the local periods that reach into a time, the first and last of them whole."""
    at = start(begin_ms, by, zone)
    while (first := round(at.timestamp() * 1000)) < end_ms:
        at = next_start(at, by)
        yield Period(first, round(at.timestamp() * 1000))


def used(
    database: Database, series: Series, begin_ms: int, end_ms: int, by: By, zone: ZoneInfo
) -> list[Used]:
    """Return what a counter added in each local period that reaches into a time."""
    found = list(periods(begin_ms, end_ms, by, zone))
    if not found:
        return []
    totals = [Amount() for _ in found]
    gaps = [0] * len(found)
    at = 0
    first, last = found[0].begin_ms // QUARTER_MS, -(-found[-1].end_ms // QUARTER_MS)
    for quarter, row in database.quarters(series, first, last):
        assert isinstance(row, Amount)
        at = at_period(found, at, quarter * QUARTER_MS)
        totals[at].micro += row.micro
        totals[at].measured_ms += row.measured_ms
        totals[at].estimated_micro += row.estimated_micro
    for gap in database.gaps(series, found[0].begin_ms, found[-1].end_ms):
        at = at_period(found, 0, max(gap.from_ms, found[0].begin_ms))
        if found[at].begin_ms <= gap.from_ms and gap.to_ms <= found[at].end_ms:
            gaps[at] += gap.micro
    return [
        Used(each, total.micro + gap, total.estimated_micro, gap, total.measured_ms)
        for each, total, gap in zip(found, totals, gaps, strict=True)
    ]


def levels(
    database: Database, series: Series, begin_ms: int, end_ms: int, by: By, zone: ZoneInfo
) -> list[Level]:
    """Return what a gauge showed in each local period of a time; none where nothing was read."""
    found = list(periods(begin_ms, end_ms, by, zone))
    rows: list[list[Shown]] = [[] for _ in found]
    at = 0
    if found:
        first, last = found[0].begin_ms // QUARTER_MS, -(-found[-1].end_ms // QUARTER_MS)
        for quarter, row in database.quarters(series, first, last):
            assert isinstance(row, Shown)
            at = at_period(found, at, quarter * QUARTER_MS)
            rows[at].append(row)
    return [level(period, shown) for period, shown in zip(found, rows, strict=True) if shown]


def level(period: Period, shown: list[Shown]) -> Level:
    measured_ms = sum(each.measured_ms for each in shown)
    mean = sum(each.mean * each.measured_ms for each in shown) / measured_ms
    low, high = min(each.low for each in shown), max(each.high for each in shown)
    return Level(period, mean, low, high, measured_ms)


def at_period(found: list[Period], at: int, at_ms: int) -> int:
    """Return the place of the period that holds a time, searching from *at*."""
    while at + 1 < len(found) and found[at].end_ms <= at_ms:
        at += 1
    return at
