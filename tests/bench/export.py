"""CPU and memory of ``journal export`` and ``tail``, out of 30 days of one meter at 1 Hz."""

import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from collector.journal.journal import Journal
from tests.bench.readings import START_MS, lines
from tests.fakes.running import command

DAYS = 30
A_DAY = 86_400


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "journal")
        end = datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(days=DAYS)
        for what, span, most_s in (
            (f"the last minute out of {DAYS} days", timedelta(minutes=1), 0.5),
            ("a day as CSV", timedelta(days=1), 1.5),
        ):
            since = (end - span).isoformat()
            cpu_s, _ = used("export", "--data-dir", folder, "--since", since)
            bound = f"at most {most_s}"
            yield f"export of {what}: CPU, s", f"{cpu_s:.2f}", bound, cpu_s <= most_s
        _, rss = used("tail", "--data-dir", folder, "-n", 400_000)
        yield "tail -n 400000: peak memory, MB", f"{rss:.0f}", "at most 48", rss <= 48


def write(folder):
    journal = Journal(folder, "boot")
    journal.open()
    every = iter(lines(DAYS * A_DAY))
    while batch := list(islice(every, 100)):
        journal.append(batch)
    journal.keep_house(1 << 40)
    journal.close()


def used(*words):
    """Run a command of the journal; return its CPU in seconds and its peak memory in MB."""
    process = subprocess.Popen(command("journal", *words), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6
