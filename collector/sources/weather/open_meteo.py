"""Open-Meteo's two services, forecast and archive: how they are asked, what their answers mean.

After open-meteo.com/en/docs and its page historical-weather-api. A mean, sum or maximum of an hour
stands at its end there, and at its start here.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from collector.contract.documents import parsed
from collector.errors import FrameDamaged
from collector.reading import LATEST_MS

HOUR_MS = 3_600_000
SERVICE = "Open-Meteo"

# variable: quantity, unit
AT_THE_INSTANT = {
    "temperature_2m": ("outside_temperature", "°C"),
    "apparent_temperature": ("apparent_temperature", "°C"),
    "relative_humidity_2m": ("humidity", "%"),
    "dew_point_2m": ("dew_point", "°C"),
    "surface_pressure": ("air_pressure", "hPa"),
    "cloud_cover": ("cloud_cover", "%"),
    "wind_speed_10m": ("wind_speed", "m/s"),
    "wind_direction_10m": ("wind_direction", "°"),
}
OVER_THE_HOUR = {  # before the time that it stands at
    "precipitation": ("precipitation", "mm"),
    "shortwave_radiation": ("irradiance", "W/m²"),
    "wind_gusts_10m": ("wind_gust", "m/s"),
}
VARIABLES = AT_THE_INSTANT | OVER_THE_HOUR

Rows = dict[int, dict[str, float]]


def question(place: tuple[float, float], window: tuple[int, int], *, current: bool) -> str:
    """Return what to ask for the days of *window* at latitude and longitude. Pure."""
    first, last = (datetime.fromtimestamp(each / 1000, UTC) for each in window)
    fields = {
        "latitude": place[0],
        "longitude": place[1],
        "hourly": ",".join(VARIABLES),
        "start_date": f"{first:%Y-%m-%d}",
        "end_date": f"{last:%Y-%m-%d}",  # the last hour's precipitation stands at its end
        "timeformat": "unixtime",
        "timezone": "GMT",
        "wind_speed_unit": "ms",
    }
    return urlencode(fields | ({"current": ",".join(AT_THE_INSTANT)} if current else {}))


def decode_body(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object in *body*. Raise FrameDamaged."""
    try:
        answer = parsed(body)
    except ValueError as error:
        raise FrameDamaged(f"{SERVICE}'s answer is no JSON: {body[:100]!r}") from error
    if not isinstance(answer, dict):
        raise FrameDamaged(f"{SERVICE}'s answer is no object: {body[:100]!r}")
    return answer


def decode_reason(body: bytes) -> str:
    """Return why the service refuses, in its own words. Pure."""
    with suppress(FrameDamaged, KeyError):
        return str(decode_body(body)["reason"])[:200]
    return body[:100].decode("utf-8", "replace")


def decode_hours(answer: Mapping[str, Any], window: tuple[int, int]) -> Rows:
    """Return values by the start of each whole hour in *window*. Raise FrameDamaged. Pure."""
    times = decode_times(part(part(answer, "hourly"), "time", list))
    rows: Rows = {}
    for variable, (quantity, unit) in VARIABLES.items():
        check_unit(answer, "hourly_units", variable, unit)
        column = part(part(answer, "hourly"), variable, list)
        if len(column) != len(times):
            raise FrameDamaged(f"{len(column)} values of {variable} at {len(times)} times")
        earlier = HOUR_MS if variable in OVER_THE_HOUR else 0
        for time_ms, value in zip(times, column, strict=True):
            at_ms = time_ms - earlier
            if window[0] <= at_ms < window[1] and is_number(value):
                rows.setdefault(at_ms, {})[quantity] = float(value)
    return rows


def decode_current(answer: Mapping[str, Any]) -> Rows:
    """Return the values of the present by their time, none where there is none.

    Raise FrameDamaged. Pure.
    """
    if "current" not in answer:
        return {}
    current = part(answer, "current")
    (at_ms,) = decode_times([current.get("time")])
    values = {}
    for variable, (quantity, unit) in AT_THE_INSTANT.items():
        if is_number(value := current.get(variable)):
            check_unit(answer, "current_units", variable, unit)
            values[quantity] = float(value)
    return {at_ms: values}


def decode_times(times: Sequence[Any]) -> list[int]:
    """Return seconds since 1970 as milliseconds. Raise FrameDamaged. Pure."""
    for each in times:
        if type(each) is not int or not -LATEST_MS < each * 1000 < LATEST_MS:
            raise FrameDamaged(f"{SERVICE} tells no time that can be: {str(each)[:100]}")
    return [each * 1000 for each in times]


def check_unit(answer: Mapping[str, Any], table: str, variable: str, unit: str) -> None:
    told = part(answer, table).get(variable)
    if told != unit:
        raise FrameDamaged(f"{SERVICE} tells {variable} in {str(told)[:100]!r}, not in {unit!r}")


def part(answer: Mapping[str, Any], name: str, form: type = dict) -> Any:
    """Return one part of an answer. Raise FrameDamaged where there is none of that form."""
    found = answer.get(name)
    if not isinstance(found, form):
        raise FrameDamaged(f"{SERVICE}'s answer has no {name!r} as documented")
    return found


def is_number(value: Any) -> bool:
    """Can *value* be stored? A big whole number can't become a float."""
    return (isinstance(value, float) and math.isfinite(value)) or (
        type(value) is int and abs(value) < LATEST_MS
    )
