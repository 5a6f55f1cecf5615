"""Which devices that are known by kind talk at an MQTT broker."""

import json
import re
import time
from collections.abc import Mapping

from collector.decode.fields import parse
from collector.lines.mqtt import Broker
from collector.sources.mqtt_in.models import Device, forms_of, names

LISTEN_S = 10.0  # Shelly tells every 30 s, Tasmota every 5 min: most is what the broker has kept
MOST_FOUND = 200

Found = dict[tuple[str, str], set[str]]


def listen(line: str, listen_s: float = LISTEN_S) -> Found:
    """Return what was told by each (model, name in its topics). Raise ReadFault, ValueError."""
    forms = [(name, form) for name in names() for form in forms_of(Device(model=name), name)]
    found: Found = {}

    def hear(topic: str, payload: bytes) -> None:
        document = parse(payload)
        for model, form in forms:
            words = form.names(topic)
            values = form.decode(document) if words else {}
            if words and values and len(found) < MOST_FOUND:
                found.setdefault((model, words[0]), set()).update(values)

    broker = Broker(line, hear)
    broker.with_retained = True
    try:
        broker.open({form.message.topic: None for _, form in forms})
        until_s = time.monotonic() + listen_s
        while time.monotonic() < until_s:
            broker.check()
            time.sleep(0.1)
    finally:
        broker.close()
    return found


def render(line: str, found: Mapping[tuple[str, str], set[str]]) -> str:
    """Return the configuration for what was found, to paste."""
    text = f"sources:\n  mqtt:\n    type: mqtt_in\n    line: {line}\n    devices:\n"
    for model, name in sorted(found):
        plain = re.sub("[^A-Za-z0-9]", "_", name).lstrip("_") or "device"
        told = ", ".join(sorted(found[model, name]))
        topic = json.dumps(name, ensure_ascii=False)
        text += f"      {plain}: {{model: {model}, topic: {topic}}}  # {told}\n"
    return text
