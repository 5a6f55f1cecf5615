"""The pages of the example views on loopback, with figures that change at every question."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from zoneinfo import ZoneInfo

from collector.page import render
from collector.page.assets import assets, compressed
from collector.status import plain
from tests.fakes import page_views as views

ROME = ZoneInfo("Europe/Rome")
CSP = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
HTML, JSON, CSV = "text/html; charset=utf-8", "application/json", "text/csv; charset=utf-8"
OPENAPI = {
    "paths": {
        "/api/v1/now": {"get": {"summary": "Everything of this second"}},
        "/api/v1/history": {
            "get": {
                "summary": "A quantity over a time",
                "parameters": [
                    {"name": "device", "required": True, "schema": {"type": "string"}},
                    {"name": "range", "schema": {"enum": ["hour", "day"]}},
                ],
            }
        },
    }
}


GIVEN: dict[str, dict[str, Any]] = {
    "cost": {"cost": views.COST},
    "bill": {"bill": views.BILL},
    "health": {"health": views.HEALTH, "events": views.EVENTS},
    "api": {"openapi": OPENAPI},
    "login": {"wrong": False, "wait_s": 0, "next": "/"},
}


class Site:
    """A WSGI application; *asked* has every path with its query, in order."""

    def __init__(self):
        self.asked = []
        self.url = ""

    def now(self):
        """Return a house whose power has grown by a watt since it was last asked."""
        grown = sum(path == "/api/v1/now" for path, _ in self.asked)
        power = 1100.0 + 10 * grown
        return replace(
            views.NOW,
            at_ms=views.AT_MS + 1000 * grown,
            house=replace(views.NOW.house, power=power, verdict="usual"),
            flow=replace(views.NOW.flow, house=power, grid=350.0 + grown),
        )

    def answer(self, path, query, language):
        """Return the type and the body of what is at a path; nothing where nothing is."""
        if path == "/api/v1/now":
            return JSON, json.dumps(plain(self.now())).encode()
        if query.get("format") == "csv":
            return CSV, b"time,value\r\n2025-11-20T00:00,600\r\n"
        if path == "/api/v1/history":
            return JSON, json.dumps(plain(zoomed(query))).encode()
        name = path[1:] or "now"
        if name not in render.NAMES:
            return None
        given = {"now": self.now()} if name in {"now", "devices"} else GIVEN.get(name, {})
        given = history(query) if name == "history" else given
        return HTML, render.page(name, language, ROME, "Casa al lago", **given)

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], dict(parse_qsl(environ["QUERY_STRING"]))
        self.asked.append((path, query))
        kept = assets().get(path)
        language = render.language_of(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        found = (kept.content_type, kept.body) if kept else self.answer(path, query, language)
        if found is None:
            start_response("404 Not Found", [])
            return [b""]
        content_type, body = found
        headers = [("Content-Type", content_type), ("Content-Security-Policy", CSP)]
        headers += [("Content-Encoding", "gzip"), ("Cache-Control", "no-cache")]
        start_response("200 OK", headers)
        return [compressed(body)]


def history(query):
    chosen = render.choice(query, datetime.fromtimestamp(views.AT_MS / 1000, ROME))
    given = {"choice": chosen, "devices": views.DEVICES.devices}
    if not chosen.device:
        return {**given, "energy": views.ENERGY}
    is_counter = chosen.quantity.startswith("active_energy")
    return {**given, "history": views.HISTORY_OF_COUNTER if is_counter else views.HISTORY}


def zoomed(query):
    view = history({**query, "at": "2025-11-20"})["history"]
    if "since_ms" not in query:
        return view
    begin, end = int(query["since_ms"]), int(query["until_ms"])
    points = tuple(each for each in view.points if begin <= each[0] <= end)
    return replace(view, begin_ms=begin, end_ms=end, points=points, before=())


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def served():
    """Serve the pages; yield the site."""
    site = Site()
    server = make_server("127.0.0.1", 0, site, Threads, Quiet)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(condition, most_s=20.0):
    """Wait until *condition* holds; fail where it never does."""
    until = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
