"""What Open-Meteo answers, as open-meteo.com/en/docs has it, for a made-up sky.

The value of a variable at an hour is a number that tells which it is (``value``), so that a test
can say what must come of it.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.http_answers import Reply

HOUR_S = 3600
UNITS = {
    "temperature_2m": "°C",
    "apparent_temperature": "°C",
    "relative_humidity_2m": "%",
    "dew_point_2m": "°C",
    "surface_pressure": "hPa",
    "cloud_cover": "%",
    "wind_speed_10m": "m/s",
    "wind_direction_10m": "°",
    "precipitation": "mm",
    "shortwave_radiation": "W/m²",
    "wind_gusts_10m": "m/s",
}
BASE = {"surface_pressure": 900.0}


def value(variable, time_s):
    """Return what *variable* is at *time_s*: it tells hour and day."""
    hours = time_s // HOUR_S
    return BASE.get(variable, 0.0) + hours % 24 + list(UNITS).index(variable) / 100


class Sky:
    """Answers both services at *now_s*. What the archive does not know yet is null."""

    def __init__(self, now_s):
        self.now_s = now_s
        self.corrected = {}  # (variable, time): value
        self.replies = {}  # path: Reply, instead of an answer

    def __call__(self, asked):
        return self.replies.get(asked.path) or Reply(
            200, json.dumps(self.answer(asked)).encode(), {"Content-Type": "application/json"}
        )

    def answer(self, asked):
        fields = asked.fields
        assert fields["timeformat"] == "unixtime"
        assert fields["timezone"] == "GMT"
        assert fields["wind_speed_unit"] == "ms"
        variables = fields["hourly"].split(",")
        first, last = (
            datetime.fromisoformat(fields[each]).replace(tzinfo=UTC)
            for each in ("start_date", "end_date")
        )
        assert last.timestamp() <= self.now_s
        end = last + timedelta(days=1)
        times = list(range(int(first.timestamp()), int(end.timestamp()), HOUR_S))
        answer: dict[str, Any] = {
            "latitude": 45.0625,
            "longitude": 7.6875,
            "generationtime_ms": 0.1,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "timezone_abbreviation": "GMT",
            "elevation": 249.0,
            "hourly_units": {"time": "unixtime", **{each: UNITS[each] for each in variables}},
            "hourly": {"time": times, **{each: self.column(each, times) for each in variables}},
        }
        if "current" in fields:
            names = fields["current"].split(",")
            at = self.now_s // 900 * 900
            units = {each: UNITS[each] for each in names}
            values = {each: value(each, at) + 0.005 for each in names}
            answer["current_units"] = {"time": "unixtime", "interval": "seconds", **units}
            answer["current"] = {"time": at, "interval": 900, **values}
        return answer

    def column(self, variable, times):
        return [self.corrected.get((variable, at), value(variable, at)) for at in times]
