"""Bytes written to disk per day at 1 Hz with 12 values, beside SQLite in WAL mode.

Counted by the kernel for the writing process (write_bytes in /proc/PID/io: pages that became
dirty, again each time after they were written), over an hour of readings written at once.
"""

import json
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from collector.journal.journal import Journal
from collector.reading import decode
from tests.bench.readings import lines
from tests.cursors import delivered

SECONDS = 3600


def measure():
    ours = run("ours")
    theirs = run("sqlite")
    yield "journal, MB written per day", f"{ours:.0f}", "", True
    yield "SQLite WAL committed every second, MB written per day", f"{theirs:.0f}", "", True
    yield "journal / SQLite", f"{ours / theirs:.2f}", "at most 0.25", ours <= theirs / 4


def run(which):
    """Write an hour in a process of its own; return MB per day."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        command = [sys.executable, "-m", "tests.bench.journal", which, folder]
        written = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return written * 86400 / SECONDS / 1e6


def write_ours(folder):
    journal = Journal(folder, "boot", ["history"])
    journal.open()
    for second, line in enumerate(lines(SECONDS), 1):
        journal.append([line])
        if second % 10 == 0:
            journal.sync()
        if second % 5 == 0:
            delivered(journal, "history", [(second, line)])
        if second % 60 == 0:
            journal.keep_house(2 * 10**9)
    journal.close()


def write_sqlite(folder):
    database = sqlite3.connect(folder / "readings.sqlite")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    names = list(decode(next(lines(1))).values)
    columns = ", ".join(f"{name} REAL" for name in names)
    database.execute(f"CREATE TABLE reading (at INTEGER PRIMARY KEY, device TEXT, {columns})")
    for line in lines(SECONDS):
        reading = decode(line)
        marks = ", ".join("?" * (len(names) + 2))
        row = (reading.at_ms, reading.device, *reading.values.values())
        database.execute(f"INSERT INTO reading VALUES ({marks})", row)
        database.commit()
    database.close()


def written_bytes():
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


if __name__ == "__main__":
    before = written_bytes()
    {"ours": write_ours, "sqlite": write_sqlite}[sys.argv[1]](Path(sys.argv[2]))
    print(written_bytes() - before)
