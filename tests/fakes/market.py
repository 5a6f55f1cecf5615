"""What aWATTar and Energy-Charts answer, as their documents have it, for a made-up market.

The price of a quarter hour tells which it is (``price``), so that a test can say what must come.
"""

import json
from datetime import UTC, datetime

from tests.fakes.http_answers import Reply

AWATTAR = "/v1/marketdata?start={begin_ms}&end={end_ms}"
ENERGY_CHARTS = "/price?bzn={zone}&start={begin_s}&end={end_s}"
QUARTER_S = 900


def price(time_s):
    """Return the price per MWh at a time, in hundredths: negative for some."""
    return (time_s // QUARTER_S % 96 - 10) * 1.25


class Market:
    """Answers with the prices of every quarter or hour that is asked for, up to *until_s*."""

    def __init__(self, step_s=QUARTER_S, until_s=None):
        self.step_s = step_s
        self.until_s = until_s or 1 << 40
        self.changed: dict[int, float] = {}
        self.missing: set[int] = set()
        self.reply: Reply | None = None

    def __call__(self, asked):
        if self.reply is not None:
            return self.reply
        in_ms = "marketdata" in asked.path
        begin, end = (
            int(asked.fields[each]) // (1000 if in_ms else 1) for each in ("start", "end")
        )
        first = -(-begin // self.step_s) * self.step_s
        times = [
            each
            for each in range(first, min(end, self.until_s), self.step_s)
            if each not in self.missing
        ]
        return answer(self.awattar(times) if in_ms else self.energy_charts(times))

    def at(self, time_s):
        return self.changed.get(time_s, price(time_s))

    def awattar(self, times):
        rows = [
            {
                "start_timestamp": each * 1000,
                "end_timestamp": (each + self.step_s) * 1000,
                "marketprice": self.at(each),
                "unit": "Eur/MWh",
            }
            for each in times
        ]
        return {"object": "list", "data": rows, "url": "/de/v1/marketdata"}

    def energy_charts(self, times):
        return {
            "license_info": "CC BY 4.0",
            "unix_seconds": times,
            "price": [self.at(each) for each in times],
            "unit": "EUR / MWh",
            "deprecated": False,
        }


def answer(body):
    return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def seconds(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
