"""A day of one meter at 1 Hz with 10 quantities, delivered by a process of its own."""

import json
import subprocess
import sys
import time

from collector.journal.journal import Journal
from collector.reading import decode, encode
from tests.bench.readings import lines
from tests.fakes.running import configure

READINGS, QUANTITIES = 86_400, 10


def ten_values():
    """Yield the readings of the last day."""
    start_ms = (int(time.time()) - READINGS) * 1000
    for line in lines(READINGS, start_ms=start_ms):
        whole = decode(line)
        values = dict(list(whole.values.items())[:QUANTITIES])
        yield encode(type(whole)(whole.kind, whole.device, whole.at_ms, values))


def journalled(folder, output):
    """Fill a journal below *folder*; return the configuration file with *output* as history."""
    file = configure(folder, "  pi: {type: host}\n", f"  history: {output}\n")
    journal = Journal(folder / "journal", "boot", ["history"])
    journal.open()
    day = list(ten_values())
    for begin in range(0, len(day), 60):
        journal.append(day[begin : begin + 60])
    journal.close()
    return file


def drained(file):
    """Deliver everything; return the seconds, the CPU time a reading and the most memory."""
    words = [sys.executable, "-m", "tests.bench.drain", str(file), "history"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def figures(name, found, most_s, most_mb):
    seconds, cpu_us, peak_mb = found["seconds"], found["cpu_us"], found["peak_mb"]
    figure = f"a day's readings of 10 values into {name}, s"
    yield figure, f"{seconds:.1f}", f"at most {most_s}", seconds <= most_s
    yield "the same: own CPU, µs a reading", f"{cpu_us:.1f}", "", True
    bound = f"at most {most_mb}"
    yield "the same: memory of the process, MB", f"{peak_mb:.0f}", bound, peak_mb <= most_mb
