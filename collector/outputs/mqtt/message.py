"""What a message about a device holds: JSON, in which each value is the text of the journal."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from collector.outputs.mqtt.mapping import is_timestamp

LATEST_S = 253_402_300_799  # the year 9999, the last that Python knows


def payload(
    at_ms: int, tags: Mapping[str, str], kind: str, device: str, values: Iterable[tuple[str, str]]
) -> bytes:
    """Return the message about *device* at *at_ms*. Pure.

    A value is written as it stands in the journal: a float's text is a number of JSON.
    """
    head = {"time": iso(at_ms), "time_ms": at_ms, "device": device, "kind": kind, **tags}
    fields = [f"{json.dumps(name)}:{json.dumps(value)}" for name, value in head.items()]
    fields += [f'"{name}":{value_of(name, text)}' for name, text in values]
    return f"{{{','.join(fields)}}}".encode()


def value_of(quantity: str, text: str) -> str:
    """Return a value as it stands in JSON: a time as text, or null where there was none. Pure."""
    if not is_timestamp(quantity):
        return text
    seconds = float(text)
    return json.dumps(iso(round(seconds * 1000))) if 0 < seconds < LATEST_S else "null"


def iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}+00:00"
