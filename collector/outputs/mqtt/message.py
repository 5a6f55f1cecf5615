"""What a message about a device holds: JSON, in which each value is the text of the journal."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from collector.outputs.mqtt.mapping import is_timestamp

LATEST_S = 253_402_300_799  # the year 9999, the last that Python knows


def payload(
    at_ms: int, tags: Mapping[str, str], kind: str, device: str, values: Iterable[tuple[str, str]]
) -> bytes:
    """Return the message about *device* at *at_ms*. Pure.

    A value is written as it stands in the journal: a float's text is a number of JSON.
    """
    fields = [f'"{name}":{time_of(text) if is_timestamp(name) else text}' for name, text in values]
    words = ",".join([of_device(device, kind, *tags.items()), *fields])
    return f'{{"time":"{iso(at_ms)}","time_ms":{at_ms},{words}}}'.encode()


@lru_cache(maxsize=1024)
def of_device(device: str, kind: str, *tags: tuple[str, str]) -> str:
    words = {"device": device, "kind": kind, **dict(tags)}
    return json.dumps(words, separators=(",", ":"))[1:-1]


def time_of(text: str) -> str:
    """Return a time in seconds as text in JSON, or null where there was none. Pure."""
    seconds = float(text)
    return json.dumps(iso(round(seconds * 1000))) if 0 < seconds < LATEST_S else "null"


def iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{at_ms % 1000:03d}+00:00"
