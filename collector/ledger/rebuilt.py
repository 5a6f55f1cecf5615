"""A ledger that is made again beside the one in use, and then takes its place, whole.

Whoever makes it names it ready at the end. Only the ledger's keeper takes it, or the command where
no keeper runs, so a ledger never changes under one who writes it. What the new one does not reach
back to is taken over from the old one.
"""

import logging
import shutil
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from collector import files
from collector.ledger import database
from collector.ledger.book import Book
from collector.ledger.database import Database, Kind, LedgerDamaged, Series
from collector.ledger.days import PER_DAY, QUARTER_MS, Row

log = logging.getLogger(__name__)

TAKEN_AT_ONCE = 100_000  # readings: bounds the memory
LEFT = ("-journal", "-wal", "-shm")
ALL = 1 << 40


def being_made(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")


def ready(file: Path) -> Path:
    return file.with_name(f"{file.name}.ready")


def is_ready(file: Path) -> bool:
    return ready(file).exists()


def take(file: Path) -> None:
    """Let the ledger that is ready take the place of *file*, which nobody has open."""
    for left in LEFT:  # what belongs to the old one must not be applied to the new one
        file.with_name(f"{file.name}{left}").unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # another has taken it
        ready(file).replace(file)
    files.sync_folder(file.parent)


def begin(file: Path) -> Database:
    """Return a new ledger beside *file*; one that was left half made is removed."""
    for left in ("", *LEFT):
        being_made(file).with_name(f"{being_made(file).name}{left}").unlink(missing_ok=True)
    return database.create(being_made(file))


def fill(made: Database, records: Iterable[tuple[int, bytes]], book: Book) -> int:
    """Book numbered readings; return how many. Afterwards the keeper goes on behind the last."""
    count, number = 0, 0
    for number, line in records:
        book.take(line)
        count += 1
        if count % TAKEN_AT_ONCE == 0:
            write(made, book, number)
    write(made, book, number)
    return count


def write(made: Database, book: Book, number: int) -> None:
    with made.transaction():
        book.write(made)
        made.keep("book", book.state())
        made.keep("number", number + 1 if number else 0)
    book.written()


def take_over_from(file: Path, made: Database, book: Book, since_ms: int) -> None:
    """Take over from the ledger *file*; where it is damaged, keep a copy of it instead."""
    try:
        with closing(database.open_to_read(file)) as old:
            take_over(made, old, book, since_ms)
    except LedgerDamaged as error:
        copied = file.with_name(f"{file.name}.damaged")
        shutil.copyfile(file, copied)
        log.warning(
            "ledger: %s; nothing older could be taken over, and %s is a copy", error, copied.name
        )


def take_over(made: Database, old: Database, book: Book, since_ms: int) -> None:
    """Take over from *old* what is before the beginning of each series in *book*.

    Before *since_ms* everything is taken over.
    """
    since = -(-since_ms // QUARTER_MS)
    with made.transaction():
        for known in old.known.values():
            series = made.series(known.device, known.quantity, known.kind)
            if known.kind == "interval":
                copy(made, series, old, known, ALL, known.kind)
                continue
            began_ms = book.began_ms.get((known.device, known.quantity))
            # The quarter in which a series begins may have begun before it.
            edge = max(since, ALL if began_ms is None else began_ms // QUARTER_MS + 1)
            copy(made, series, old, known, edge, known.kind)
        for event in old.events(most=ALL):
            if not made.has_event(event):
                made.put_event(event)
        made.keep("book", states_of(made, old))


def copy(
    made: Database, series: Series, old: Database, known: Series, edge: int, kind: Kind
) -> None:
    """Copy what is before the quarter *edge*; an interval that is known anew stays."""
    days: dict[int, dict[int, Row]] = {}
    for quarter, row in old.quarters(known, 0, edge):
        days.setdefault(quarter // PER_DAY, {})[quarter % PER_DAY] = row
    for day, rows in days.items():
        new = made.day(series, day)
        made.put_day(series, day, rows | new if kind == "interval" else new | rows)
    for gap in old.gaps(known, 0, edge * QUARTER_MS):
        if gap.from_ms < edge * QUARTER_MS:
            made.put_gap(series, gap)


def states_of(made: Database, old: Database) -> dict[str, list[list[object]]]:
    """Return what to go on from: of a device that was silent all the time, as it was before."""
    states: dict[str, list[list[object]]] = made.kept("book")
    for part, each in (old.kept("book") or {}).items():
        known = {tuple(row[:2]) for row in states[part]}
        states[part] = [*states[part], *(row for row in each if tuple(row[:2]) not in known)]
    return states


def end(file: Path, made: Database) -> None:
    """Name the new ledger ready, once it is on the disk for good."""
    made.close()
    being_made(file).replace(ready(file))
    files.sync_folder(file.parent)


def remake(
    file: Path,
    records: Iterable[tuple[int, bytes]],
    since_ms: int = 0,
    *,
    is_numbered: bool = True,
) -> int:
    """Make the ledger *file* again out of readings; return how many there were.

    What has no number in this journal is not *is_numbered*: the keeper then reads all of the
    journal once more, and times tell what is known already. Raise LedgerDamaged, OSError.
    """
    with closing(begin(file)) as made:
        book = Book()
        count = fill(made, records, book)
        if not is_numbered:
            with made.transaction():
                made.keep("number", 0)
        if file.exists():
            take_over_from(file, made, book, since_ms)
        end(file, made)
    return count
