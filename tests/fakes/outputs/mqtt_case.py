"""An output of MQTT at a real broker, used as the service does, with a clock that tests move."""

import json
import time
from contextlib import contextmanager
from typing import Any

import yaml

from collector.contract import Context, registry
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.reading import Reading, encode

ROOT = "energy_monitor/home"


def make(folder, server, kind="mqtt", name="it", **options):
    """Return an output at *server*, not yet opened."""
    cls = registry.find("outputs", kind).Options
    faults = Faults()
    text = yaml.safe_dump({"type": kind, "url": server.line, **options})
    text = text.replace("'!secret ", "!secret ").replace("-token'", "-token")
    node: Any = yaml.compose(text)
    read = read_options(cls, node, Place(str(folder / "c.yaml"), ""), faults)
    assert faults.found == []
    output = registry.find("outputs", kind)(
        name, read, Context("home", Lines(), folder, folder / "state")
    )
    if kind == "mqtt":
        output.monotonic_s = Now()
    return output


@contextmanager
def showing(*arguments, **options):
    output = make(*arguments, **options)
    try:
        yield output
    finally:
        output.close()


class Now:
    """A clock that stands still until *s* is set."""

    s = 1_000.0

    def __call__(self):
        return self.s


def line(at_s, device="mains", kind="electricity", **values):
    return encode(Reading(kind, device, round(at_s * 1000), values))


def config(ear, place):
    """Return the newest discovery message of each part of a device, by topic."""
    found = {}
    ear.await_all()
    for topic, payload, _ in [*ear.heard]:
        if topic.startswith("homeassistant/device/") and f"/{place}" in topic:
            found[topic] = json.loads(payload) if payload else None
    return found


def wait_until(true, seconds=10):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)
