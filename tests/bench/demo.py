"""The demo: how soon it shows its first figure, and what sixty days of a house take to write."""

import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from collector.demo import history
from collector.demo.household import Household


def measure():
    first_s, whole_s = first_figure_and_history()
    yield "from the command to the first figure, s", f"{first_s:.1f}", "6", first_s <= 6
    yield "and to the ledger with its sixty days, s", f"{whole_s:.1f}", "15", whole_s <= 15
    now = datetime.now().astimezone()
    household = Household(1, "Europe/Rome", now.date() - timedelta(days=history.DAYS))
    with tempfile.TemporaryDirectory() as name:
        until = history.first_reading(now.timestamp())
        ledger_s = took(lambda: history.write_ledger(Path(name), household, until))
        journal_s = took(lambda: history.write_readings(Path(name), household, now.timestamp()))
    yield "sixty days of quarter hours, CPU, s", f"{ledger_s:.1f}", "5", ledger_s <= 5
    yield "six hours of readings, CPU, s", f"{journal_s:.2f}", "1.5", journal_s <= 1.5


def took(work):
    began = time.process_time()
    work()
    return time.process_time() - began


def first_figure_and_history():
    """Return how long the demo takes until it shows a reading, and until its ledger is whole."""
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        command = [sys.executable, "-m", "collector.cli", "demo", "--data-dir", f"{name}/demo"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            next(line for line in process.stdout if " reads, " in line)
            first_s = time.monotonic() - began
            while not history.is_written(Path(name) / "demo"):
                time.sleep(0.1)
            whole_s = time.monotonic() - began
            process.terminate()
            process.stdout.read()
    return first_s, whole_s
