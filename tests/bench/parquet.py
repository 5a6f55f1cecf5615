"""Time and memory of ``export --format parquet``: 30 days of one meter x 10 quantities at 1 Hz."""

import os
import subprocess
import tempfile
import time
from itertools import islice
from pathlib import Path

from collector.journal.journal import Journal
from tests.bench.readings import lines
from tests.fakes.running import command

DAYS = 30
A_DAY = 86_400
QUANTITIES = 10


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "journal")
        began = time.monotonic()
        cpu_s, rss = used("--data-dir", folder, "--format", "parquet", "-o", folder / "lake")
        took_s = time.monotonic() - began
        files = list((folder / "lake").rglob("*.parquet"))
        size = sum(each.stat().st_size for each in files)
        what = f"{DAYS} days x {QUANTITIES} quantities at 1 Hz"
        yield f"{what} to Parquet, s", f"{took_s:.0f}", "at most 60", took_s <= 60
        yield "its CPU, s", f"{cpu_s:.0f}", "at most 60", cpu_s <= 60
        yield "its peak memory, MB", f"{rss:.0f}", "at most 64", rss <= 64
        each = size / len(files) / 1e6
        yield "size of a day's file, MB", f"{each:.1f}", "at least 1", each >= 1
        resampled = ("--resample", "1m", "-o", folder / "lake-1m", "--format", "parquet")
        cpu_s, rss = used("--data-dir", folder, *resampled)
        yield "the same by the minute: CPU, s", f"{cpu_s:.0f}", "at most 60", cpu_s <= 60
        yield "its peak memory, MB", f"{rss:.0f}", "at most 64", rss <= 64


def write(folder):
    journal = Journal(folder, "boot")
    journal.open()
    every = map(ten, lines(DAYS * A_DAY))
    while batch := list(islice(every, 100)):
        journal.append(batch)
    journal.keep_house(1 << 40)
    journal.close()


def ten(line):
    """Return an encoded reading with its first ten values."""
    head, fields, at_ms = line.split(b" ")
    return b"%s %s %s" % (head, b",".join(fields.split(b",")[:QUANTITIES]), at_ms)


def used(*words):
    """Run an export; return its CPU in seconds and its peak memory in MB."""
    process = subprocess.Popen(command("export", *words), stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6
