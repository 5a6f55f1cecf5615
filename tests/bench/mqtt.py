"""A day of one meter, 86,400 readings of 12 values, to an MQTT broker: its state, and all of it."""

import tempfile
import time
from pathlib import Path

from tests.bench.backlog import READINGS, day_for
from tests.servers import mosquitto


def measure():
    for kind, bound_s in (("mqtt", 1), ("mqtt_history", 60)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with mosquitto.running(folder / "broker") as broker:
                options = f"type: {kind}, url: '{broker.line}'"
                with day_for(folder, "home", options) as delivery:
                    began, cpu = time.monotonic(), time.process_time()
                    while delivery.journal.backlog("home"):
                        delivery.deliver_once()
                        assert not delivery.failures, delivery.health.last_error
                    elapsed, used = time.monotonic() - began, time.process_time() - cpu
                    count = delivery.health.delivered
        expected = 1 if kind == "mqtt" else READINGS
        figure = f"{kind}: a day of one meter at 1 Hz, seconds until it is delivered"
        yield figure, f"{elapsed:.2f}", f"at most {bound_s}", elapsed <= bound_s
        yield f"{kind}: readings published", str(count), str(expected), count == expected
        yield f"{kind}: own CPU per reading, µs", f"{used / READINGS * 1e6:.0f}", "-", True
