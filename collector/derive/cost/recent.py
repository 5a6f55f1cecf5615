"""The last days of the ledger as a derivation remembers them, with the ledger behind.

The ledger is written some time after the journal and is ahead in a replay. So what was heard counts
for its own time, and the ledger for the time before. After two days the ledger has it for good.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from collector.contract.counters import DECISION, ENERGY
from collector.derive.cost.flows import EXPORTS, IMPORTS, PRICE
from collector.ledger.book import FROM_POWER, Book, Key, micro
from collector.ledger.database import Database, Gap, Kind, Series, open_to_read
from collector.ledger.days import PER_DAY, QUARTER_MS, Amount, Row
from collector.reading import Reading

KEPT_DAYS = 2
REGISTERS = ("", "_t1", "_t2", "_t3", "_t4")
COUNTERS = frozenset(
    f"{name}{register}"
    for name, kind in (*IMPORTS, *EXPORTS)
    for register in REGISTERS
    if kind == "counter"
)
IMPORTED = frozenset(name for name, kind in IMPORTS if kind == "counter")
Rows = dict[int, Amount]


class Recent:
    """What was heard of meters and prices. *since* has for each counter the quarter it began in."""

    def __init__(self, ledger: Path | None) -> None:
        self.ledger = ledger
        self.book = Book()
        self.rows: dict[Key, Rows] = {}
        self.gaps: dict[Key, dict[int, Gap]] = {}
        self.since: dict[Key, int] = {}
        self.decided: set[tuple[int, str, str]] = set()

    def take(self, reading: Reading) -> int | None:
        """Take a reading; return the first quarter that it changed, if it changed any."""
        book, changed = self.book, None
        if reading.kind == ENERGY:
            wanted = {*COUNTERS, FROM_POWER} & reading.values.keys()
            values = {name: reading.values[name] for name in wanted}
            book.take_energy(Reading(ENERGY, reading.device, reading.at_ms, values))
            changed = self.add()
        elif reading.kind == PRICE:
            book.take_prices(reading)
            changed = self.put()
        elif reading.kind == DECISION:
            changed = self.correct(reading)
        book.written()
        return changed

    def add(self) -> int | None:
        """Add what energies came to."""
        changed: list[int] = []
        for (device, quantity), at_ms in self.book.began_ms.items():
            self.since[device, quantity, "counter"] = at_ms // QUARTER_MS
        self.book.began_ms.clear()
        for key, amounts in self.book.added.items():
            rows = self.rows.setdefault(key, {})
            changed += amounts
            for quarter, amount in amounts.items():
                known = rows.setdefault(quarter, Amount())
                known.micro += amount.micro
                known.measured_ms += amount.measured_ms
        for key, gaps in self.book.gaps.items():
            self.gaps.setdefault(key, {}).update({gap.from_ms: gap for gap in gaps})
            changed += [gap.from_ms // QUARTER_MS for gap in gaps]
        return min(changed, default=None)

    def put(self) -> int | None:
        """Put prices in their quarters."""
        changed: list[int] = []
        for key, found in self.book.put.items():
            rows = self.rows.setdefault(key, {})
            for quarter, row in found.items():
                assert isinstance(row, Amount)
                if rows.get(quarter) != row:
                    changed.append(quarter)
                rows[quarter] = row
        return min(changed, default=None)

    def correct(self, reading: Reading) -> int | None:
        """Take a decision that corrects another, as the ledger does; older ones stand there."""
        self.book.take_decision(reading)
        (event,) = self.book.events
        key: Key = (event.device, event.quantity, "counter")
        if "event_correction" not in event.more or event.quantity not in COUNTERS:
            return None
        if (event.at_ms, *key[:2]) in self.decided:
            return None
        self.decided.add((event.at_ms, *key[:2]))
        begin, end = (round(event.more[f"event_{name}"] * 1000) for name in ("begin", "end"))
        gaps = self.gaps.setdefault(key, {})
        if begin in gaps or begin // QUARTER_MS >= self.since.get(key, 1 << 40):
            old = gaps.get(begin, Gap(begin, end, 0))
            added = micro(event.more["event_correction"])
            gaps[begin] = Gap(begin, max(end, old.to_ms), old.micro + added)
        return int(begin // QUARTER_MS)

    def forget(self, now: int) -> None:
        """Forget what the ledger has had for days when it is the quarter *now*."""
        begin = (now // PER_DAY - KEPT_DAYS) * PER_DAY
        begin_ms = begin * QUARTER_MS
        for key, rows in self.rows.items():
            for quarter in [each for each in rows if each < begin]:
                del rows[quarter]
            if key in self.since:
                self.since[key] = max(self.since[key], begin)
        for gaps in self.gaps.values():
            for from_ms in [each for each, gap in gaps.items() if gap.to_ms <= begin_ms]:
                del gaps[from_ms]
        self.decided = {key for key in self.decided if key[0] >= begin_ms}

    @contextmanager
    def opened(self) -> "Iterator[View]":
        """Yield all that is known, with the ledger behind. Raise LedgerDamaged, OSError."""
        database = None
        with suppress(FileNotFoundError):  # a house that has just begun
            database = open_to_read(self.ledger) if self.ledger else None
        try:
            yield View(self, database)
        finally:
            if database:
                database.close()

    def state(self) -> Any:
        """Return rows as runs of quarters, which JSON holds in little room."""
        rows = [[*key, list(runs(found))] for key, found in self.rows.items()]
        gaps = [
            [*key, [[gap.from_ms, gap.to_ms, gap.micro] for gap in found.values()]]
            for key, found in self.gaps.items()
        ]
        since = [[*key, quarter] for key, quarter in self.since.items()]
        return [self.book.state()["counters"], rows, gaps, since, sorted(self.decided)]

    def restore(self, state: Any) -> None:
        """Take up a state. Raise ValueError, TypeError where it is none."""
        counters, rows, gaps, since, decided = state
        self.book = Book({"counters": counters, "gauges": []})
        self.rows = {key_of(each): dict(restored(each[3])) for each in rows}
        self.gaps = {key_of(each): {gap[0]: Gap(*gap) for gap in each[3]} for each in gaps}
        self.since = {key_of(each): int(each[3]) for each in since}
        self.decided = {(at_ms, device, name) for at_ms, device, name in decided}


class View:
    """All that is known at one time: what is remembered, and an open ledger."""

    def __init__(self, recent: Recent, database: Database | None) -> None:
        self.recent, self.database = recent, database
        of_ledger = database.known if database else {}
        keys = chain(of_ledger, recent.since, recent.rows)
        self.known = {key: of_ledger.get(key) or Series(0, *key) for key in keys}

    def quarters(self, series: Series, begin: int, end: int) -> Iterator[tuple[int, Row]]:
        """Yield the known quarters from *begin* to before *end*, in order."""
        key = key_of([series.device, series.quantity, series.kind])
        heard = self.recent.rows.get(key, {})
        since = self.recent.since.get(key, end)
        rows = dict(self.in_ledger(key, begin, end if key[2] == PRICE else min(end, since + 1)))
        for quarter, row in heard.items():
            old = rows.get(quarter)
            is_first = quarter == since and old and old.measured_ms > row.measured_ms
            if begin <= quarter < end and not (is_first and self.began_before(key, since)):
                rows[quarter] = row
        return iter(sorted(rows.items()))

    def began_before(self, key: Key, since: int) -> bool:
        """Tell whether the ledger heard a counter on the day before: so more of that quarter.

        Otherwise it heard no more than we did, but perhaps sooner.
        """
        return any(self.in_ledger(key, since - PER_DAY, since))

    def in_ledger(self, key: Key, begin: int, end: int) -> Iterator[tuple[int, Row]]:
        if self.database and key in self.database.known and begin < end:
            yield from self.database.quarters(self.database.known[key], begin, end)

    def gaps(self, series: Series, begin_ms: int, end_ms: int) -> list[Gap]:
        """Return the gaps that reach into a time, each once."""
        key = key_of([series.device, series.quantity, series.kind])
        since = self.recent.since.get(key)
        found = {}
        if self.database and key in self.database.known:
            for gap in self.database.gaps(self.database.known[key], begin_ms, end_ms):
                if since is None or gap.from_ms < (since + 1) * QUARTER_MS:
                    found[gap.from_ms] = gap
        for gap in self.recent.gaps.get(key, {}).values():
            if gap.from_ms < end_ms and gap.to_ms > begin_ms:
                found[gap.from_ms] = gap
        return [found[from_ms] for from_ms in sorted(found)]


def key_of(names: Any) -> Key:
    device, quantity, kind = names[:3]
    found: Kind = kind
    return device, quantity, found


def runs(rows: Rows) -> Iterator[list[int]]:
    """Yield for each run its first quarter, then each amount and how much was not measured."""
    run: list[int] = []
    for quarter in sorted(rows):
        row = rows[quarter]
        if not run or quarter != run[0] + (len(run) - 1) // 2:
            if run:
                yield run
            run = [quarter]
        run += [row.micro, QUARTER_MS - row.measured_ms]
    if run:
        yield run


def restored(found: list[list[int]]) -> Iterator[tuple[int, Amount]]:
    for first, *values in found:
        pairs = zip(values[::2], values[1::2], strict=True)
        for number, (used, missing_ms) in enumerate(pairs):
            yield first + number, Amount(used, QUARTER_MS - missing_ms)
