"""The journal: every reading, on disk before anything is sent.

    log/                 what was read, in the order it came
    undated/BOOT/        readings of a boot whose clock is not right yet, in monotonic time
    cursors/OUTPUT       how far each output has got
    derivations/NAME/    how far each derivation has got, and what it remembers
    dead-letters/OUTPUT.jsonl    what an output refused for ever, and why
    losses.jsonl         what was dropped or damaged: cause, numbers, count, and who still lacked it

Three questions can be put to it: which readings are there (``reader.read_all``), which did
each output get (``cursors``, ``notes.dead_letters``), and what was dropped (``losses``).
"""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.journal import door, undated
from collector.journal.cursor import Cursor, Cursors
from collector.journal.disk import FULL, Disk
from collector.journal.losses import Losses
from collector.journal.notes import LOSSES, append_dead_letters, letters_file
from collector.journal.places import need_file
from collector.journal.reader import Reader
from collector.journal.segments import Log
from collector.journal.snapshots import Snapshots
from collector.reading import check_line, time_ms
from collector.status import JournalStatus

HELD_BYTES = 16 << 20  # of what the disk does not take: some 60,000 readings
OLD = "log/*.z"
NOT_TAKEN = "not taken by the disk"


class Journal:
    """The journal in *folder*, for the one process that writes it.

    *outputs* and *derivations* are names whose cursors hold readings back from being dropped early.
    """

    def __init__(
        self,
        folder: Path,
        boot: str,
        outputs: Sequence[str] = (),
        derivations: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.boot = boot
        self.lock = threading.RLock()
        self.disk = Disk(folder)
        self.losses = Losses(folder)
        self.log = Log(folder / "log", self.tell_lost)
        self.undated = undated.log_of(folder, boot, self.losses)
        self.cursors = Cursors(self.disk, outputs)
        self.snapshots = {name: Snapshots(folder / "derivations" / name) for name in derivations}
        self.door: int | None = None

    def open(self) -> None:
        """Take the journal for this process. Raise JournalFault where that may not be.

        Neither a disk that fails nor what stands in the journal's places is a reason not to start.
        """
        self.door = door.take(self.disk)
        for place in (LOSSES, *(letters_file(name) for name in self.cursors)):
            with self.disk.using(place):
                need_file(self.folder / place)
        with self.disk.using(LOSSES):
            self.losses.read()
        self.cursors.read()
        for name, each in self.snapshots.items():
            with self.disk.using(f"derivations/{name}"):
                each.read()
        with self.disk.using("log"):
            self.log.open(max([self.cursors.furthest, *self.derived]))
        self.losses.forget_from(self.log.next_number)
        with self.disk.using("undated"):
            undated.forget_others(self.folder, self.boot, self.losses)
            if self.undated.folder.is_dir():
                self.undated.open()

    def close(self) -> None:
        for target in (self.log, self.undated):
            with self.disk.using(self.place_of(target)):
                target.close()
            if target.held:
                target.lost(NOT_TAKEN, target.next_number - target.held, target.next_number - 1)
        if self.door is not None:
            os.close(self.door)
            self.door = None

    def append(
        self,
        lines: Sequence[bytes],
        *,
        dated: bool = True,
        at_ms: int | None = None,
        hold: bool = True,
    ) -> bool:
        """Write encoded readings down. Return False where the disk does not take them.

        They are held in memory then, unless *hold* says that they can be had again. *at_ms* is when
        they came, where that is not the time of the last one: a segment is as old as what came
        first, also when that is the weather of ten years ago. On a full disk the oldest closed
        segments make room.
        """
        with self.lock:
            target = self.log if dated else self.undated
            if self.try_append(target, lines, at_ms, make_room=True):
                return True
            if hold:
                target.holding = True
                target.append(lines, time_ms(lines[-1]) if at_ms is None else at_ms)
                self.drop_held(target)
            return False

    def try_append(
        self,
        target: Log,
        lines: Sequence[bytes],
        at_ms: int | None = None,
        *,
        make_room: bool = False,
    ) -> bool:
        """Append to *target*; return False where the disk does not take it."""
        with self.lock:
            while not target.holding:
                try:
                    if target is self.undated and not target.segments:
                        target.open()
                    target.append(lines, time_ms(lines[-1]) if at_ms is None else at_ms)
                except OSError as error:
                    if make_room and error.errno in FULL and self.drop_oldest("disk full"):
                        continue
                    self.disk.fails(self.place_of(target), error)
                    return False
                self.disk.works(self.place_of(target))
                return True
        return False

    def place_of(self, target: Log) -> str:
        return "log" if target is self.log else "undated"

    def drop_held(self, target: Log) -> None:
        """Let what is held in memory not grow beyond its bound."""
        while dropped := target.drop_held(HELD_BYTES):
            target.lost(NOT_TAKEN, *dropped)

    def resend(self, lines: Sequence[str]) -> int:
        """Append encoded readings again, for every output; return how many were stored.

        Raise ValueError, having stored none, where one is not as the journal writes it.
        """
        encoded = [check_line(line) for line in lines]
        return len(encoded) if encoded and self.append(encoded, hold=False) else 0

    def date_back(self, offset_ms: int) -> int:
        """Move this boot's undated readings into the log, dated; return how many.

        A crash on the way makes some of them appear twice, which outputs do not mind. What the disk
        does not take stays where it is, for another try.
        """
        reader = Reader(self.undated, self.undated.first_number)
        moved = 0
        while True:
            with self.lock:  # nothing undated may come between the last look and the end
                records = reader.take(1000)
                if not records:
                    self.forget_undated()
                    return moved
                lines = [undated.date(line, offset_ms) for _, line in records]
                if not self.try_append(self.log, lines):
                    return moved
            moved += len(records)
            self.sync()
            if self.log.holding:
                return moved
            with self.disk.using("undated"):
                undated.drop_before(self.undated, reader.number)

    def forget_undated(self) -> None:
        self.sync()
        if self.log.holding:
            return
        try:
            with self.disk.using("undated"):
                self.undated.close()
                undated.remove(self.undated.folder)
        finally:
            self.undated = undated.log_of(self.folder, self.boot, self.losses)

    def sync(self) -> None:
        """Force what was written so far onto the disk, and what is held in memory."""
        if self.door is None:
            self.door = door.take(self.disk)
        for target in (self.log, self.undated):
            with self.disk.using(self.place_of(target)):
                self.sync_one(target)
        self.losses.write()

    def sync_one(self, target: Log) -> None:
        """Force a log onto the disk. Raise OSError.

        The oldest readings make room for a whole segment that waits in memory, not for less.
        """
        while True:
            try:
                return target.sync()
            except OSError as error:
                is_much = target.held_bytes > target.segment_bytes
                if not (is_much and error.errno in FULL and self.drop_oldest("disk full")):
                    raise

    def keep_house(self, size: int) -> None:
        """Deflate closed segments, and keep within *size* bytes."""
        with self.disk.using(OLD):
            self.log.close_segments()
        while self.log.size + self.undated.size > size and self.drop_oldest("too much"):
            pass

    def drop_old(self, delivered_before_ms: float, before_ms: float) -> None:
        """Drop what is older than *before_ms*, and what every output has, sooner."""
        with self.lock:  # a full disk drops the oldest too
            while self.too_old(delivered_before_ms) and self.delivered() and self.drop_oldest(""):
                pass
            while self.too_old(before_ms) and self.drop_oldest("too old"):
                pass

    def too_old(self, before_ms: float) -> bool:
        """Is the oldest segment on the disk, and all of it from before *before_ms* by its times?"""
        two = self.log.segments[:2]
        return len(two) > 1 and not two[0].held and max(each.first_ms for each in two) < before_ms

    def delivered(self) -> bool:
        """Has every output and every derivation got the whole oldest segment?"""
        numbers = [*(cursor.number for cursor in self.cursors.values()), *self.derived]
        return all(number >= self.log.segments[1].first for number in numbers)

    @property
    def derived(self) -> list[int]:
        """Return the next number that each derivation needs after a restart."""
        return [each.current.number for each in self.snapshots.values()]

    def drop_oldest(self, cause: str) -> bool:
        """Drop the oldest closed segment, if it can be; with a *cause* it is told as a loss."""
        with self.lock, self.disk.using(OLD):
            if dropped := self.log.drop_oldest():
                if cause:
                    self.tell_lost(cause, *dropped)
            elif dropped := self.undated.drop_oldest():
                self.undated.lost(cause, *dropped)
            return dropped is not None
        return False

    def tell_lost(self, cause: str, first: int, last: int) -> None:
        """Write down once that the readings *first* to *last* are gone, and who lacked them."""
        lacking = {
            name: last - max(first, cursor.number) + 1
            for name, cursor in self.cursors.items()
            if cursor.number <= last
        }
        self.losses.tell(cause, first, last, lacking)

    def reader(self, output: str) -> Reader:
        """Return a reader at the cursor of *output*."""
        return Reader(self.log, self.cursors[output].number)

    def place_cursor(self, output: str, cursor: Cursor, moved: Cursor) -> None:
        """Remember that *output* has got to *moved*, unless it was rewound since *cursor*."""
        with self.lock:
            if self.cursors[output] is cursor:
                self.cursors.put(output, moved)

    def rewind(self, output: str, since_ms: int) -> int:
        """Move a cursor back to readings from *since_ms* on; return how many it needs again."""
        with self.lock:
            cursor = self.cursors[output]
            number = min(self.log.number_at(since_ms), cursor.number)
            self.cursors.put(output, Cursor(number, since_ms))
            return cursor.number - number

    def rewind_derivation(self, name: str, since_ms: int) -> int:
        """Move a derivation back to readings from *since_ms* on; return how many it gets again.

        It goes back to the newest snapshot before them. Raise OSError.
        """
        number = self.snapshots[name].rewind(self.log.number_at(since_ms)).number
        return self.log.next_number - max(number, self.log.first_number)

    def backlog(self, output: str) -> int:
        """Return how many readings *output* still needs."""
        return self.log.next_number - max(self.cursors[output].number, self.log.first_number)

    def behind_ms(self, output: str, now_ms: float) -> float:
        """Return how old the oldest reading is that *output* still needs; 0 where it has all."""
        if not self.backlog(output):
            return 0.0
        cursor = self.cursors[output]
        oldest_ms = cursor.passed_ms or cursor.newest_ms or self.log.near_ms(cursor.number)
        return max(now_ms - oldest_ms, 0.0)

    def set_aside(self, output: str, reasons: Mapping[bytes, str]) -> None:
        """Keep refused readings with the far side's reason, for people to look at and resend."""
        with self.disk.using(letters_file(output)):
            if left := append_dead_letters(self.folder, output, reasons):
                self.losses.count_quietly(f"refused by {output}, and its list is full", left)

    def status(self, now_ms: float) -> JournalStatus:
        segments = self.log.segments
        return JournalStatus(
            readings=self.log.next_number - self.log.first_number,
            bytes=self.log.size + self.undated.size,
            days=round((now_ms - segments[0].first_ms) / 86_400_000, 3) if segments else 0,
            undated=self.undated.next_number - self.undated.first_number,
            dropped=dict(self.losses.ever),
            dropped_lately=dict(self.losses.lately),
            held=self.log.held + self.undated.held,
            faults={str(self.folder / each): why for each, why in self.disk.faults.items()},
        )
