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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from collector.contract import BadOption, Context, SourceOptions
from collector.decode.backfill import Span
from collector.decode.history import History
from collector.lines import http
from collector.lines.http_answer import ANSWER_S, CONNECT_S
from collector.lines.public import PublicService
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

DAY_MS = 24 * HOUR_MS
CORRECTED_MS = 3 * DAY_MS
WINDOW_MS = 45 * DAY_MS  # 1080 rows, 100 kB
# The forecast service knows the last 92 days, the archive all but the last five or so. With windows
# no longer than this none needs both.
ARCHIVED_AFTER_MS = 85 * DAY_MS


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
        self.line = options.url
        of = " ".join([f"{options.latitude} {options.longitude}", *options.quantities])
        file = context.state_dir / "history.json"
        self.history = History(name, file, of, options.since, WINDOW_MS)
        self.service = PublicService(SERVICE)
        self.hour_ms = 0

    def open(self) -> None:
        """Do nothing: each read connects anew."""

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Fetch what is due, oldest first. Raise ReadFault."""
        hour_ms = at_ms // HOUR_MS * HOUR_MS
        recent = hour_ms - CORRECTED_MS, hour_ms
        window = self.history.begin(recent)
        self.service.check_silence(at_ms)
        if window is None and hour_ms == self.hour_ms:
            return []
        answer = self.ask(recent, at_ms)
        rows = {at: values for at, values in decode_current(answer).items() if at <= at_ms}
        rows |= decode_hours(answer, recent)
        self.hour_ms = hour_ms
        rows |= self.history.older(lambda window: decode_hours(self.ask(window, at_ms), window))
        return self.history.end(self.readings(rows))

    def journalled(self) -> None:
        self.history.memory.journalled()

    def readings(self, rows: Rows) -> list[Reading]:
        every = sorted(rows.items())
        return [Reading("climate", self.name, at_ms, values) for at_ms, values in every if values]

    def ask(self, window: Span, at_ms: int) -> Mapping[str, Any]:
        """Return what the service says of *window*. Raise ReadFault."""
        address = where(self.options, window, at_ms)
        is_recent = address.endswith("/forecast")
        place = self.options.latitude, self.options.longitude
        url = f"{address}?{open_meteo.question(place, window, current=is_recent)}"
        return decode_body(self.service.get(url, address, at_ms, decode_reason))


def where(options: WeatherOptions, window: Span, now_ms: int) -> str:
    """Return which of the two services knows all of *window*. Pure."""
    if window[0] < now_ms - ARCHIVED_AFTER_MS:
        return f"{http.check(options.archive_url)}/v1/archive"
    return f"{http.check(options.url)}/v1/forecast"
