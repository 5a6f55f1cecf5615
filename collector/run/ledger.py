"""From the journal into the ledger: a thread of its own, which no reading ever waits for.

It writes after each quarter of an hour and each decision about a counter, in one transaction with
its place in the journal: a kill or a power cut costs nothing but reading the last quarter again. A
ledger that is damaged is set aside and made anew from the readings that the journal still keeps.
One that was made again beside it takes its place as soon as it is ready.
"""

import logging
import threading
from contextlib import suppress
from pathlib import Path

from collector.clock import Clock
from collector.journal.journal import Journal
from collector.journal.reader import Reader
from collector.ledger import database, rebuilt
from collector.ledger.book import Book
from collector.ledger.database import Database, LedgerDamaged
from collector.ledger.days import QUARTER_MS
from collector.run.health import LedgerHealth

log = logging.getLogger(__name__)

TAKEN_AT_ONCE = 1000
LOOK_EVERY_S = 5.0
AFTER_MS = 30_000  # the sources and derivations have told the end of the quarter by then
MOST_UNWRITTEN = 100_000  # readings of a long backlog: bounds the memory
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0


class Keeping:
    """Keeps the ledger *file* until *stop* is set, and writes it a last time then."""

    def __init__(
        self, file: Path, journal: Journal, clock: Clock, health: LedgerHealth, lock: threading.Lock
    ) -> None:
        self.file = file
        self.journal = journal
        self.clock = clock
        self.health = health
        self.lock = lock
        self.database: Database | None = None
        self.failures = 0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self.keep_once())
        self.keep_once()
        with suppress(OSError, LedgerDamaged):
            if self.database is not None and not self.failures:
                self.write()
        self.close()

    def keep_once(self) -> float:
        """Take some readings and write where it is time; return how many seconds to wait then."""
        try:
            if rebuilt.is_ready(self.file):
                self.close()
                rebuilt.take(self.file)
                log.info("ledger: the one that was made again is now in use")
            if self.database is None:
                self.open()
            more = self.take()
        except LedgerDamaged as error:
            self.set_aside(error)
            return self.failed("damaged, made anew", error)
        except OSError as error:
            self.close()
            return self.failed("waiting", error)
        if self.failures:
            log.info("ledger: written again after %d tries", self.failures)
        self.failures = 0
        self.now_is("keeping", "")
        return 0 if more else LOOK_EVERY_S

    def open(self) -> None:
        """Open the ledger and go on where it was written last. Raise LedgerDamaged, OSError."""
        self.database = database.create(self.file)
        try:
            self.book = Book(self.database.kept("book"))
            number = int(self.database.kept("number") or 0)
        except (ValueError, TypeError) as error:
            raise LedgerDamaged(f"what it goes on from is damaged: {error}") from error
        if number > self.journal.log.next_number:
            number = 0  # another journal: times tell what is known already
        self.reader = Reader(self.journal.log, number)
        self.written_number = number
        self.written_quarter = 0

    def take(self) -> bool:
        """Take the next readings; return whether there may be more."""
        records = self.reader.take(TAKEN_AT_ONCE)
        for _, line in records:
            self.book.take(line)
        quarter = (self.book.newest_ms - AFTER_MS) // QUARTER_MS
        unwritten = self.reader.number - self.written_number
        is_behind = len(records) == TAKEN_AT_ONCE  # each writing waits for the disk
        is_due = not is_behind and (quarter > self.written_quarter or self.book.events)
        if records and (is_due or unwritten > MOST_UNWRITTEN):
            self.write()
            self.written_quarter = quarter
        with self.lock:
            self.health.number = self.reader.number
        return is_behind

    def write(self) -> None:
        """Write what came since the last time. Raise LedgerDamaged, OSError."""
        assert self.database is not None
        with self.database.transaction():
            self.book.write(self.database)
            self.database.keep("book", self.book.state())
            self.database.keep("number", self.reader.number)
        self.book.written()
        self.written_number = self.reader.number
        with self.lock:
            self.health.written_ms = self.clock.wall_ms()
            self.health.size = self.file.stat().st_size

    def close(self) -> None:
        """Close the file; what is not written is read from the journal again."""
        if self.database is not None:
            self.database.close()
            self.database = None

    def set_aside(self, error: LedgerDamaged) -> None:
        """Make room for a new ledger; the damaged one stays beside it."""
        self.close()
        aside = self.file.with_name(f"{self.file.name}.damaged")
        with suppress(OSError):
            self.file.replace(aside)
        for left in ("-journal", "-wal", "-shm"):
            self.file.with_name(f"{self.file.name}{left}").unlink(missing_ok=True)
        log.error(
            "ledger: %s; it is now %s, and a new one is made from the journal. Older energies come "
            "back with 'energy-monitor ledger rebuild --from influxdb' or from a backup",
            error,
            aside.name,
        )

    def failed(self, state: str, error: Exception) -> float:
        self.failures += 1
        if self.now_is(state, str(error)) and not isinstance(error, LedgerDamaged):
            log.warning("ledger: not written now, tried again later: %s", error)
        return min(FIRST_PAUSE_S * 2.0 ** min(self.failures - 1, 10), LONGEST_PAUSE_S)

    def now_is(self, state: str, error: str) -> bool:
        """Note *state*; return whether it is a new one."""
        with self.lock:
            was, self.health.state, self.health.last_error = self.health.state, state, error
        return was != state
