"""The weather at the house, by the hour, from Open-Meteo (open-meteo.com/en/docs).

It is computed from weather models and observations, not measured at the house. A reading stands at
the start of its hour: temperature, humidity, pressure, wind and clouds are those of that instant,
while precipitation, irradiance and gusts are those of the hour that then begins. It is told once
the hour is over, and again where it has been corrected, which is looked for over three days.
Between the hours stands the reading of the present, without what needs a whole hour.

The service is asked once an hour. While some of the history since ``since`` is missing, or of the
time when the house was offline, it is asked at every slot, each time for a window of it besides. A
window counts as stored when the next read begins, for the collector journals in between.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar

from collector.contract import BadOption, Context, SourceOptions
from collector.decode import backfill
from collector.decode.backfill import Memory, Progress, Span
from collector.decode.once import Once
from collector.errors import DeviceRefused, ReadFault
from collector.lines import http
from collector.lines.http_answer import ANSWER_S, CONNECT_S
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds
from collector.sources.weather import open_meteo
from collector.sources.weather.open_meteo import (
    HOUR_MS,
    SERVICE,
    VARIABLES,
    Rows,
    decode_body,
    decode_current,
    decode_hours,
    decode_reason,
)

log = logging.getLogger(__name__)

DAY_MS = 24 * HOUR_MS
CORRECTED_MS = 3 * DAY_MS
WINDOW_MS = 45 * DAY_MS  # 1080 rows, 100 kB
# The forecast service knows the last 92 days, the archive all but the last five or so. With windows
# no longer than this none needs both.
ARCHIVED_AFTER_MS = 85 * DAY_MS
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
CLOCK_MAY_DIFFER_S = 600
LEAVE_ALONE_S = 3600.0  # where 429 comes without a wish: the limits are by minute, hour and day
LONGEST_LEAVE_ALONE_S = 86400.0


@dataclass(frozen=True, kw_only=True)
class WeatherOptions(SourceOptions):
    """The weather at the house by the hour, with its history, from Open-Meteo."""

    latitude: float = option("latitude of the house in degrees", example=45.07, low=-90, high=90)
    longitude: float = option("longitude of the house in degrees", example=7.69, low=-180, high=180)
    since: str = option(
        "day from which the history is fetched, 45 days at a time (default: no history)",
        example="2019-05-02",
        default="",
        pattern=r"([0-9]{4}-[0-9]{2}-[0-9]{2})?",
    )
    url: str = option(
        "address of Open-Meteo's forecast service",
        example="https://api.open-meteo.com",
        default="https://api.open-meteo.com",
    )
    archive_url: str = option(
        "address of Open-Meteo's archive",
        example="https://archive-api.open-meteo.com",
        default="https://archive-api.open-meteo.com",
    )
    every: Seconds = option(
        "look this often whether there is something to ask for: the last hours, once an hour, and "
        "missing history",
        example="15m",
        default=Seconds(900),
        low=900,
        high=86400,
    )


class Weather:
    """Fetches the weather of one place."""

    Options: ClassVar[type] = WeatherOptions
    quantities = tuple(quantity for quantity, _ in VARIABLES.values())
    patience_s = 2 * (CONNECT_S + ANSWER_S)

    def __init__(self, name: str, options: WeatherOptions, context: Context) -> None:
        self.name = name
        self.options = options
        for each in ("url", "archive_url"):
            try:
                http.check(getattr(options, each))
            except ValueError as error:
                raise BadOption(each, str(error)) from error
        if options.read:
            raise BadOption("read", "all of the weather comes by the hour; leave 'read' out")
        self.since_ms = day_ms(options.since) if options.since else None
        self.line = options.url
        of = " ".join([f"{options.latitude} {options.longitude}", *options.quantities])
        self.memory = Memory(name, context.state_dir / "history.json", of)
        self.hour_ms = 0
        self.silent_until_ms = 0
        self.once = Once(log)

    def open(self) -> None:
        """Do nothing: each read connects anew."""

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Fetch what is due, oldest first. Raise ReadFault."""
        progress = self.memory.begin()
        if at_ms < self.silent_until_ms:
            raise DeviceRefused(
                f"{SERVICE} wants to be left alone until {said(self.silent_until_ms)}"
            )
        hour_ms = at_ms // HOUR_MS * HOUR_MS
        recent = hour_ms - CORRECTED_MS, hour_ms
        wanted = self.begins_ms(progress, recent), hour_ms
        window = backfill.next_window(wanted, (*progress.spans, recent), WINDOW_MS)
        if window is None and hour_ms == self.hour_ms:
            return []
        answer = self.ask(recent, at_ms)
        rows = {at: values for at, values in decode_current(answer).items() if at <= at_ms}
        rows |= decode_hours(answer, recent)
        self.hour_ms = hour_ms
        spans = [recent]
        if window and (older := self.history(window, at_ms)) is not None:
            spans.append(window)
            rows |= older
        readings = backfill.news(progress, self.readings(rows))
        done = backfill.after(progress, spans, readings, recent[0])
        self.memory.end(done)
        if window and not backfill.missing(wanted, done.spans):
            log.info("%s: the history since %s is fetched", self.name, said(wanted[0]))
        return readings

    def history(self, window: Span, at_ms: int) -> Rows | None:
        """Return the hours of *window*; None where they can't be had now."""
        try:
            rows = decode_hours(self.ask(window, at_ms), window)
        except ReadFault as error:  # no reason to be without the weather of today
            self.once.warning("history", f"{self.name}: no history yet: {error}")
            return None
        self.once.warning("history", "")
        return rows

    def journalled(self) -> None:
        self.memory.journalled()

    def begins_ms(self, progress: Progress, recent: Span) -> int:
        """Return where the history begins that is wanted."""
        if self.since_ms is not None:
            return self.since_ms
        return min([recent[0], *(begin for begin, _ in progress.spans)])

    def readings(self, rows: Rows) -> list[Reading]:
        every = sorted(rows.items())
        return [Reading("climate", self.name, at_ms, values) for at_ms, values in every if values]

    def ask(self, window: Span, at_ms: int) -> Mapping[str, Any]:
        """Return what the service says of *window*. Raise ReadFault."""
        address = where(self.options, window, at_ms)
        is_recent = address.endswith("/forecast")
        place = self.options.latitude, self.options.longitude
        page = http.get(f"{address}?{open_meteo.question(place, window, current=is_recent)}")
        if page.at and abs(page.at.timestamp() - at_ms / 1000) > CLOCK_MAY_DIFFER_S:
            told = said(round(page.at.timestamp() * 1000))
            raise DeviceRefused(f"the clock is not right: {SERVICE} says that it is {told}")
        if page.status == HTTPStatus.OK:
            return decode_body(page.body)
        wish_s = page.retry_after_s
        if wish_s is None and page.status == HTTPStatus.TOO_MANY_REQUESTS:
            wish_s = LEAVE_ALONE_S
        self.silent_until_ms = at_ms + round(1000 * min(wish_s or 0, LONGEST_LEAVE_ALONE_S))
        reason = decode_reason(page.body)
        raise DeviceRefused(f"{address} answers {page.status} {reason!r}", page.status)


def said(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def day_ms(text: str) -> int:
    """Return the start of the day *text*. Raise BadOption."""
    with suppress(ValueError):
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
        if day >= EARLIEST:
            return round(day.timestamp() * 1000)
    raise BadOption("since", f"{text!r} is not a day since 1970-01-02 (example: 2019-05-02)")


def where(options: WeatherOptions, window: Span, now_ms: int) -> str:
    """Return which of the two services knows all of *window*. Pure."""
    if window[0] < now_ms - ARCHIVED_AFTER_MS:
        return f"{http.check(options.archive_url)}/v1/archive"
    return f"{http.check(options.url)}/v1/forecast"
