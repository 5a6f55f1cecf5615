"""Energy by period, out of the ledger; days that are over are computed once."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from collector.contract.views import By, EnergyPeriod, EnergyView
from collector.derive.flows.balance import Flow
from collector.derive.flows.energy import Meter, Summed, newest_ms, read, summed
from collector.ledger.database import Database
from collector.ledger.days import MICRO, QUARTER_MS
from collector.ledger.sums import Period, periods, start
from collector.page.pace import Pace
from collector.page.views.records import Records
from collector.page.views.span import DAY_MS, PARTS, Span, before, until

AT_ONCE_MS = 8 * DAY_MS  # that are read before the next; bounds the memory
OVER_MS = 2 * DAY_MS  # a day that ended so long ago changes by corrections only
KEPT_S = 6 * 3600.0
MOST_KEPT = 800  # days: some 0.7 MB


class Stamp(NamedTuple):
    """As long as it is the same, what the ledger has of old days is the same."""

    file: int
    events: int
    newest_ms: int


class Energies:
    """Sums flows over periods; for one thread at a time."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.days: dict[Period, Summed] = {}
        self.stamp: Stamp | None = None
        self.made_s = 0.0

    def view(self, span: Span, now_ms: int, *, compare: bool = False) -> EnergyView:
        """Return the energies of a time. Raise Refused where the ledger cannot be read."""
        zone, parts = self.records.zone, tuple(self.records.plan.parts)
        by = by_of(span)
        with self.records.ledger() as database:
            found = self.sums(database, span, by, now_ms)
            total = total_of(found, span)
            other = None
            if compare:
                earlier = before(span, zone)
                other = total_of(self.sums(database, earlier, by, now_ms), earlier)
                same = until(span, now_ms // QUARTER_MS * QUARTER_MS, earlier)
                so_far = total_of(self.sums(database, same, by, now_ms), same)
        change = None
        if other and so_far.flow.house and so_far.known:
            change = round(total.flow.house / so_far.flow.house - 1, 4)
        return EnergyView(
            by=by,
            unit="Wh",
            begin_ms=span.begin_ms,
            end_ms=span.end_ms,
            periods=tuple(shown(each, parts) for each in found),
            total=shown(total, parts),
            before=shown(other, parts) if other else None,
            change=change,
            labels={part: self.records.home.labels.get(part, "") for part in parts},
        )

    def sums(self, database: Database, span: Span, by: By, now_ms: int) -> list[Summed]:
        """Return what flowed in each local period of a time, up to the end of the ledger."""
        zone = self.records.zone
        self.look(database)
        end_ms = min(span.end_ms, now_ms + QUARTER_MS)
        inner: By = by if by in {"quarter", "hour"} else "day"
        wanted = [
            Period(max(each.begin_ms, span.begin_ms), min(each.end_ms, span.end_ms))
            for each in periods(span.begin_ms, max(end_ms, span.begin_ms), inner, zone)
        ]
        found = list(self.each(database, wanted, now_ms))
        if by != "month":
            return found

        def month_of(made: Summed) -> float:
            return start(made.period.begin_ms, "month", zone).timestamp()

        return [
            total_of(list(days), Span(int(begin_s * 1000), 0))
            for begin_s, days in groupby(found, month_of)
        ]

    def each(self, database: Database, wanted: Sequence[Period], now_ms: int) -> Iterator[Summed]:
        """Yield what flowed in each period, reading some days of the ledger at once."""
        pace, plan = Pace(), self.records.plan
        end_ms = newest_ms(read(database, plan, now_ms - QUARTER_MS, now_ms)) or now_ms
        meters: dict[str, Meter] = {}
        until_ms = 0
        for place, period in enumerate(wanted):
            if period in self.days:
                yield self.days[period]
                continue
            if period.end_ms > until_ms:
                until_ms = end_of_chunk(wanted, place)
                meters = read(database, plan, period.begin_ms, until_ms)
            (made,) = summed(meters, plan, [period], min(end_ms, now_ms))
            is_whole = period.length_ms > DAY_MS // 2
            if is_whole and period.end_ms < now_ms - OVER_MS and len(self.days) < MOST_KEPT:
                self.days[period] = made
            pace()
            yield made

    def look(self, database: Database) -> None:
        """Forget days when the ledger was corrected, or after some hours."""
        count, newest = database.connection.execute(
            "SELECT count(*), coalesce(max(at_ms), 0) FROM events"
        ).fetchone()
        stamp = Stamp(self.records.home.ledger.stat().st_ino, count, newest)
        is_old = time.monotonic() > self.made_s + KEPT_S
        if stamp != self.stamp or is_old or len(self.days) >= MOST_KEPT:
            self.days, self.stamp, self.made_s = {}, stamp, time.monotonic()


def by_of(span: Span) -> By:
    """Return which periods a time is shown in."""
    if span.range:
        return PARTS[span.range]
    days = span.length_ms / DAY_MS
    limits: Sequence[tuple[float, By]] = ((1 / 8, "quarter"), (4, "hour"), (100, "day"))
    return next((by for limit, by in limits if days <= limit), "month")


def end_of_chunk(wanted: Sequence[Period], place: int) -> int:
    """Return until when the ledger is read for a period and those that follow."""
    most_ms = wanted[place].begin_ms + AT_ONCE_MS
    ends = [each.end_ms for each in wanted[place : place + 400] if each.end_ms <= most_ms]
    return max(ends, default=wanted[place].end_ms)


def total_of(found: Sequence[Summed], span: Span) -> Summed:
    """Return the sum of periods; gaps of each stay what they are."""
    end_ms = found[-1].period.end_ms if found else span.end_ms
    total = Summed(Period(span.begin_ms, end_ms))
    for each in found:
        total.flow.add(each.flow)
        total.known += each.known
        total.missing += each.missing
        for device, micro in each.gaps.items():
            total.gaps[device] = total.gaps.get(device, 0) + micro
    return total


def shown(made: Summed, parts: Sequence[str]) -> EnergyPeriod:
    """Return a sum in Wh, with each of *parts*."""
    period, flow = made.period, made.flow
    quarters = made.known + made.missing
    return replace(
        amounts(flow),
        parts={part: wh(flow.parts.get(part, 0)) for part in parts},
        begin_ms=period.begin_ms,
        end_ms=period.end_ms,
        known=round(made.known / quarters, 4) if quarters else 0.0,
        gaps={device: wh(micro) for device, micro in made.gaps.items()},
    )


def amounts(flow: Flow) -> EnergyPeriod:
    return EnergyPeriod(
        begin_ms=0,
        end_ms=0,
        house=wh(flow.house),
        imported=wh(flow.imported),
        exported=wh(flow.exported),
        solar=wh(flow.solar),
        battery_in=wh(flow.charged),
        battery_out=wh(flow.discharged),
        from_grid=wh(flow.from_grid),
        from_solar=wh(flow.from_solar),
        from_battery=wh(flow.from_battery),
        rest=wh(flow.rest),
        self_use=share(flow.self_use),
        autarky=share(flow.autarky),
    )


def wh(micro: int) -> float:
    return round(micro / MICRO, 3)


def share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
