"""The ledger's file: SQLite, written in whole transactions, a few times an hour.

Whoever writes it keeps his place in the journal in the same transaction, so nothing is counted
twice or left out after a kill or a power cut.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from collector import files
from collector.errors import EnergyMonitorError
from collector.ledger.days import AMOUNTS, GAUGES, PER_DAY, Damaged, Day, Layout, Row, pack, unpack

VERSION = 1
WAIT_S = 5.0  # for another process that reads or writes
Kind = Literal["counter", "interval", "gauge", "price"]
SCHEMA = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, device TEXT NOT NULL, quantity TEXT NOT NULL, kind TEXT NOT NULL,
    UNIQUE (device, quantity, kind)
);
CREATE TABLE days (
    series INTEGER NOT NULL REFERENCES series, day INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (series, day)
) WITHOUT ROWID;
CREATE TABLE gaps (
    series INTEGER NOT NULL REFERENCES series, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    micro INTEGER NOT NULL, PRIMARY KEY (series, from_ms)
) WITHOUT ROWID;
CREATE TABLE events (
    at_ms INTEGER NOT NULL, device TEXT NOT NULL, quantity TEXT NOT NULL, what TEXT NOT NULL,
    more TEXT NOT NULL, PRIMARY KEY (at_ms, device, quantity, what)
) WITHOUT ROWID;
CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class LedgerDamaged(EnergyMonitorError):
    """The ledger's file is damaged, or of a version that this program does not know."""


@dataclass(frozen=True)
class Series:
    """One device's counter, gauge, counts that come by the interval, or prices, never summed."""

    id: int
    device: str
    quantity: str
    kind: Kind

    @property
    def layout(self) -> Layout:
        return GAUGES if self.kind == "gauge" else AMOUNTS


@dataclass(frozen=True)
class Gap:
    """What was used while nothing was measured, of which no quarter can have its share."""

    from_ms: int
    to_ms: int
    micro: int


@dataclass(frozen=True)
class Event:
    """A decision about a counter: a reset seen, a meter replaced, a value set aside."""

    at_ms: int
    device: str
    quantity: str
    what: str
    more: Mapping[str, Any]


class Database:
    """An open ledger. Raise LedgerDamaged where it is none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        with faults():
            self.known = {
                (device, quantity, kind): Series(number, device, quantity, kind)
                for number, device, quantity, kind in connection.execute(
                    "SELECT id, device, quantity, kind FROM series"
                )
            }

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all that the block does, or nothing. Raise OSError for a full or failing disk."""
        with faults():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                self.known = {key: each for key, each in self.known.items() if self.has(each)}
                raise

    def has(self, series: Series) -> bool:
        found = self.connection.execute("SELECT 1 FROM series WHERE id = ?", [series.id])
        return found.fetchone() is not None

    def series(self, device: str, quantity: str, kind: Kind) -> Series:
        """Return a series, a new one where there is none; within a transaction."""
        key = device, quantity, kind
        if key not in self.known:
            done = self.connection.execute(
                "INSERT INTO series (device, quantity, kind) VALUES (?, ?, ?)", key
            )
            assert done.lastrowid is not None
            self.known[key] = Series(done.lastrowid, *key)
        return self.known[key]

    def day(self, series: Series, day: int) -> Day:
        """Return what is known of a day. Raise LedgerDamaged."""
        found = self.connection.execute(
            "SELECT data FROM days WHERE series = ? AND day = ?", [series.id, day]
        ).fetchone()
        return opened(series, found[0]) if found else {}

    def put_day(self, series: Series, day: int, data: Mapping[int, Row]) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO days VALUES (?, ?, ?)",
            [series.id, day, pack(series.layout, data)],
        )

    def quarters(self, series: Series, begin: int, end: int) -> Iterator[tuple[int, Row]]:
        """Yield the known quarters from *begin* to before *end*, in order."""
        with faults():
            days = self.connection.execute(
                "SELECT day, data FROM days WHERE series = ? AND day BETWEEN ? AND ? ORDER BY day",
                [series.id, begin // PER_DAY, (end - 1) // PER_DAY],
            )
            for day, data in days:
                for slot, row in opened(series, data).items():
                    if begin <= day * PER_DAY + slot < end:
                        yield day * PER_DAY + slot, row

    def put_gap(self, series: Series, gap: Gap) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)",
            [series.id, gap.from_ms, gap.to_ms, gap.micro],
        )

    def gaps(self, series: Series, begin_ms: int, end_ms: int) -> list[Gap]:
        """Return the gaps that reach into the time from *begin_ms* to before *end_ms*."""
        with faults():
            found = self.connection.execute(
                "SELECT from_ms, to_ms, micro FROM gaps "
                "WHERE series = ? AND from_ms < ? AND to_ms > ? ORDER BY from_ms",
                [series.id, end_ms, begin_ms],
            )
            return [Gap(*each) for each in found]

    def add_to_gap(self, series: Series, gap: Gap) -> None:
        """Add what *gap* has to the gap that begins with it; a new one where there is none."""
        self.connection.execute(
            "INSERT INTO gaps VALUES (?, ?, ?, ?) ON CONFLICT (series, from_ms) DO UPDATE "
            "SET micro = micro + excluded.micro, to_ms = max(to_ms, excluded.to_ms)",
            [series.id, gap.from_ms, gap.to_ms, gap.micro],
        )

    def has_event(self, event: Event) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM events WHERE at_ms = ? AND device = ? AND quantity = ? AND what = ?",
            [event.at_ms, event.device, event.quantity, event.what],
        )
        return found.fetchone() is not None

    def put_event(self, event: Event) -> None:
        more = json.dumps(dict(event.more), sort_keys=True)
        self.connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
            [event.at_ms, event.device, event.quantity, event.what, more],
        )

    def events(self, begin_ms: int = 0, end_ms: int = 1 << 60, most: int = 1_000) -> list[Event]:
        """Return the newest *most* events of a time, newest first."""
        with faults():
            found = self.connection.execute(
                "SELECT at_ms, device, quantity, what, more FROM events "
                "WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?",
                [begin_ms, end_ms, most],
            )
            return [
                Event(at_ms, device, quantity, what, json.loads(more))
                for at_ms, device, quantity, what, more in found
            ]

    def kept(self, name: str) -> Any:
        """Return what was kept under *name*; None where nothing was."""
        with faults():
            found = self.connection.execute("SELECT value FROM kept WHERE name = ?", [name])
            row = found.fetchone()
            return json.loads(row[0]) if row else None

    def keep(self, name: str, value: Any) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO kept VALUES (?, ?)", [name, json.dumps(value)]
        )


def opened(series: Series, data: Any) -> Day:
    try:
        return unpack(series.layout, bytes(data))
    except (Damaged, TypeError) as error:
        raise LedgerDamaged(f"a day of {series.device} {series.quantity}: {error}") from error


@contextmanager
def faults() -> Iterator[None]:
    """Turn SQLite's errors into ours: LedgerDamaged, or OSError where the disk is at fault."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(f"the ledger: {error}") from error
    except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
        raise LedgerDamaged(f"the ledger is damaged: {error}") from error


def create(file: Path) -> Database:
    """Open the ledger *file* to write, a new one where there is none.

    Raise LedgerDamaged, OSError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    is_new = not file.exists()
    with faults():
        connection = sqlite3.connect(file, timeout=WAIT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -512")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and not tables(connection):
                connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")
                version = VERSION
            check(connection, version)
            if is_new:
                files.sync_folder(file.parent)
            return Database(connection)
        except BaseException:
            connection.close()
            raise


def open_to_read(file: Path, wait_s: float = WAIT_S) -> Database:
    """Open the ledger *file* without writing to it; wait so long for whoever writes.

    Raise LedgerDamaged, OSError.
    """
    if not file.is_file():
        raise FileNotFoundError(2, "there is no ledger yet", str(file))
    with faults():
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=wait_s, isolation_level=None
        )
        try:
            check(connection, connection.execute("PRAGMA user_version").fetchone()[0], whole=False)
            return Database(connection)
        except BaseException:
            connection.close()
            raise


def check(connection: sqlite3.Connection, version: int, *, whole: bool = True) -> None:
    """Raise LedgerDamaged where the file is damaged or not one of ours."""
    if version != VERSION:
        raise LedgerDamaged(f"its version is {version}; this program knows {VERSION}")
    if whole:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise LedgerDamaged(f"the ledger is damaged: {said}")


def tables(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(found[0])


def copy(file: Path, to: Path) -> None:
    """Copy the ledger as it is at one instant, while it is in use. Raise LedgerDamaged, OSError."""
    one = open_to_read(file).connection
    with faults(), closing(one), closing(sqlite3.connect(to)) as other:
        one.backup(other)
    descriptor = os.open(to, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
