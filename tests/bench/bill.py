"""Bills of ten meters out of a ledger of a year: a month, with and without what looks back.

Measured as processor time in a process that is warm, as ``energy-monitor bill`` is after imports,
and beside it the whole command by the clock.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import date
from pathlib import Path

from collector.cli.bill import bills_of
from collector.config import load
from collector.derive.cost import check
from collector.ledger.database import open_to_read
from tests.fakes.ledger_of_a_year import write

METERS = [f"meter{number}" for number in range(10)]
CONFIG = """
timezone: Europe/Brussels
data_dir: data
sources: {mains: {type: simulated, part: fridge}}
"""
LINES = """
    currency: EUR
    vat: 6%
    standing: 0.42/day
    holidays: [2025-12-25]
    energy:
      - {name: F1, price: [0.1450, 0.2450 from 10/day], days: mon-fri, hours: 08:00-19:00}
      - {name: F3, price: 0.1180}
"""
PEAK = "    peak: {price: 3.39/kW/month, at_least: 2.5, mean_of: 12}\n"


def measure():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG)
        write(folder / "data/ledger/ledger.sqlite", METERS, 2025)
        for what, more in (("", ""), (", with the mean of 12 peaks", PEAK)):
            contracts = "".join(
                f"  - from: 2024-01-01\n    meter: {meter}{LINES}{more}" for meter in METERS
            )
            (folder / "tariffs.yaml").write_text(f"contracts:\n{contracts}")
            took_s = min(timed(folder, (date(2025, 12, 1), None, None)) for _ in range(3))
            yield (
                f"a month's bill of ten meters{what}, CPU s",
                f"{took_s:.2f}",
                "at most 1",
                took_s <= 1,
            )
        took_s = timed(folder, (None, None, date(2025, 1, 1)))
        yield "a year's bill of ten meters, with the peaks, CPU s", f"{took_s:.2f}", "", True
        began = time.perf_counter()
        command = [sys.executable, "-m", "collector.cli", "bill", "--month", "2025-12"]
        subprocess.run(
            [*command, "--config", str(folder / "config.yaml")], check=True, capture_output=True
        )
        yield "the same month by the command, s", f"{time.perf_counter() - began:.2f}", "", True


def timed(folder, span):
    loaded = load(folder / "config.yaml")
    began = time.process_time()
    with closing(open_to_read(loaded.ledger)) as database:
        bills = bills_of(loaded, check.load(loaded.tariffs), database, span, None)
    took_s = time.process_time() - began
    assert len(bills) == len(METERS)
    return took_s
