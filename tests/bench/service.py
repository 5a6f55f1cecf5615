"""Memory and CPU of ``run`` with one meter, the host source and an InfluxDB output."""

import os
import tempfile
import time
from pathlib import Path

from collector.demo import meter
from tests.bench.servers import database
from tests.fakes.running import ask, collector, configure, wait_for_reads

SECONDS = int(os.environ.get("BENCH_SECONDS", "120"))
SOURCES = (
    "  mains: {{type: modbus, line: {line}, serial: {{parity: none}}, model: orno-we-515}}\n"
    "  pi: {{type: host, every: 10s}}\n"
)


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        line = folder / "meter"
        with database(folder) as (name, options), meter.start("orno-we-515", 1, line):
            output = f"  history: {{type: influxdb, {options}, token: !secret influxdb-token}}\n"
            file = configure(folder, SOURCES.format(line=line), output)
            began = time.monotonic()
            with collector(file) as process:
                wait_for_reads(folder, "mains")
                start_s = time.monotonic() - began
                yield from steady(folder, process.pid, name)
    yield "from start to the first reading, s", f"{start_s:.2f}", "at most 1.5", start_s <= 1.5


def steady(folder, pid, name):
    time.sleep(min(20, SECONDS))
    before, slots = cpu_ms(pid), ask(folder)["sources"]["mains"]["reads"]
    time.sleep(SECONDS)
    after, status = cpu_ms(pid), ask(folder)
    each = (after - before) / (status["sources"]["mains"]["reads"] - slots)
    assert status["outputs"]["history"]["delivered"] > SECONDS / 2, status
    rss = status["resident_memory"] / 1e6
    yield f"resident memory, delivering into {name}, MB", f"{rss:.1f}", "at most 56", rss <= 56
    yield "CPU per slot, ms", f"{each:.1f}", "at most 6", each <= 6


def cpu_ms(pid):
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
