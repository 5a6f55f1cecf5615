"""What can be asked, in one table: the pages for people, the API, and what others look at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from collector.contract.views import (
    BillView,
    CostView,
    DevicesView,
    EnergyView,
    EventsView,
    HealthView,
    HistoryView,
    NowView,
)
from collector.page import api, pages
from collector.page.answer import Answer, of_json, said
from collector.page.maker import Maker
from collector.page.metrics import CONTENT_TYPE
from collector.page.openapi import document
from collector.page.request import NAME_PATTERN, Parameter, Request, choice, time_ms, written
from collector.page.views.span import RANGES

DEVICE = written(
    "device", "name of a device, of /api/v1/devices", NAME_PATTERN, "mains", required=True
)
QUANTITY = written(
    "quantity", "one of its quantities", "^[a-z0-9_]{1,100}$", "voltage", required=True
)
RANGE = choice("range", "a period of the house's clock (default: day)", *RANGES)
AT = written(
    "at",
    "a day or hour of the period, by the house's clock (default: now)",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2})?$",
    "2026-10-31",
)
SINCE = time_ms("since_ms", "in place of 'range': the beginning (default: a day before the end)")
UNTIL = time_ms("until_ms", "in place of 'range': the end, itself outside (default: now)")
COMPARE = choice("compare", "1: with the period before", "0", "1")
FORMAT = choice("format", "json (default) or csv", "json", "csv")
MONTH = written(
    "month", "a month (default: this one)", "^(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])$", "2026-10"
)
TIME = (RANGE, AT, SINCE, UNTIL)


@dataclass(frozen=True)
class Route:
    """A path and what it answers with: a *view* as JSON, else a page or a text.

    One that *waits* reads journal or ledger: a few at once may.
    """

    path: str
    answer: Callable[[Maker, Request], Answer]
    summary: str
    view: Any = None
    parameters: Sequence[Parameter] = ()
    waits: bool = False
    is_free: bool = False  # of parameters that the page reads itself


def metrics(maker: Maker, _request: Request) -> Answer:
    return Answer(HTTPStatus.OK, maker.metrics(), CONTENT_TYPE)


def openapi(maker: Maker, _request: Request) -> Answer:
    with maker.making:
        return of_json(description(maker))


def documentation(maker: Maker, request: Request) -> Answer:
    return pages.api(maker, request, description(maker))


def description(maker: Maker) -> dict[str, Any]:
    return document(maker.records.home.version, API)


def healthz(_maker: Maker, _request: Request) -> Answer:
    return said(HTTPStatus.OK, "ok")


API = (
    Route("/api/v1/now", api.now, "everything of this second", NowView),
    Route(
        "/api/v1/devices",
        api.devices,
        "devices and what there is a history of",
        DevicesView,
        waits=True,
    ),
    Route(
        "/api/v1/history",
        api.history_of,
        "a quantity over a time, at most 2,000 points, or as CSV",
        HistoryView,
        (DEVICE, QUANTITY, *TIME, COMPARE, FORMAT),
        waits=True,
    ),
    Route(
        "/api/v1/energy",
        api.energy,
        "energy of the house by period, or as CSV",
        EnergyView,
        (*TIME, COMPARE, FORMAT),
        waits=True,
    ),
    Route("/api/v1/cost", api.cost, "what energy costs", CostView, waits=True),
    Route("/api/v1/bill", api.bill, "the bills of a month", BillView, (MONTH,), waits=True),
    Route("/api/v1/health", api.health, "how the collector is doing", HealthView),
    Route(
        "/api/v1/events", api.events_of, "what happened, newest first", EventsView, TIME, waits=True
    ),
)
PAGES = (
    Route("/", pages.now, "now"),
    Route("/devices", pages.devices, "devices"),
    Route("/history", pages.history_of, "history", waits=True, is_free=True),
    Route("/cost", pages.cost, "cost", waits=True),
    Route("/bill", pages.bill, "a bill to print", parameters=(MONTH,), waits=True),
    Route("/health", pages.health, "health", waits=True),
    Route("/api", documentation, "the documentation of the API"),
)
OTHERS = (
    Route("/api/v1/openapi.json", openapi, "this document, in OpenAPI 3.1"),
    Route("/metrics", metrics, "every value of now, for Prometheus", is_free=True),
    Route("/healthz", healthz, "'ok' while the page is served", is_free=True),
)
ROUTES = {each.path: each for each in (*PAGES, *API, *OTHERS)}
