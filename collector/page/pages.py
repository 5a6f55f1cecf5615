"""The pages for people: views in the words of their language."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from collector.page.answer import HTML, Answer, Refused
from collector.page.html import render
from collector.page.maker import Maker
from collector.page.request import Request
from collector.page.views import events, known
from collector.page.views import history as histories
from collector.page.views.span import DAY_MS, Span, span_of

EVENTS_MS = 90 * DAY_MS


def page(maker: Maker, request: Request, name: str, **views: Any) -> Answer:
    """Return a page in the language of the browser."""
    language = render().language_of(request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    with maker.making:
        body = render().page(name, language, maker.zone, maker.label, **views)
    return Answer(HTTPStatus.OK, body, HTML)


def now(maker: Maker, request: Request) -> Answer:
    maker.facts.wait()
    return page(maker, request, "now", now=maker.now())


def devices(maker: Maker, request: Request) -> Answer:
    return page(maker, request, "devices", now=maker.now())


def history_of(maker: Maker, request: Request) -> Answer:
    """Return what was chosen; a choice that cannot be shown says why, on the page."""
    records = maker.records
    local = datetime.fromtimestamp(records.now_ms / 1000, records.zone)
    views: dict[str, Any] = {"history": None, "energy": None, "error": ""}
    choice = render().choice({}, local)
    try:
        choice = render().choice(request.query, local)
        span = span_of(choice.range, choice.at or None, records.now_ms, records.zone)
        if choice.device:
            views["history"] = histories.view(
                records, choice.device, choice.quantity, span, compare=choice.compare
            )
        else:
            views["energy"] = maker.energies.view(span, records.now_ms, compare=choice.compare)
    except (ValueError, Refused) as error:
        views["error"] = str(error)
    shown = known.view(records).devices
    return page(maker, request, "history", devices=shown, choice=choice, **views)


def cost(maker: Maker, request: Request) -> Answer:
    return page(maker, request, "cost", cost=maker.costs.view())


def bill(maker: Maker, request: Request) -> Answer:
    return page(maker, request, "bill", bill=maker.bills.view(request.query.get("month")))


def health(maker: Maker, request: Request) -> Answer:
    now_ms = maker.records.now_ms
    found = events.view(maker.records, Span(now_ms - EVENTS_MS, now_ms + 1))
    return page(maker, request, "health", health=maker.health(), events=found)


def api(maker: Maker, request: Request, document: Mapping[str, Any]) -> Answer:
    return page(maker, request, "api", openapi=document)


def error(maker: Maker, request: Request, refused: Refused) -> Answer:
    status, sentence = refused.status, refused.sentence
    made = page(maker, request, "error", status=status.value, sentence=sentence)
    return made._replace(status=status, headers=refused.headers)
