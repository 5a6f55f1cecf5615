"""The answers of the API: a view as JSON, or as the CSV of what is shown."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from collector.contract.views import EnergyView, HistoryView
from collector.page.answer import Answer, of_csv, of_json
from collector.page.maker import Maker
from collector.page.request import Request
from collector.page.views import events, history, known
from collector.page.views.span import Span, asked

PERIOD = ("house", "imported", "exported", "solar", "battery_in", "battery_out", "rest")


def now(maker: Maker, _request: Request) -> Answer:
    answer: Answer = maker.now_answer()
    return answer


def devices(maker: Maker, _request: Request) -> Answer:
    return of_json(known.view(maker.records))


def span_of(maker: Maker, request: Request) -> Span:
    return asked(request.query, maker.records.now_ms, maker.records.zone)


def compared(request: Request) -> bool:
    return bool(request.query.get("compare") == "1")


def as_csv(request: Request) -> bool:
    return bool(request.query.get("format") == "csv")


def history_of(maker: Maker, request: Request) -> Answer:
    query = request.query
    found = history.view(
        maker.records,
        query["device"],
        query["quantity"],
        span_of(maker, request),
        compare=compared(request),
    )
    if as_csv(request):
        return of_csv(f"{found.device}-{found.quantity}", history_rows(found))
    return of_json(found)


def history_rows(found: HistoryView) -> Iterator[list[Any]]:
    unit = f" {found.unit}" if found.unit else ""
    if found.shows == "used":
        yield ["time", f"used{unit}"]
        yield from ([written(at), mean] for at, mean, _, _ in found.points)
        return
    yield ["time", *(f"{each}{unit}" for each in ("mean", "lowest", "highest"))]
    yield from ([written(at), *values] for at, *values in found.points)


def energy(maker: Maker, request: Request) -> Answer:
    records = maker.records
    span = span_of(maker, request)
    found = maker.energies.view(span, records.now_ms, compare=compared(request))
    if as_csv(request):
        return of_csv(f"energy-by-{found.by}", energy_rows(found))
    return of_json(found)


def energy_rows(found: EnergyView) -> Iterator[list[Any]]:
    parts = sorted({part for each in found.periods for part in each.parts})
    yield ["begin", "end", *(f"{each} Wh" for each in (*PERIOD, *parts)), "known"]
    for each in found.periods:
        values = [getattr(each, name) for name in PERIOD]
        shares = [each.parts.get(part) for part in parts]
        yield [written(each.begin_ms), written(each.end_ms), *values, *shares, each.known]


def written(at_ms: int) -> str:
    """Write a time in UTC as spreadsheets read it."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return (
        f"{at:%Y-%m-%dT%H:%M:%S}Z" if at_ms % 1000 == 0 else f"{at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    )


def cost(maker: Maker, _request: Request) -> Answer:
    return of_json(maker.costs.view())


def bill(maker: Maker, request: Request) -> Answer:
    return of_json(maker.bills.view(request.query.get("month")))


def health(maker: Maker, _request: Request) -> Answer:
    with maker.making:
        return of_json(maker.health())


def events_of(maker: Maker, request: Request) -> Answer:
    records = maker.records
    span = asked(request.query, records.now_ms, records.zone, "month")
    return of_json(events.view(records, span))
