"""The journal: every reading, on disk before anything is sent.

    log/                 what was read, in the order it came
    undated/BOOT/        readings of a boot whose clock is not right yet, in monotonic time
    cursors/OUTPUT       how far each output has got
    dead-letters/OUTPUT.jsonl    what an output refused for ever, and why
    losses.jsonl         what was dropped or damaged: cause, numbers, count, and who still lacked it

Three questions can be put to it: which readings are there (``records.read_all``), which did
each output get (``cursors``, ``notes.dead_letters``), and what was dropped (``notes.losses``).
"""

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.cursor import Cursor, read_cursor, write_cursor
from collector.errors import JournalFault
from collector.log import Log
from collector.notes import append_json, losses
from collector.reading import time_ms
from collector.records import Reader, read_all

log = logging.getLogger(__name__)

FORMAT = 1
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Journal:
    """The journal in *folder*, for the one process that writes it.

    *outputs* are the names whose cursors hold readings back from being dropped early.
    """

    def __init__(self, folder: Path, boot: str, outputs: Sequence[str] = ()) -> None:
        self.folder = folder
        self.boot = boot
        self.lock = threading.RLock()
        self.log = Log(folder / "log", self.tell_lost)
        self.undated = Log(folder / "undated" / boot, self.tell_lost)
        self.cursors = {name: Cursor(0) for name in outputs}
        self.dropped: dict[str, int] = {}
        self.told: set[tuple[int, int]] = set()
        self.lost_while_full = 0
        self.door: int | None = None

    def open(self) -> None:
        """Take the journal for this process. Raise JournalFault where that cannot be."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.take_door()
            self.read_losses()
            for name in self.cursors:
                self.cursors[name] = read_cursor(self.folder, name)
            self.log.open(max((cursor.number for cursor in self.cursors.values()), default=1) or 1)
            self.forget_undatable()
        except OSError as error:
            msg = f"the journal in {self.folder} cannot be used: {error.strerror}"
            raise JournalFault(msg) from error

    def take_door(self) -> None:
        """Lock the folder, and refuse one that a newer release has written."""
        self.door = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self.door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = (
                f"the journal in {self.folder} is in use by another collector; stop that one first"
            )
            raise JournalFault(msg) from None
        text = os.pread(self.door, 16, 0).strip()
        if text.isdigit() and int(text) > FORMAT:
            msg = (
                f"the journal in {self.folder} has format {int(text)}, this release knows "
                f"{FORMAT}: install the newer release again"
            )
            raise JournalFault(msg)
        os.pwrite(self.door, b"%d\n" % FORMAT, 0)

    def close(self) -> None:
        for each in (self.log, self.undated):
            each.close()
        if self.door is not None:
            os.close(self.door)
            self.door = None

    def append(self, lines: Sequence[bytes], *, dated: bool = True) -> bool:
        """Write encoded readings down. Return False when the disk is full and they are lost.

        Room is made by dropping the oldest closed segment, as often as it takes.
        """
        if dated:
            return self.append_to(self.log, lines)
        with self.lock:
            if not self.undated.segments:
                self.undated.open()
            return self.append_to(self.undated, lines)

    def append_to(self, target: Log, lines: Sequence[bytes]) -> bool:
        while True:
            try:
                target.append(lines, time_ms(lines[-1]))
            except OSError as error:
                if error.errno not in FULL:
                    raise
                if self.drop_oldest("disk full"):
                    continue
                if not self.lost_while_full:
                    log.error("the disk is full: readings are lost until there is room")  # noqa: TRY400  no bug
                self.lost_while_full += len(lines)
                self.dropped["disk full"] = self.dropped.get("disk full", 0) + len(lines)
                return False
            if self.lost_while_full:
                self.tell_room()
            return True

    def tell_room(self) -> None:
        """The disk has room again: write down what could not be written while it had none."""
        count, self.lost_while_full = self.lost_while_full, 0
        log.warning("there is room on the disk again; %d readings were lost", count)
        self.dropped["disk full"] -= count
        self.count_lost("disk full", count)

    def date_back(self, offset_ms: int) -> int:
        """Move this boot's undated readings into the log, dated; return how many.

        A crash on the way makes some of them appear twice, which outputs do not mind.
        """
        reader = Reader(self.undated, 1)
        moved = self.move(reader, offset_ms)
        with self.lock:  # nothing undated may come between the last look and the end
            moved += self.move(reader, offset_ms)
            self.log.sync()
            self.undated.close()
            remove_log(self.undated.folder)
            self.undated = Log(self.undated.folder, self.undated.lost)
        return moved

    def move(self, reader: Reader, offset_ms: int) -> int:
        """Append all that *reader* finds, dated; return how many readings that were."""
        moved = 0
        while records := reader.take(1000):
            lines = [date(line, offset_ms) for _, line in records]
            moved += len(lines) if self.append(lines) else 0
        return moved

    def forget_undatable(self) -> None:
        """Tell of readings from an earlier boot whose clock never became right, and drop them."""
        parent = self.folder / "undated"
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if folder.name != self.boot:
                count = sum(1 for _ in read_all(folder))
                remove_log(folder)
                if count:
                    self.count_lost("clock never right", count)
                    log.warning("%d readings of an earlier boot have no date: dropped", count)
        if (parent / self.boot).is_dir():
            self.undated.open()

    def sync(self) -> None:
        """Force what was written so far onto the disk. Raise OSError."""
        try:
            self.log.sync()
            self.undated.sync()
        except OSError as error:
            if error.errno not in FULL:
                raise

    def keep_house(self, now_ms: float, keep_ms: float, undelivered_ms: float, size: int) -> None:
        """Deflate closed segments, and drop what is too old or too much."""
        try:
            self.log.close_segments()
        except OSError as error:
            if error.errno not in FULL:
                raise
        while self.too_old(now_ms - keep_ms) and self.delivered():
            self.drop_oldest("")
        while self.too_old(now_ms - undelivered_ms):
            self.drop_oldest("too old")
        while self.log.size + self.undated.size > size and self.drop_oldest("too much"):
            pass

    def too_old(self, before_ms: float) -> bool:
        """Is every reading of the oldest segment from before *before_ms*?"""
        segments = self.log.segments
        return len(segments) > 1 and segments[1].first_ms < before_ms

    def delivered(self) -> bool:
        """Has every output got the whole oldest segment?"""
        after = self.log.segments[1].first
        return all(cursor.number >= after for cursor in self.cursors.values())

    def drop_oldest(self, cause: str) -> bool:
        """Drop the oldest closed segment; with a *cause* it is told as a loss."""
        with self.lock:
            if dropped := self.log.drop_oldest():
                if cause:
                    self.tell_lost(cause, *dropped)
            elif dropped := self.undated.drop_oldest():
                self.count_lost(cause, dropped[1] - dropped[0] + 1)
            return dropped is not None

    def tell_lost(self, cause: str, first: int, last: int) -> None:
        """Write down once that the readings *first* to *last* are gone."""
        with self.lock:
            if (first, last) in self.told:
                return
            self.told.add((first, last))
            lacking = {
                name: last - max(first, cursor.number) + 1
                for name, cursor in self.cursors.items()
                if cursor.number <= last
            }
            log.warning("journal: %d readings lost: %s", last - first + 1, cause)
            self.count_lost(cause, last - first + 1, first=first, last=last, undelivered=lacking)

    def count_lost(self, cause: str, count: int, **details: object) -> None:
        self.dropped[cause] = self.dropped.get(cause, 0) + count
        try:
            append_json(
                self.folder / "losses.jsonl", {"cause": cause, "readings": count, **details}
            )
        except OSError as error:
            log.warning("losses.jsonl cannot be written: %s", error.strerror)

    def read_losses(self) -> None:
        for loss in losses(self.folder):
            self.dropped[loss["cause"]] = self.dropped.get(loss["cause"], 0) + loss["readings"]
            if "first" in loss:
                self.told.add((loss["first"], loss["last"]))

    def reader(self, output: str) -> Reader:
        """Return a reader at the cursor of *output*."""
        return Reader(self.log, self.cursors[output].number)

    def move_cursor(self, output: str, number: int, newest_ms: int) -> None:
        """Remember that *output* needs *number* next. A power cut may forget the last moves."""
        cursor = self.cursors[output]
        cursor.number = number
        cursor.newest_ms = max(cursor.newest_ms, newest_ms)
        write_cursor(self.folder, output, cursor)

    def rewind(self, output: str, since_ms: int) -> int:
        """Move a cursor back to readings from *since_ms* on; return how many it needs again."""
        cursor = self.cursors[output]
        number = min(self.log.number_at(since_ms), cursor.number)
        again = cursor.number - number
        self.cursors[output] = Cursor(number, since_ms)
        write_cursor(self.folder, output, self.cursors[output])
        return again

    def backlog(self, output: str) -> int:
        """Return how many readings *output* still needs."""
        return self.log.next_number - max(self.cursors[output].number, self.log.first_number)

    def set_aside(self, output: str, reasons: Mapping[bytes, str]) -> None:
        """Keep refused readings with the far side's reason, for people to look at and resend."""
        for line, reason in reasons.items():
            entry = {"reason": reason, "reading": line.decode("ascii")}
            append_json(self.folder / "dead-letters" / f"{output}.jsonl", entry)


def date(line: bytes, offset_ms: int) -> bytes:
    """Turn an encoded reading's monotonic time into UTC."""
    return b"%s %d" % (line[: line.rindex(b" ")], time_ms(line) + offset_ms)


def remove_log(folder: Path) -> None:
    for file in folder.iterdir() if folder.is_dir() else []:
        file.unlink()
    if folder.is_dir():
        folder.rmdir()
