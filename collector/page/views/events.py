"""What happened, newest first: counters, gaps, alerts, restarts."""

from collections.abc import Iterator
from contextlib import suppress
from heapq import nlargest

from collector.contract.views import EventsView, EventView
from collector.ledger.database import Database, Event
from collector.ledger.days import MICRO
from collector.ledger.decisions import FIELD, sentence
from collector.page.answer import Refused
from collector.page.views.records import Records
from collector.page.views.span import Span
from collector.status import Status
from collector.text import duration

MOST = 500
LEAST_GAP_MS = 300_000
COLLECTOR = "collector"


def view(records: Records, span: Span) -> EventsView:
    """Return what happened in a time; what the ledger has is missing where it cannot be read."""
    status, _ = records.now()
    found = list(of_status(status))
    with suppress(Refused), records.ledger() as database:
        found += of_ledger(database, span)
    inside = (each for each in found if span.begin_ms <= each.at_ms < span.end_ms)
    return EventsView(
        begin_ms=span.begin_ms,
        end_ms=span.end_ms,
        events=tuple(nlargest(MOST, inside, key=lambda each: (each.at_ms, each.device))),
    )


def of_status(status: Status) -> Iterator[EventView]:
    """Yield the last start, and alerts that stand."""
    if status.now_ms and status.up_s:
        started_ms = round(status.now_ms - status.up_s * 1000)
        yield EventView(at_ms=started_ms, device=COLLECTOR, text="started", kind="restart")
    for name, alert in status.alerts.items():
        device = name.partition(".")[2] or COLLECTOR
        yield EventView(at_ms=alert.since_ms, device=device, text=alert.text, kind="alert")


def of_ledger(database: Database, span: Span) -> Iterator[EventView]:
    for each in database.events(span.begin_ms, span.end_ms, MOST):
        yield decision(each)
    gaps = database.connection.execute(
        "SELECT device, from_ms, to_ms, max(micro) FROM gaps JOIN series ON id = series "
        "WHERE from_ms >= ? AND from_ms < ? AND to_ms - from_ms >= ? AND kind = 'counter' "
        "GROUP BY device, from_ms ORDER BY from_ms DESC LIMIT ?",
        [span.begin_ms, span.end_ms, LEAST_GAP_MS, MOST],
    )
    for device, from_ms, to_ms, micro in gaps:
        used = f"; {micro / MICRO:,.0f} Wh used meanwhile" if micro >= MICRO else ""
        text = f"nothing was measured for {duration((to_ms - from_ms) / 1000)}{used}"
        yield EventView(at_ms=from_ms, until_ms=to_ms, device=device, text=text, kind="gap")


def decision(event: Event) -> EventView:
    values = {
        name: float(value)
        for name, value in event.more.items()
        if (name.startswith(FIELD) or name == event.quantity) and isinstance(value, int | float)
    }
    if event.what.isdigit():
        values[FIELD] = float(event.what)
    text = sentence(event.quantity, values)
    return EventView(at_ms=event.at_ms, device=event.device, text=text, kind="counter")
