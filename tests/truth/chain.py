"""The real way from readings to the ledger: journal, derivations and keeper, killed now and then.

What a kill takes is what a kill takes in a house: everything that is not in the journal, in a
snapshot or in the ledger's file. Threads are left out: their work is done turn by turn.
"""

import threading
from functools import cache, partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from collector.contract import Context, registry
from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.reading import decode, encode, kind_of
from collector.run.derivation import SNAPSHOT_EVERY_MS, Deriving
from collector.run.health import DerivationHealth, LedgerHealth
from collector.run.ledger import Keeping
from collector.scalars import Role
from tests.fakes.time_machine import FakeClock

NOWHERE = Path("/nowhere")
ROME = ZoneInfo("Europe/Rome")


@cache  # looked up on the disk, it is a fifth of a house's time
def class_of(kind):
    return registry.find("derivations", kind)


def made_of(name, options, roles):
    """Return a derivation with *options*, as the wiring makes one."""
    cls = class_of(options["type"])
    faults = Faults()
    node: Any = yaml.compose(yaml.safe_dump(options))
    read = read_options(cls.Options, node, Place("c.yaml", ""), faults)
    assert faults.found == []
    given = {device: Role(role) for device, role in roles.items()}
    return cls(name, read, Context("home", Lines(), NOWHERE, NOWHERE, ROME, roles=given))


class Chain:
    """A journal with derivations and a ledger, that can be killed and goes on."""

    def __init__(self, folder, derivations, roles, begin_ms):
        self.folder, self.derivations, self.roles = folder, derivations, roles
        self.file = folder / "ledger" / "ledger.sqlite"
        self.clock = FakeClock(wall_ms=begin_ms)
        self.kills = 0
        self.start()

    def start(self):
        self.journal = Journal(self.folder / "journal", "boot", [], list(self.derivations))
        self.journal.open()
        lock = threading.Lock()
        self.deriving = []
        for name, options in self.derivations.items():
            if self.journal.snapshots[name].is_new:
                self.journal.snapshots[name].begin(1, 0)
            make = partial(made_of, name, options, self.roles)
            health = DerivationHealth()
            self.deriving.append(
                Deriving(name, make, self.journal, self.clock, health, lock),
            )
        self.keeping = Keeping(self.file, self.journal, self.clock, LedgerHealth(), lock)

    def take(self, readings):
        """Let sources append their readings, in the order in which they came."""
        lines = [encode(each) for each in readings]
        if lines:
            self.journal.append(lines)
            newest_ms = max(each.at_ms for each in readings)
            self.clock.pass_ms(max(newest_ms - self.clock.wall_ms(), SNAPSHOT_EVERY_MS + 1))

    def work(self, chance=None):
        """Let everybody work until nothing is left; with *chance* some do less, or nothing."""
        self.journal.sync()
        for each in self.deriving:
            for _ in range(chance.randrange(4) if chance else 1 << 20):
                if each.derive_once():
                    break
            assert each.health.state == "deriving" or chance, each.health.last_error
        for _ in range(chance.randrange(3) if chance else 1 << 20):
            if self.keeping.keep_once():
                break
        assert self.keeping.health.state in {"keeping", ""} or chance

    def kill(self):
        """End as a kill does, whatever each has done by then, and start anew."""
        self.keeping.close()
        self.journal.close()
        self.kills += 1
        self.start()

    def end(self):
        for _ in self.deriving:  # one may hear another
            self.work()
        stop = threading.Event()
        stop.set()
        self.keeping.run(stop)
        for each in self.deriving:
            each.end()
        self.journal.close()

    def made(self, kinds):
        """Return the newest reading of each kind, device and time, as an output has them."""
        found: dict[str, dict[tuple[str, int], Any]] = {kind: {} for kind in kinds}
        for _, line in read_all(self.folder / "journal" / "log"):
            kind = kind_of(line)
            if kind in found:
                reading = decode(line)
                found[kind][reading.device, reading.at_ms] = reading.values
        return found
