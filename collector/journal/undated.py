"""Readings of a boot whose clock is not right yet: kept in monotonic time until they can be dated.

undated/BOOT/    a log like any other; that of an earlier boot can never be dated
"""

from contextlib import suppress
from pathlib import Path

from collector.journal.losses import Losses
from collector.journal.places import need_folder
from collector.journal.reader import read_all
from collector.journal.segments import Log
from collector.reading import time_ms


def log_of(folder: Path, boot: str, losses: Losses) -> Log:
    """Return the log of this boot's undated readings, not yet opened."""

    def lost(cause: str, first: int, last: int) -> None:
        losses.count(cause, last - first + 1)

    return Log(folder / "undated" / boot, lost)


def drop_before(undated: Log, number: int) -> None:
    """Give back the room of segments all of whose readings are before *number*."""
    while len(undated.segments) > 1 and undated.segments[1].first <= number:
        if not undated.drop_oldest():  # it is held in memory
            return


def forget_others(folder: Path, boot: str, losses: Losses) -> None:
    """Drop the readings of earlier boots whose clock never became right, and count them."""
    parent = folder / "undated"
    need_folder(parent)
    for each in sorted(parent.iterdir()):
        if each.name != boot and each.is_dir():
            count = sum(1 for _ in read_all(each))
            remove(each)
            if count:
                losses.count("clock never right", count)


def date(line: bytes, offset_ms: int) -> bytes:
    """Turn an encoded reading's monotonic time into UTC."""
    return b"%s %d" % (line[: line.rindex(b" ")], time_ms(line) + offset_ms)


def remove(folder: Path) -> None:
    """Delete a log; what is not a file in it stays, and its folder. Raise OSError."""
    for file in folder.iterdir() if folder.is_dir() else []:
        if not file.is_dir():
            file.unlink()
    with suppress(OSError):
        folder.rmdir()
