"""Delivers all that waits in a journal by the configuration named, as a process of its own.

Prints as JSON how many seconds it took, the CPU time a reading, that of the start, and the most
memory.
"""

import json
import sys
import threading
import time
from pathlib import Path

from collector.clock import Clock
from collector.config import load
from collector.journal.journal import Journal
from collector.run.delivery import Delivery
from collector.run.health import Health, OutputHealth, SourceHealth
from collector.run.wiring import build


def main(file, name):
    config = load(Path(file))
    health = Health({"pi": SourceHealth()}, {name: OutputHealth()}, 0)
    output, options = build(config, health).outputs[name]
    journal = Journal(Path(file).parent / "journal", "boot", [name])
    journal.open()
    delivery = Delivery(
        name, output, options, journal, Clock(), health.outputs[name], threading.Lock()
    )
    output.open()
    count = journal.backlog(name)
    began, started = time.monotonic(), time.process_time()
    while journal.backlog(name):
        delivery.deliver_once()
        assert not delivery.failures, delivery.health.last_error
    seconds, ended = time.monotonic() - began, time.process_time()
    cpu_us, start_us = (ended - started) / count * 1e6, started / count * 1e6
    journal.rewind(name, 0)  # the next process sends it again
    delivery.close()
    journal.close()
    (peak,) = [
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    print(json.dumps({"seconds": seconds, "cpu_us": cpu_us, "start_us": start_us, "peak_mb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
