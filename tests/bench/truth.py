"""Simulated houses of 400 days, each with mishaps of its own: how much of them equals the truth."""

import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.truth.compare_all import result_of
from tests.truth.lines import Lines
from tests.truth.run import BUILT, CLOCK_CHANGES, OPTIONS, ROLES, WANTED, every_s, run

SEEDS = range(11, 15)
DAYS = 400


def measure():
    logging.getLogger("collector").setLevel(logging.ERROR)
    for seed in SEEDS:
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            it = Lines(Path(folder), OPTIONS, ROLES, WANTED)
            truth = run(it, seed, BUILT, DAYS, every_s(DAYS, CLOCK_CHANGES), every_hours=10)
            result = result_of(truth, it)
            took_s = time.perf_counter() - began
        for each in result.wrong[:20]:
            print(f"    {each}")
        exact, bounded, wrong = result.exact.total(), result.bounded.total(), len(result.wrong)
        yield f"truth, house {seed}: values equal to the last digit", f"{exact - wrong}", "", True
        yield "truth, values beside a missing reading, within bounds", f"{bounded}", "", True
        yield "truth, values that are wrong", f"{wrong}", "0", not wrong
        yield "truth, s for a house", f"{took_s:.0f}", "", True
