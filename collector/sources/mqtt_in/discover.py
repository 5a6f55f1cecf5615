"""Which devices that are known by kind talk at an MQTT broker."""

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

from collector.contract import Found, Search
from collector.decode.fields import parse
from collector.errors import DeviceSilent
from collector.lines.mqtt import Broker
from collector.sources.mqtt_in.attributes import SETTLE_S, Attributes
from collector.sources.mqtt_in.forms import forms_of
from collector.sources.mqtt_in.models import Device, names

LISTEN_S = 10.0  # Shelly tells every 30 s, Tasmota every 5 min: most is what the broker has kept
MOST_FOUND = 200

Heard = dict[tuple[str, str], dict[str, set[str]]]  # quantities by topic, by model and name


def discover(search: Search) -> Iterator[Found]:
    """Yield the devices that talk at the broker that is named. Raise ReadFault, ValueError."""
    if not search.line:
        return
    search.progress(f"listening at {search.line} for {LISTEN_S:.0f} s", None)
    heard = listen(search.line, LISTEN_S)
    if not heard:
        raise DeviceSilent(
            "no device of a known kind published anything; some publish only every 5 minutes"
        )
    yield found(search.line, heard)


def listen(line: str, listen_s: float) -> Heard:
    """Return what was told by each (model, name in its topics). Raise ReadFault, ValueError."""
    forms = [(name, form) for name in names() for form in forms_of(Device(model=name), name)]
    heard: Heard = {}

    by_field = Attributes(form for _, form in forms)

    def hear(topic: str, payload: bytes) -> None:
        document = parse(payload)
        by_field.hear(topic, document, 0.0)
        note(topic, document)

    def note(topic: str, document: Any) -> None:
        for model, form in forms:
            words = form.names(topic)
            values = form.decode(document) if words else {}
            if words and values and ((model, words[0]) in heard or len(heard) < MOST_FOUND):
                topics = heard.setdefault((model, words[0]), {})
                topics.setdefault(topic, set()).update(values)

    broker = Broker(line, hear)
    broker.with_retained = True
    try:
        broker.open({each: None for _, form in forms for each in form.filters})
        until_s = time.monotonic() + listen_s
        while time.monotonic() < until_s:
            broker.check()
            time.sleep(0.1)
    finally:
        broker.close()
    for topic, document, _ in by_field.settled(SETTLE_S, 0.0):
        note(topic, document)
    return heard


def best(heard: Heard) -> Heard:
    """Leave out a model that understands no message of a device but what another does. Pure.

    Of two that understand the same, the one that knows fewer messages fits better.
    """
    sizes = {model: len(forms_of(Device(model=model), model)) for model, _ in heard}

    def is_worse(model: str, name: str) -> bool:
        mine = heard[model, name].keys()
        others = [(each, heard[each, name].keys()) for each, of in heard if of == name]
        return any(
            mine < topics or (mine == topics and sizes[each] < sizes[model])
            for each, topics in others
        )

    return {key: topics for key, topics in heard.items() if not is_worse(*key)}


def found(line: str, heard: Heard) -> Found:
    """Return how what was heard at *line* is configured. Pure."""
    heard = best(heard)
    devices: dict[str, dict[str, str]] = {}
    remarks = {}
    for model, name in sorted(heard):
        plain = re.sub("[^A-Za-z0-9]", "_", name).lstrip("_") or "device"
        entry = next(each for each in numbered(plain) if each not in devices)
        devices[entry] = {"model": model, "topic": name}
        remarks[f"devices.{entry}"] = ", ".join(sorted(set().union(*heard[model, name].values())))
    text = f"MQTT broker with {', '.join(f'{name} ({model})' for model, name in sorted(heard))}"
    return Found("mqtt_in", line, text, {"line": line, "devices": devices}, "mqtt", remarks)


def numbered(name: str) -> Iterator[str]:
    """Yield *name*, and then the same with a number."""
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(2))
