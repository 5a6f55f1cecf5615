"""Where an output begins that has no cursor yet: at the newest reading, or at a time."""

import os
from collections.abc import Mapping
from pathlib import Path

from collector.files import sync_folder
from collector.journal.cursor import Cursor, cursor_file
from collector.journal.journal import Journal
from collector.journal.places import need_folder
from collector.journal.reader import Reader
from collector.journal.segments import Log
from collector.reading import time_ms

READ_AT_ONCE = 1000


def marker_in(folder: Path) -> Path:
    """Return the file that says that outputs get their cursor when they are first seen.

    Before there was such a file, an output got its cursor with its first delivery.
    """
    return folder / "cursors" / ".placed"


def is_new(folder: Path, output: str) -> bool:
    """Return whether *output* will be placed at the next start. Raise OSError."""
    file = cursor_file(folder, output)
    return not (file.exists() and file.stat().st_size)  # a full disk leaves an empty one


def begins_at_oldest(folder: Path) -> bool:
    """Return whether outputs without a cursor may just not have delivered yet. Raise OSError."""
    return not marker_in(folder).exists()


def place_new(journal: Journal, since_ms: Mapping[str, int | None]) -> list[str]:
    """Give each output without a cursor its first one; return the names of these outputs.

    *since_ms* has for each output the time from which on it gets readings, None for the newest.
    The cursors are forced onto the disk: a power cut must not make an output new again.
    """
    oldest, new = False, list[str]()
    with journal.disk.using("cursors"):
        oldest = begins_at_oldest(journal.folder)
        new = [name for name in since_ms if is_new(journal.folder, name)]
    for name in new:
        at_ms = 0 if oldest and since_ms[name] is None else since_ms[name]
        number = journal.log.next_number if at_ms is None else first_since(journal.log, at_ms)
        journal.cursors.put(name, Cursor(number))
    if new or oldest:
        with journal.disk.using("cursors"):
            need_folder(marker_in(journal.folder).parent)
            marker_in(journal.folder).touch()
            for name in new:
                force(cursor_file(journal.folder, name))
            sync_folder(marker_in(journal.folder).parent)
            sync_folder(journal.folder)
    return new


def first_since(log: Log, at_ms: int) -> int:
    """Return the number of the first record of time *at_ms* or later, the next one for none."""
    reader = Reader(log, log.number_at(at_ms) if at_ms else log.first_number)
    while records := reader.take(READ_AT_ONCE):
        for number, line in records:
            if time_ms(line) >= at_ms:
                return number
    return log.next_number


def force(file: Path) -> None:
    """Force a cursor onto the disk, if a full disk has let it be written."""
    if file.exists():
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
