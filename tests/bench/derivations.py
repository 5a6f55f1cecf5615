"""All derivations together: what they cost beside the same house without, and a replay of a month.

Ten meters at 1 Hz, read side by side by two collectors, one with energy, flows, cost, roll-ups and
alerts, one with none. Each starts its own meters, and both run at the same time.
"""

import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from collector.ledger.database import create
from collector.ledger.days import PER_DAY, QUARTER_MS, Amount, Shown
from tests.bench.bill import CONFIG, LINES, METERS, timed
from tests.bench.lateness import house_words
from tests.bench.meters import meters
from tests.bench.service import cpu_ms
from tests.fakes.running import ask, collector, configure, wait_for_reads

SECONDS = int(os.environ.get("BENCH_SECONDS", "120"))
RUNS = 3
STARTING = threading.Lock()
SETTLE_S = 15
REPLAY_DAYS = float(os.environ.get("BENCH_DAYS", "30"))
MOST_LATE, MOST_MB, MOST_CPU, MOST_REPLAY_S, MOST_LEDGER_MB = 1.10, 12, 1.40, 300, 40
SOURCE = (
    "  m{number}: {{type: modbus, line: {line}, serial: {{parity: none}}, model: orno-we-515, "
    "every: 1s{role}}}\n"
)
NONE = (
    "derivations:\n  energy: {type: energy, enabled: false}\n"
    "  alerts: {type: alerts, enabled: false}\n"
)
ALL = "derivations:\n  rollup: {type: rollup}\n  flows: {type: flows}\n"
CONTRACT = f"contracts:\n  - from: 2024-01-01\n    meter: m0{LINES}"


# Of each meter: counters that move in steps of 10 Wh, and the power that it showed.
COUNTERS = ("active_energy_import", "active_energy_export", "active_energy", "active_energy_t1")
GAUGES = ("active_power",)


def measure():
    yield from beside()
    yield from replayed()
    yield from year()


def beside():
    """Measure both collectors at the same time, several times."""
    runs = []
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        lines = [stack.enter_context(meters(10, house_words())).paths for _ in range(2)]
        for number in range(RUNS):
            start = threading.Barrier(2)
            with ThreadPoolExecutor(2) as pool:
                both = [
                    pool.submit(run, folder / f"{number}{which}", which, paths, start)
                    for which, paths in zip(("none", "all"), lines, strict=True)
                ]
                runs.append([each.result() for each in both])
    without, with_all = (
        [statistics.median(values) for values in zip(*each, strict=True)]
        for each in zip(*runs, strict=True)
    )
    late, rss, cpu, _ = (
        f"{one:.1f}, {other:.1f}" for one, other in zip(without, with_all, strict=True)
    )
    skipped = sum(both[1][3] for both in runs)
    yield f"all derivations, {RUNS} times {SECONDS} s: slots skipped", skipped, "0", skipped == 0
    ratio = with_all[0] / without[0]
    yield "lateness p99 of the median meter, without and with, ms", late, "", True
    yield "the same: ratio", f"{ratio:.2f}", f"at most {MOST_LATE:.2f}", ratio <= MOST_LATE
    more = with_all[1] - without[1]
    yield "resident memory, without and with, MB", rss, "", True
    yield "the same: more, MB", f"{more:.1f}", f"at most {MOST_MB}", more <= MOST_MB
    ratio = with_all[2] / without[2]
    yield "CPU, without and with, ms per second", cpu, "", True
    yield "the same: ratio", f"{ratio:.2f}", f"at most {MOST_CPU:.2f}", ratio <= MOST_CPU


def run(folder, which, paths, start):
    """Return lateness in ms, memory in MB, CPU in ms per second, slots skipped."""
    roles = [", role: grid", *[", role: part of house"] * 9] if which == "all" else [""] * 10
    sources = "".join(
        SOURCE.format(number=number, line=line, role=role)
        for number, (line, role) in enumerate(zip(paths, roles, strict=True))
    )
    file = configure(folder, sources, extra=ALL if which == "all" else NONE)
    if which == "all":
        (folder / "tariffs.yaml").write_text(CONTRACT)
    with ExitStack() as stack:
        with STARTING:  # one after the other
            process = stack.enter_context(collector(file))
            wait_for_reads(folder, "m9")
        time.sleep(SETTLE_S)
        start.wait()
        before, began, cpu = ask(folder)["sources"], time.monotonic(), cpu_ms(process.pid)
        time.sleep(SECONDS)
        took_s, cpu, status = time.monotonic() - began, cpu_ms(process.pid) - cpu, ask(folder)
    wrong = [each["last_error"] for each in status["derivations"].values() if each["last_error"]]
    assert not wrong, wrong
    assert len(status["derivations"]) == (5 if which == "all" else 0), status["derivations"].keys()
    after = status["sources"]
    lost = sum(after[name]["skipped"] - before[name]["skipped"] for name in after)
    late_ms = statistics.median(1000 * each["lateness_s"]["p99"] for each in after.values())
    return late_ms, status["resident_memory"] / 1e6, cpu / took_s, lost


def replayed():
    """Replay a journal of a month with all derivations, and look whether all is the same."""
    with tempfile.TemporaryDirectory() as temporary:
        words = [sys.executable, "-m", "tests.bench.replayed", temporary, str(REPLAY_DAYS)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    took_s, cpu_s, made, different, each = json.loads(done.stdout)
    figure = f"{REPLAY_DAYS:g} days of one meter at 1 Hz replayed by all derivations, s"
    bound_s = MOST_REPLAY_S * REPLAY_DAYS / 30
    yield figure, f"{took_s:.0f}", f"at most {bound_s:.0f}", took_s <= bound_s
    yield "the same: CPU, s", f"{cpu_s:.0f}", "", True
    for name, of_one_s in each.items():
        yield f"of that, {name}", f"{of_one_s:.0f}", "", True
    yield f"of {made} readings made again, other than before", different, "0", not different


def write(file):
    """Write the ledger of a year of all meters, of numbers that do not deflate too well."""
    chance, ledger = random.Random(1), create(file)
    first = (date(2025, 1, 1) - date(1970, 1, 1)).days
    with ledger.transaction():
        for meter, day in itertools.product(METERS, range(first, first + 365)):
            for quantity in COUNTERS:
                amounts = {
                    slot: Amount(10_000_000 * chance.randrange(80), QUARTER_MS)
                    for slot in range(PER_DAY)
                }
                ledger.put_day(ledger.series(meter, quantity, "counter"), day, amounts)
            for quantity in GAUGES:
                shown = {
                    slot: Shown(
                        chance.uniform(200, 3000),
                        float(chance.randrange(200)),
                        float(chance.randrange(3000, 6000)),
                        QUARTER_MS,
                    )
                    for slot in range(PER_DAY)
                }
                ledger.put_day(ledger.series(meter, quantity, "gauge"), day, shown)
    ledger.close()
    return file


def year():
    """Measure the ledger of a year of ten three-phase meters, and a month's bill out of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG)
        file = write(folder / "data/ledger/ledger.sqlite")
        contracts = "".join(f"  - from: 2024-01-01\n    meter: {each}{LINES}" for each in METERS)
        (folder / "tariffs.yaml").write_text(f"contracts:\n{contracts}")
        took_s = min(timed(folder, (date(2025, 12, 1), None, None)) for _ in range(3))
        size = file.stat().st_size / 1e6
    figure = "a year of ten meters of three phases: a month's bill of all, CPU s"
    yield figure, f"{took_s:.2f}", "at most 1", took_s <= 1
    bound = f"at most {MOST_LEDGER_MB}"
    yield "the same: the ledger, MB", f"{size:.1f}", bound, size <= MOST_LEDGER_MB
