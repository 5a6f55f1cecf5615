"""The way from readings to the ledger without a journal: its lines, in memory, for long runs.

A kill takes what a kill takes: derivations go on from their last snapshots, in JSON, and must make
again what they made; the ledger goes on from what its file says.
"""

import json
from collections import deque
from contextlib import suppress
from typing import Any

from collector.contract import Ticking
from collector.ledger import rebuilt
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.reading import decode, encode
from tests.truth.chain import made_of

BEGUN = ""


class Lines:
    """Encoded readings with derivations and a ledger, that can be killed and goes on.

    *wanted* has the quantities of each kind that are kept to be looked at.
    """

    def __init__(self, folder, derivations, roles, wanted):
        self.derivations, self.roles, self.wanted = derivations, roles, wanted
        self.file = folder / "ledger" / "ledger.sqlite"
        self.lines, self.readings, self.first = [], [], 1
        self.snapshots = dict.fromkeys(derivations, (1, BEGUN))
        self.since: dict[str, deque[bytes]] = {
            name: deque() for name in derivations
        }  # made since the snapshot
        self.found: dict[str, dict[tuple[str, int], Any]] = {kind: {} for kind in wanted}
        self.kills = 0
        self.start()

    def start(self):
        self.its: dict[str, Any] = {}
        self.places: dict[str, int] = {}
        for name, options in self.derivations.items():
            self.its[name] = made_of(name, options, self.roles)
            self.places[name], state = self.snapshots[name]
            if state:
                self.its[name].restore(json.loads(state))
        self.again = {name: deque(lines) for name, lines in self.since.items()}
        self.database = create(self.file)
        self.book = Book(self.database.kept("book"))
        self.number = int(self.database.kept("number") or 1)

    def take(self, readings):
        for each in readings:
            self.append(encode(each))

    def append(self, line):
        reading = decode(line)
        self.lines.append(line)
        self.readings.append(reading)
        if (names := self.wanted.get(reading.kind)) is not None:
            values = {
                name: reading.values[name]
                for name in names or reading.values
                if name in reading.values
            }
            self.found[reading.kind][reading.device, reading.at_ms] = values

    def work(self, chance=None):
        """Let everybody work until nothing is left; with *chance* some do less, or nothing."""
        for name in self.derivations:
            end = self.first + len(self.lines)
            if chance:
                end = chance.randrange(self.places[name], end + 1)
            self.derive(name, end)
            if not chance or not chance.randrange(3):
                state = json.dumps(self.its[name].state(), allow_nan=False)
                self.snapshots[name] = self.places[name], state
                self.since[name] = deque(self.again[name])
        end = self.first + len(self.lines)
        end = chance.randrange(self.number, end + 1) if chance else end
        for line in self.lines[self.number - self.first : end - self.first]:
            self.book.take(line)
        self.number = end
        if not chance or chance.randrange(2):
            # As the keeper does: it goes on behind the last one.
            rebuilt.write(self.database, self.book, end - 1)
        self.forget()

    def derive(self, name, end):
        it, first = self.its[name], self.first
        tick = it.tick if isinstance(it, Ticking) else None
        batch = []
        for reading in self.readings[self.places[name] - first : end - first]:
            if reading.kind in it.hears:
                batch.append(reading)
            if reading.kind == "collector" and tick:
                self.store(name, it.derive(batch))
                self.store(name, tick(reading.at_ms))
                batch = []
        self.store(name, it.derive(batch))
        self.places[name] = end

    def store(self, name, made):
        """Append what was made; what was made before must be made again."""
        for line in map(encode, made):
            if self.again[name]:
                assert line == self.again[name].popleft()
            else:
                self.append(line)
                self.since[name].append(line)

    def forget(self):
        """Forget what everybody has taken for good."""
        written = int(self.database.kept("number") or 1)
        until = min([written, *(number for number, _ in self.snapshots.values())])
        if until - self.first > 20_000:
            del self.lines[: until - self.first], self.readings[: until - self.first]
            self.first = until

    def kill(self):
        self.database.close()
        self.kills += 1
        self.start()

    def end(self):
        for _ in self.derivations:  # one may hear another
            self.work()
        with suppress(OSError):
            self.database.close()

    def made(self, kinds):
        return {kind: self.found[kind] for kind in kinds}
