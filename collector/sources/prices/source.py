"""Prices of a market, from any service that answers with JSON or CSV over HTTP.

A reading of the kind ``price`` stands at the instant in UTC at which its price begins to hold, with
its length: days of 23 and 25 hours need no rule. It is told when it begins, so the newest is that
of now, and again where it has been corrected, which is looked for over three days.

The service is asked once an hour, and besides where no price for now is known. History since
``since``, or of the time when the house was offline, is fetched in windows, as for the weather.
"""

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import yaml

from collector.contract import BadOption, Context, SourceOptions
from collector.contract.currencies import CURRENCIES
from collector.decode.backfill import Span
from collector.decode.history import History
from collector.decode.once import Once
from collector.errors import ReadFault
from collector.lines import http
from collector.lines.http_answer import ANSWER_S, CONNECT_S
from collector.lines.public import PublicService, first_words
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds, did_you_mean
from collector.sources.prices.decode import LENGTHS_MS, Form, Priced, decode

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHORTEST_MS = LENGTHS_MS[0]
CORRECTED_MS = 3 * DAY_MS
AHEAD_MS = 2 * DAY_MS  # to the end of tomorrow
WINDOW_MS = 30 * DAY_MS


@functools.cache
def presets() -> Mapping[str, Mapping[str, str]]:
    text = files("collector.sources.prices").joinpath("presets.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return found


@dataclass(frozen=True, kw_only=True)
class PricesOptions(SourceOptions):
    """Prices of a market by the quarter or hour, with their history, over HTTP."""

    preset: str = option(
        "a public service whose options are known: awattar-de, awattar-at or energy-charts",
        example="awattar-de",
        default="",
    )
    zone: str = option(
        "bidding zone, where the service wants one",
        example="DE-LU",
        default="DE-LU",
        pattern=r"[A-Za-z0-9_-]{1,20}",
    )
    url: str = option(
        "address that is asked; {begin_s}, {begin_ms} and {begin} (ISO 8601) in it stand for the "
        "time from which prices are wanted, {end_s} and so on for its end, {zone} for the zone",
        example="https://prices.example/day-ahead?from={begin}&to={end}",
        default="",
    )
    form: Literal["json", "csv"] = option("form of the answer", example="csv", default="json")
    rows: str = option(
        "path of the list of rows in JSON; none where times and prices are lists of their own",
        example="data.prices",
        default="",
    )
    times: str = option(
        "path in a row, or column, of the time at which a price begins", example="start", default=""
    )
    ends: str = option(
        "path or column of the time at which it ends (default: by its neighbours)",
        example="end",
        default="",
    )
    prices: str = option("path or column of the price", example="value", default="")
    time: Literal["iso", "s", "ms"] = option(
        "how times are written: ISO 8601 with an offset, or seconds or ms since 1970 UTC",
        example="ms",
        default="iso",
    )
    length: Seconds = option(
        "how long each price holds, where nothing else says so: 15m, 30m or 1h",
        example="1h",
        default=Seconds(0),
    )
    per: Literal["kWh", "MWh"] = option("what the price is for", example="MWh", default="kWh")
    currency: str = option("currency by its code in ISO 4217", example="EUR", default="")
    unit_at: str = option("path or column of the unit, to be checked", example="unit", default="")
    unit: str = option("what must stand there", example="EUR/MWh", default="")
    since: str = option(
        "day from which the history is fetched, 30 days at a time (default: no history)",
        example="2025-01-01",
        default="",
        pattern=r"([0-9]{4}-[0-9]{2}-[0-9]{2})?",
    )
    every: Seconds = option(
        "look this often whether a price begins, or there is something to ask for",
        example="15m",
        default=Seconds(900),
        low=60,
        high=3600,
    )


class Prices:
    """Fetches the prices of one market."""

    Options: ClassVar[type] = PricesOptions
    quantities = ("price", "price_length", "currency")
    patience_s = 2 * (CONNECT_S + ANSWER_S)

    def __init__(self, name: str, options: PricesOptions, context: Context) -> None:
        self.name = name
        if options.read:
            raise BadOption("read", "a price comes with its length; leave 'read' out")
        given = settled(options)
        self.url, self.zone = given["url"], options.zone
        try:
            http.check(filled(self.url, (0, 1000), self.zone).partition("?")[0])
        except ValueError as error:
            raise BadOption("url", str(error)) from error
        self.form = form_of(given)
        self.currency = CURRENCIES[given["currency"]]
        self.line = self.url.partition("?")[0]
        of = " ".join([self.url, options.zone, self.form.prices, given["currency"]])
        file = context.state_dir / "history.json"
        self.history = History(name, file, of, options.since, WINDOW_MS)
        self.service = PublicService(self.line)
        self.known: dict[int, Priced] = {}
        self.asked_hour_ms = 0
        self.once = Once(log)

    def open(self) -> None:
        """Do nothing: each read connects anew."""

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Tell the prices that have begun, and fetch what is due. Raise ReadFault."""
        now_ms = at_ms // SHORTEST_MS * SHORTEST_MS + SHORTEST_MS  # a price of now begins before
        recent = at_ms // HOUR_MS * HOUR_MS - CORRECTED_MS, now_ms
        self.history.begin(recent)
        self.refresh((recent[0], at_ms + AHEAD_MS), at_ms)
        rows = within(self.known, recent)
        rows |= self.history.older(lambda window: within(self.ask(window, at_ms), window))
        return self.history.end(self.readings(rows))

    def refresh(self, window: Span, at_ms: int) -> None:
        """Ask for *window* where that is due. Raise ReadFault where there is no price for now."""
        hour_ms, has_now = at_ms // HOUR_MS * HOUR_MS, self.has(at_ms)
        if hour_ms == self.asked_hour_ms and has_now:
            return
        try:
            self.service.check_silence(at_ms)
            self.known = self.ask(window, at_ms)
        except ReadFault as error:
            if not has_now:
                raise
            self.once.warning("ask", f"{self.name}: not asked again yet: {error}")
        else:
            self.asked_hour_ms = hour_ms
            self.once.warning("ask", "")

    def has(self, at_ms: int) -> bool:
        """Tell whether a price is known that holds at a time."""
        return any(begin <= at_ms < begin + each.length_ms for begin, each in self.known.items())

    def journalled(self) -> None:
        self.history.memory.journalled()

    def readings(self, rows: Mapping[int, Priced]) -> list[Reading]:
        return [
            Reading(
                "price",
                self.name,
                begin,
                {
                    "price": float(each.price),
                    "price_length": each.length_ms / 1000,
                    "currency": float(self.currency),
                },
            )
            for begin, each in sorted(rows.items())
        ]

    def ask(self, window: Span, at_ms: int) -> dict[int, Priced]:
        """Return the prices that the service has of *window*. Raise ReadFault."""
        url = filled(self.url, window, self.zone)
        return decode(self.service.get(url, self.line, at_ms, first_words), self.form)


def within(rows: Mapping[int, Priced], span: Span) -> dict[int, Priced]:
    return {at: each for at, each in rows.items() if span[0] <= at < span[1]}


def check_preset(name: str) -> None:
    if name not in presets():
        known = f"one of {', '.join(presets())}{did_you_mean(name, presets())}"
        raise BadOption("preset", f"{name!r} is not known: {known}")


def settled(options: PricesOptions) -> dict[str, Any]:
    """Return the options with those of the preset that are not given. Raise BadOption."""
    found = vars(options).copy()
    if options.preset:
        check_preset(options.preset)
        defaults = {each.name: each.default for each in fields(options)}
        preset = presets()[options.preset].items()
        found |= {name: value for name, value in preset if found[name] == defaults[name]}
    for name in ("url", "times", "prices", "currency"):
        if not found[name]:
            raise BadOption(name, f"{name!r} is missing, or a preset: {', '.join(presets())}")
    if found["currency"] not in CURRENCIES:
        near = did_you_mean(found["currency"], CURRENCIES)
        raise BadOption("currency", f"{found['currency']!r} is no currency such as EUR{near}")
    if bool(found["unit_at"]) != bool(found["unit"]):
        raise BadOption("unit", "'unit_at' and 'unit' go together")
    if options.length and round(options.length * 1000) not in LENGTHS_MS:
        raise BadOption("length", "a price holds for 15m, 30m or 1h")
    return found


def form_of(given: Mapping[str, Any]) -> Form:
    names = ("form", "rows", "times", "ends", "prices", "time", "per", "unit_at", "unit")
    length_ms = round(given["length"] * 1000)
    return Form(**{name: given[name] for name in names}, length_ms=length_ms)


def filled(url: str, window: Span, zone: str) -> str:
    """Return the address with the window in it."""
    for name, at_ms in zip(("begin", "end"), window, strict=True):
        iso = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        url = url.replace(f"{{{name}}}", quote(iso))
        url = url.replace(f"{{{name}_s}}", str(at_ms // 1000))
        url = url.replace(f"{{{name}_ms}}", str(at_ms))
    return url.replace("{zone}", zone)
