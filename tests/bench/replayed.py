"""A journal of some days of one meter, with all that was derived from it, derived once more.

A process of its own: it prints the seconds of wall and CPU, how many readings were made, and how
many of those made again the journal did not have.
"""

import json
import sys
import threading
import time
from pathlib import Path

from collector import config
from collector.clock import Clock
from collector.journal.journal import Journal
from collector.reading import Reading, decode, encode
from collector.run.derivation import Deriving
from collector.run.health import DerivationHealth, LedgerHealth
from collector.run.ledger import Keeping
from collector.run.wiring import build, new_health
from tests.bench.bill import LINES
from tests.bench.readings import lines
from tests.fakes.running import configure

DAY = 86_400
BEGIN_MS = 1_790_805_600_000  # 2026-09-30 22:00 UTC: a month in Rome, with a change of the clocks
AT_ONCE = 600
DERIVATIONS = "timezone: Europe/Rome\nderivations:\n  rollup: {type: rollup}\n"
SOURCE = "  mains: {type: simulated, role: grid, every: 1s}\n"
ENERGY = "active_energy_import"


class House:
    """A journal with all derivations and the ledger on it, in turns."""

    def __init__(self, folder):
        file = configure(folder, SOURCE, extra=DERIVATIONS)
        (folder / "tariffs.yaml").write_text(f"contracts:\n  - from: 2024-01-01{LINES}")
        loaded = config.load(file)
        makers = build(loaded, new_health(loaded)).derivations
        self.journal = Journal(folder / "journal", "boot", [], list(makers))
        self.journal.open()
        clock, lock = Clock("always", folder / "boot"), threading.Lock()
        self.health = {name: DerivationHealth() for name in makers}
        for name in makers:
            if self.journal.snapshots[name].is_new:
                self.journal.snapshots[name].begin(1, 0)
        self.deriving = [
            Deriving(name, make, self.journal, clock, self.health[name], lock)
            for name, make in makers.items()
        ]
        self.ledger = Keeping(loaded.ledger, self.journal, clock, LedgerHealth(), lock)

    def fill(self, days):
        """Let the meter be read for some days; derive as it goes."""
        energy = 1_000_000.0
        batch = []
        for number, line in enumerate(lines(round(days * DAY), start_ms=BEGIN_MS)):
            energy = round(energy + 0.1 * (number % 7), 1)
            reading = decode(line)
            values = {**reading.values, ENERGY: energy}
            batch.append(encode(Reading(reading.kind, "mains", reading.at_ms, values)))
            if number % 10 == 0:
                own = Reading("collector", "collector", reading.at_ms, {"journal_size": 1.0})
                batch.append(encode(own))
            if len(batch) >= AT_ONCE:
                self.journal.append(batch)
                self.derive()
                self.ledger.keep_once()
                batch = []
        self.journal.append(batch)
        for _ in self.deriving:  # some hear what others make
            self.derive()

    def derive(self):
        for each in self.deriving:
            while each.derive_once() == 0:
                pass
            assert not each.health.last_error, (each.name, each.health.last_error)

    @property
    def made(self):
        return sum(each.made for each in self.health.values())


def main(folder, days):
    it = House(Path(folder))
    it.fill(float(days))
    made = it.made
    for snapshots in it.journal.snapshots.values():
        snapshots.rewind(0)
    began, cpu = time.perf_counter(), time.process_time()
    by_name = {}
    for each in it.deriving:
        at = time.process_time()
        while each.derive_once() == 0:
            pass
        by_name[each.name] = round(time.process_time() - at, 1)
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    json.dump([took_s, cpu_s, made, it.made - made, by_name], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
