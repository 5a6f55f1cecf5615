"""A day of one meter at 1 Hz, 10 quantities, into a local PostgreSQL, and once more as a resend.

Where Telegraf is on the PATH, it does the same from a file, with its output for PostgreSQL.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from collector.journal.journal import Journal
from collector.reading import decode, encode
from tests.bench.readings import lines
from tests.fakes.running import configure
from tests.servers import postgres

READINGS, QUANTITIES = 86_400, 10
COUNT = "SELECT count(*) FROM electricity"
SIZE = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('electricity')"
OUTPUT = (
    "  history: {{type: postgresql, url: '{url}', database: energy, "
    "password: !secret postgresql-password}}\n"
)
TELEGRAF = """
[agent]
  omit_hostname = true
  flush_interval = "1s"
  metric_batch_size = 1000
[[inputs.tail]]
  files = ["{file}"]
  initial_read_offset = "beginning"
  max_undelivered_lines = 1000
  data_format = "influx"
  influx_timestamp_precision = "1ms"
[[outputs.postgresql]]
  connection = "host=127.0.0.1 port={port} user={user} password={password} dbname=energy"
"""


def measure():
    with tempfile.TemporaryDirectory() as temporary, postgres.running() as server:
        folder = Path(temporary)
        (folder / "secrets").mkdir()
        (folder / "secrets" / "postgresql-password").write_text(postgres.PASSWORD)
        file = configure(folder, "  pi: {type: host}\n", OUTPUT.format(url=server.url))
        fill(folder)
        first = drain(file)
        figure = "a day's readings of 10 values into PostgreSQL, s"
        yield figure, f"{first['seconds']:.1f}", "at most 30", first["seconds"] <= 30
        cpu_us = first["cpu_us"]
        yield "the same: own CPU, µs a reading", f"{cpu_us:.1f}", "at most 30", cpu_us <= 30
        peak = first["peak_mb"]
        yield "the same: memory of the process, MB", f"{peak:.0f}", "at most 60", peak <= 60
        (size,) = server.ask(SIZE)[0]
        yield "the same: table and indexes, bytes a reading", f"{size / READINGS:.0f}", "", True
        again = drain(file)
        yield "sent again, s", f"{again['seconds']:.1f}", "at most 30", again["seconds"] <= 30
        assert server.ask(COUNT) == [(READINGS,)]
        after = server.ask(SIZE)[0][0] / size
        yield "table and indexes, after / before", f"{after:.2f}", "1.00", after == 1
        if program := shutil.which("telegraf"):
            server.forget()
            theirs = telegraf(program, folder, server)
            yield "Telegraf: CPU, µs a reading, its start included", f"{theirs[0]:.1f}", "", True
            yield "Telegraf: memory, MB", f"{theirs[1]:.0f}", "", True


def ten_values():
    start_ms = round(time.time()) * 1000 - READINGS * 1000
    for line in lines(READINGS, start_ms=start_ms):
        whole = decode(line)
        values = dict([*whole.values.items()][:QUANTITIES])
        yield encode(type(whole)(whole.kind, whole.device, whole.at_ms, values))


def fill(folder):
    journal = Journal(folder / "journal", "boot", ["history"])
    journal.open()
    batch = []
    with (folder / "lines").open("wb") as file:
        for line in ten_values():
            file.write(line.replace(b",device=", b",site=home,device=") + b"\n")
            batch.append(line)
            if len(batch) == 60:
                journal.append(batch)
                batch = []
    journal.log.close_segments()
    journal.close()


def drain(file):
    command = [sys.executable, "-m", "tests.bench.drain", str(file), "history"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return json.loads(found.stdout)


def telegraf(program, folder, server):
    """Return the CPU time a reading in µs, and the most memory in MB."""
    file = folder / "telegraf.conf"
    given = {"port": server.port, "user": postgres.USER, "password": postgres.PASSWORD}
    file.write_text(TELEGRAF.format(file=folder / "lines", **given))
    with subprocess.Popen(
        [program, "--config", str(file)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            time.sleep(0.2)
            there = server.ask("SELECT to_regclass('electricity') IS NOT NULL")[0][0]
            if there and server.ask(COUNT)[0][0] >= READINGS:
                break
        words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        process.terminate()
    return cpu_s / READINGS * 1e6, int(peak.split()[1]) / 1024
