"""A backlog of 24 h, 86,400 readings of 12 values, into a local server."""

import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from collector.clock import Clock
from collector.config import load
from collector.journal.journal import Journal
from collector.run.delivery import Delivery
from collector.run.health import Health, OutputHealth, SourceHealth
from collector.run.wiring import build
from tests.bench.readings import lines
from tests.bench.servers import database
from tests.fakes.running import configure

READINGS = 86_400


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with database(folder) as (name, options):
            output = f"type: influxdb, {options}, token: !secret influxdb-token"
            rate = READINGS / deliver_day(folder, output)
    figure = f"a day's readings into {name}, readings per second"
    yield figure, f"{rate:.0f}", "at least 5000", rate >= 5000


def deliver_day(folder, output):
    """Deliver a day of one meter to the *output* with these options; return how long that takes."""
    with day_for(folder, "history", output) as delivery:
        began = time.monotonic()
        while delivery.journal.backlog("history"):
            delivery.deliver_once()
            assert not delivery.failures, delivery.health.last_error
        elapsed = time.monotonic() - began
        assert delivery.health.delivered == READINGS
    return elapsed


@contextmanager
def day_for(folder, name, options):
    """Yield the delivery of an output that lacks a day's readings."""
    config = load(configure(folder, "  pi: {type: host}\n", f"  {name}: {{{options}}}\n"))
    health = Health({"pi": SourceHealth()}, {name: OutputHealth()}, 0)
    outputs = build(config, health).outputs
    journal = Journal(folder / "journal", "boot", [name])
    journal.open()
    batch = []
    start_ms = round(time.time()) * 1000 - READINGS * 1000
    for line in lines(READINGS, start_ms=start_ms):
        batch.append(line)
        if len(batch) == 60:
            journal.append(batch)
            batch = []
    journal.log.close_segments()
    delivery = Delivery(
        name, *outputs[name], journal, Clock(), health.outputs[name], threading.Lock()
    )
    yield delivery
    delivery.close()
    journal.close()
