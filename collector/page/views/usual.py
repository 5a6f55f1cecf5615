"""What the house usually draws at an hour of the day, and what it never goes below."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import NamedTuple

from collector.derive.flows.energy import Meter, flow_of, read
from collector.ledger.database import Database
from collector.ledger.days import MICRO, QUARTER_MS, Shown
from collector.page.pace import Pace
from collector.page.views.records import Records
from collector.page.views.span import DAY_MS, HOUR_MS

DAYS = 28
LEAST_DAYS = 5  # fewer say nothing about what is usual
NIGHTS = 7
PER_HOUR = 4
AT_ONCE = 7  # days that are read before a rest


class Usual(NamedTuple):
    """Four fifths of the quarter hours of an hour lie between these; W."""

    low: float
    high: float


def usual(records: Records, database: Database, now_ms: int) -> Usual | None:
    """Return what is usual at this hour; None where too few days are known."""
    local = datetime.fromtimestamp(now_ms / 1000, records.zone).replace(
        minute=0, second=0, microsecond=0
    )
    hours = [
        round((local - timedelta(days=days)).timestamp() * 1000) for days in range(1, DAYS + 1)
    ]
    found: list[float] = []
    for at in range(0, DAYS, AT_ONCE):
        week = hours[at : at + AT_ONCE]
        wanted = [each // QUARTER_MS + place for each in week for place in range(PER_HOUR)]
        found += powers(records, database, (min(week), max(week) + HOUR_MS), wanted)
    if len(found) < LEAST_DAYS * PER_HOUR:
        return None
    tenths = quantiles(found, n=10)
    return Usual(round(tenths[0], 1), round(tenths[-1], 1))


def base_load(records: Records, database: Database, now_ms: int) -> float | None:
    """Return the median of the lowest quarter hours of the last nights; None without any."""
    first = now_ms // DAY_MS - NIGHTS
    lowest = []
    for day in range(first, first + NIGHTS):
        begin_ms = day * DAY_MS
        quarters = list(range(begin_ms // QUARTER_MS, (begin_ms + DAY_MS) // QUARTER_MS))
        if found := powers(records, database, (begin_ms, begin_ms + DAY_MS), quarters):
            lowest.append(min(found))
    return round(median(lowest), 1) if lowest else None


def powers(
    records: Records, database: Database, span: tuple[int, int], quarters: list[int]
) -> list[float]:
    """Return the mean powers of the house in those of *quarters* that are known."""
    pace = Pace()
    if not records.plan.is_balanced:
        found = list(shown(records, database, quarters))
        pace()
        return found
    meters: dict[str, Meter] = read(database, records.plan, *span)
    pace()
    flows = (flow_of(meters, records.plan, each) for each in quarters)
    return [each.house / MICRO * PER_HOUR for each in flows if each is not None]


def shown(records: Records, database: Database, quarters: list[int]) -> Iterator[float]:
    """Yield what the only meter showed, in a house without roles."""
    meter = only_meter(records)
    series = database.known.get((meter, "active_power", "gauge"))
    if series is None or not quarters:
        return
    wanted = set(quarters)
    for quarter, row in database.quarters(series, min(wanted), max(wanted) + 1):
        if quarter in wanted and isinstance(row, Shown):
            yield row.mean


def only_meter(records: Records) -> str:
    """Return the meter of a house that has one only; '' where there are several."""
    meters = [each.device for each in records.now()[1] if each.kind == "electricity"]
    return meters[0] if len(meters) == 1 else ""
