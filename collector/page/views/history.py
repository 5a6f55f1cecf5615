"""A quantity over a time: from the journal as long as that is quick, else from the ledger.

The journal has every reading of some days. The ledger has the mean, the lowest and the highest
value of each quarter hour for ever, so a spike of a second stays in a year.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus

from collector.contract.views import HistoryView, Point
from collector.journal.layout import Segment
from collector.ledger.database import Kind, Series
from collector.ledger.days import QUARTER_MS
from collector.ledger.sums import By, Level, Used, levels, used
from collector.page.answer import Refused
from collector.page.pace import Pace
from collector.page.views import journal, known
from collector.page.views.records import Records
from collector.page.views.span import DAY_MS, HOUR_MS, Span, before, until
from collector.quantity import catalogue
from collector.safe_text import safe
from collector.scalars import did_you_mean

MOST_POINTS = 2000
STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
STEPS_MS = (*(1000 * each for each in STEPS_S), 7 * DAY_MS)
KINDS: Sequence[Kind] = ("counter", "interval", "gauge", "price")
USED = ("counter", "interval")
LIMITS: Sequence[tuple[int, By]] = (
    (20 * DAY_MS, "quarter"),
    (80 * DAY_MS, "hour"),
    (1900 * DAY_MS, "day"),
)
LENGTHS_MS = {"quarter": QUARTER_MS, "hour": HOUR_MS, "day": DAY_MS, "month": 30 * DAY_MS}


def view(
    records: Records, device: str, quantity: str, span: Span, *, compare: bool = False
) -> HistoryView:
    """Return the history of a quantity. Raise Refused where there is none of that name."""
    kept = series_of(records, device, quantity)
    if kept is None:
        check_known(records, device, quantity)
    empty = HistoryView(
        device=device,
        label=records.home.labels.get(device, ""),
        quantity=quantity,
        unit=catalogue()[quantity].unit if quantity in catalogue() else "",
        begin_ms=span.begin_ms,
        end_ms=span.end_ms,
        step_ms=0,
        source="ledger",
    )

    def of(span: Span) -> HistoryView:
        return filled(records, replace(empty, begin_ms=span.begin_ms, end_ms=span.end_ms), kept)

    made = of(span)
    if not compare:
        return made
    earlier = before(span, records.zone)
    reached_ms = made.points[-1][0] + made.step_ms if made.points else span.end_ms
    other, same = of(earlier), until(span, min(records.now_ms, reached_ms), earlier)
    so_far = other if same == earlier else of(same)
    return replace(made, before=other.points, change=change(made, so_far))


def change(made: HistoryView, other: HistoryView) -> float | None:
    """Return by which share the mean or the sum is more than the other."""
    new, old = (each.total if each.shows == "used" else each.mean for each in (made, other))
    return round(new / old - 1, 4) if new is not None and old else None


def series_of(records: Records, device: str, quantity: str) -> Series | None:
    """Return what the ledger has of a quantity; None where that is nothing, or cannot be read."""
    try:
        with records.ledger() as database:
            found = (database.known.get((device, quantity, kind)) for kind in KINDS)
            return next(filter(None, found), None)
    except Refused:
        return None


def check_known(records: Records, device: str, quantity: str) -> None:
    """Raise Refused where a name is not that of a device or quantity."""
    listed = "; /api/v1/devices lists them"
    if quantity not in catalogue():
        near = did_you_mean(quantity, catalogue()) or listed
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no quantity {quantity!r}{near}")
    devices = {each.device for each in records.now()[1]} | records.home.roles.keys()
    devices |= {each.device for each in known.view(records).devices}
    if device not in devices:
        near = did_you_mean(device, devices) or listed
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no device {device!r}{near}")


def filled(records: Records, empty: HistoryView, kept: Series | None) -> HistoryView:
    """Return the history of a time, from where it can be had quickly."""
    span = Span(empty.begin_ms, empty.end_ms)
    if kept and kept.kind in USED:
        return of_counter(records, empty, kept)
    if kept and span.length_ms > journal.LONG_MS:
        return of_levels(records, empty, kept)
    pace = Pace()
    try:
        folder = records.home.journal / "log"
        segments = list(journal.reaching(folder, span, pace)) if folder.is_dir() else []
        is_quick = journal.thinning(segments, span) == 1
        if kept and not (is_quick and reaches_back(records, segments, span, kept)):
            return of_levels(records, empty, kept)
        return of_journal(empty, segments, pace)
    except OSError as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, safe(f"the journal: {error}")) from None


def reaches_back(records: Records, segments: list[Segment], span: Span, kept: Series) -> bool:
    """Return whether the ledger has nothing before the oldest of *segments*."""
    oldest_ms = min((each.first_ms for each in segments), default=span.end_ms)
    if oldest_ms <= span.begin_ms:
        return True
    with records.ledger() as database:
        begin, end = span.begin_ms // QUARTER_MS, min(oldest_ms, span.end_ms) // QUARTER_MS
        return next(database.quarters(kept, begin, end), None) is None


def of_journal(empty: HistoryView, segments: list[Segment], pace: Pace) -> HistoryView:
    span = Span(empty.begin_ms, empty.end_ms)
    step_ms = next(each for each in STEPS_MS if span.length_ms < each * MOST_POINTS / 1.1)
    found = journal.collect(segments, empty.device, empty.quantity, span, step_ms, pace)
    whole = journal.total_of(found)
    return replace(
        empty,
        source="journal",
        step_ms=step_ms,
        thinned=found.thinned,
        points=bounded(journal.points_of(found, step_ms)),
        mean=round(whole.total / whole.count, 6) if whole.count else None,
        low=whole.low if whole.count else None,
        high=whole.high if whole.count else None,
    )


def of_levels(records: Records, empty: HistoryView, kept: Series) -> HistoryView:
    """Return what a gauge showed, by the quarter hours of the ledger."""
    by, step_ms = by_of(empty)
    with records.ledger() as database:
        found = levels(database, kept, empty.begin_ms, empty.end_ms, by, records.zone)
    measured_ms = sum(each.measured_ms for each in found)
    total = sum(each.mean * each.measured_ms for each in found)
    return replace(
        empty,
        step_ms=step_ms,
        points=bounded(points_of_levels(found)),
        mean=round(total / measured_ms, 6) if measured_ms else None,
        low=min((each.low for each in found), default=None),
        high=max((each.high for each in found), default=None),
    )


def points_of_levels(found: Sequence[Level]) -> Iterator[Point]:
    last_ms = 0
    for each in found:
        if last_ms and each.period.begin_ms > last_ms:
            yield last_ms, None, None, None
        yield each.period.begin_ms, round(each.mean, 6), each.low, each.high
        last_ms = each.period.end_ms


def of_counter(records: Records, empty: HistoryView, kept: Series) -> HistoryView:
    """Return what a counter added in each step."""
    by, step_ms = by_of(empty)
    with records.ledger() as database:
        found = used(database, kept, empty.begin_ms, empty.end_ms, by, records.zone)
    amounts = [each.amount for each in found if is_known(each)]
    return replace(
        empty,
        shows="used",
        step_ms=step_ms,
        points=bounded(points_of_used(found)),
        total=round(sum(amounts), 6) if amounts else None,
    )


def points_of_used(found: Sequence[Used]) -> Iterator[Point]:
    last_ms = 0
    for each in found:
        if not is_known(each):
            continue
        if last_ms and each.period.begin_ms > last_ms:
            yield last_ms, None, None, None
        yield each.period.begin_ms, round(each.amount, 6), None, None
        last_ms = each.period.end_ms


def is_known(used: Used) -> bool:
    return bool(used.measured_ms or used.micro)


def bounded(points: Iterator[Point] | list[Point]) -> tuple[Point, ...]:
    """Return at most MOST_POINTS; the marks of gaps are the first to go."""
    found = list(points)
    if len(found) > MOST_POINTS:
        found = [each for each in found if each[1] is not None]
    return tuple(found[:MOST_POINTS])


def by_of(empty: HistoryView) -> tuple[By, int]:
    length_ms = empty.end_ms - empty.begin_ms
    by: By = next((by for limit, by in LIMITS if length_ms <= limit), "month")
    return by, LENGTHS_MS[by]
