"""An append-only log of numbered records on disk, in segments: the ground the journal stands on.

Every segment but the last is closed, by the next start after a crash. What the disk does not take
is held in memory and written down later. A closed segment ends with the times that it holds.
"""

import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

from collector.files import sync_folder
from collector.journal import frames, layout
from collector.journal.layout import Segment, end_of, find_segments, gaps, write_at, write_blocks
from collector.journal.places import need_folder
from collector.reading import time_ms

SEGMENT_BYTES = 1 << 20


class Log:
    """Records in *folder*. One thread or several may append; readers follow on their own.

    *lost* is called with (cause, first number, last number) for records found damaged. While it is
    *holding*, the disk takes nothing and what comes is held in memory, until ``sync`` succeeds.
    """

    def __init__(
        self,
        folder: Path,
        lost: Callable[[str, int, int], None] = lambda *_: None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.folder = folder
        self.lost = lost
        self.segment_bytes = segment_bytes
        self.grown = threading.Condition()
        self.segments: list[Segment] = []
        self.next_number = 1
        self.synced_number = 1  # all before it is on the disk for good
        self.unsynced: dict[Path, int] = {}
        self.unreadable: set[Path] = set()
        self.file: int | None = None
        self.named: Path | None = None  # the file being written, once its name is on the disk
        self.holding = False
        self.syncing = threading.Lock()

    def open(self, least: int = 1) -> None:
        """Find the segments and the next number, which is at least *least*; mend the end.

        Raise OSError; it can be used all the same.
        """
        self.next_number = least
        need_folder(self.folder)
        self.segments = find_segments(self.folder)
        after = self.mend_tail() if self.segments else least
        self.next_number = max(least, after)
        if after < self.next_number:
            self.lost("torn", after, self.next_number - 1)

    def mend_tail(self) -> int:
        """Cut what a crash left half-written at the end; return the number after the last."""
        last = self.segments[-1]
        try:
            data = last.path.read_bytes()
        except OSError:
            return self.leave_unreadable(last)
        after, end = end_of(last, data)
        if last.closed:
            return after
        if torn := frames.count_torn(data[end:]):
            self.lost("torn", after, after + torn - 1)
        with suppress(OSError):  # what the disk does not let us mend is left, and a new one begun
            self.file = os.open(last.path, os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(self.file, end)
        self.segments[-1] = replace(last, size=end)
        return after + torn

    def leave_unreadable(self, segment: Segment) -> int:
        """Leave a segment that the disk does not give back; return the number after its last."""
        after = segment.first + segment.size // frames.LEAST_BYTES + 1
        self.lost("unreadable", segment.first, after - 1)
        return after

    def append(self, bodies: Sequence[bytes], at_ms: int) -> int:
        """Put *bodies* at the end and return the number of the first. Raise OSError.

        Either all of them are in the log afterwards, or none is.
        """
        with self.grown:
            number = self.next_number
            data = b"".join(frames.pack(number + i, body) for i, body in enumerate(bodies))
            self.hold(data, at_ms) if self.holding else self.write(data, at_ms)
            last = self.segments[-1]
            self.segments[-1] = replace(last, size=last.size + len(data))
            self.next_number = number + len(bodies)
            self.grown.notify_all()
            return number

    def write(self, data: bytes, at_ms: int) -> None:
        if self.file is None or self.segments[-1].size >= self.segment_bytes:
            self.begin_segment(at_ms)
        assert self.file is not None
        size = self.segments[-1].size
        try:
            write_at(self.file, data, size)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.file, size)
            raise

    def begin_segment(self, at_ms: int) -> None:
        path = self.path_at(at_ms)
        file = layout.begin(path)
        self.put_file_aside()
        self.file = file
        self.segments.append(Segment(path, self.next_number, at_ms, 0))

    def path_at(self, at_ms: int) -> Path:
        """Return the file of a segment that begins with the next record."""
        return self.folder / f"{self.next_number:016d}-{max(at_ms, 0):013d}.log"

    def put_file_aside(self) -> None:
        """Leave the file that was being written to the next ``sync``."""
        if self.file is not None:
            self.unsynced[self.segments[-1].path] = self.file
            self.file = None

    def hold(self, data: bytes, at_ms: int) -> None:
        held = self.segments[-1].held if self.segments else None
        if held is None or len(held) >= self.segment_bytes:
            self.put_file_aside()
            if self.segments and not self.segments[-1].size:  # it could only just be begun
                self.segments.pop()
            held = bytearray()
            self.segments.append(Segment(self.path_at(at_ms), self.next_number, at_ms, 0, held))
        held.extend(data)

    def drop_held(self, most: int) -> tuple[int, int] | None:
        """Where more than *most* bytes are held, forget the oldest; return its numbers."""
        with self.grown:
            held = self.waiting
            if len(held) < 2 or self.held_bytes <= most:  # noqa: PLR2004  one is being filled
                return None
            self.segments.remove(held[0])
            return held[0].first, held[1].first - 1

    @property
    def waiting(self) -> list[Segment]:
        """The segments that are held in memory."""
        return [each for each in self.segments if each.held is not None]

    @property
    def held(self) -> int:
        """How many records are held in memory."""
        return self.next_number - self.waiting[0].first if self.waiting else 0

    @property
    def held_bytes(self) -> int:
        return sum(each.size for each in self.waiting)

    def sync(self) -> None:
        """Force all that was appended so far onto the disk, and what is held. Raise OSError."""
        with self.syncing:
            try:
                self.force()
                for segment in self.waiting:
                    self.store(segment)
            except OSError:
                self.holding = True
                raise

    def force(self) -> None:
        with self.grown:
            done, self.unsynced = list(self.unsynced.values()), {}
            current = os.dup(self.file) if self.file is not None else None
            path = self.segments[-1].path if self.file is not None else None
            written = self.next_number - self.held
        faults = []
        for file in [*done, *([] if current is None else [current])]:
            try:
                os.fdatasync(file)
            except OSError as error:
                faults.append(error)
            finally:
                os.close(file)
        if faults:
            raise faults[0]
        if done or path != self.named:
            sync_folder(self.folder)
        self.named = path
        self.synced_number = written
        with self.grown:
            self.holding = self.held > 0

    def store(self, segment: Segment) -> None:
        """Write a segment that is held in memory to the disk, where it goes on. Raise OSError."""
        held = segment.held
        assert held is not None
        file = layout.begin(segment.path)
        try:
            size = len(held)
            write_at(file, held[:size], 0)
            os.fdatasync(file)
            sync_folder(self.folder)
            with self.grown:
                self.go_on_in(file, segment, size)
        except OSError:
            os.close(file)
            raise

    def go_on_in(self, file: int, segment: Segment, size: int) -> None:
        """Let *file* be what is held of *segment*, of which *size* bytes are in it already."""
        whole = next((each for each in self.segments if each.held is segment.held), None)
        if whole is None or whole.held is None:  # it was dropped meanwhile
            self.unsynced[segment.path] = file
            self.delete(segment.path)
            return
        write_at(file, whole.held[size:], size)
        if whole is self.segments[-1]:
            self.file, self.holding = file, False
        else:
            self.unsynced[segment.path] = file
        self.segments[self.segments.index(whole)] = replace(whole, held=None)

    def close(self) -> None:
        """Force all onto the disk and let go of it. Raise OSError."""
        try:
            self.sync()
        finally:
            with self.grown:
                if self.file is not None:
                    os.close(self.file)
                    self.file = None

    def close_segments(self) -> None:
        """Deflate every segment that is complete, one after the other. Raise OSError."""
        for segment in list(self.segments[:-1]):
            if segment.held is None and not (segment.closed or segment.path in self.unreadable):
                self.deflate_segment(segment)

    def deflate_segment(self, segment: Segment) -> None:
        """Replace a complete segment by its deflated form, which appears whole or not at all."""
        try:
            data = segment.path.read_bytes()
        except OSError:  # dropped meanwhile, or the disk does not give it back
            self.unreadable.add(segment.path)
            return
        found = list(frames.scan(data, number=segment.first))
        for gap in gaps(segment.first, found, self.first_after(segment)):
            self.lost("damaged", *gap)
        target, draft = segment.path.with_suffix(".z"), segment.path.with_suffix(".new")
        times = frames.pack_times([time_ms(frame.body) for frame in found])
        size = write_blocks(draft, chain(frames.deflate(iter(found)), times))
        with self.grown:
            if segment not in self.segments:  # dropped meanwhile
                draft.unlink()
                return
            draft.rename(target)
            self.segments = [
                replace(each, path=target, size=size) if each.path == segment.path else each
                for each in self.segments
            ]
        sync_folder(self.folder)
        self.delete(segment.path)

    def delete(self, path: Path) -> None:
        """Delete a file; it gives its room back only when nobody has it open any more."""
        with self.grown:
            file = self.unsynced.pop(path, None)
        if file is not None:
            os.close(file)
        path.unlink(missing_ok=True)

    def first_after(self, segment: Segment) -> int:
        """Return the first number that is no longer in *segment*."""
        later = [each.first for each in self.segments if each.first > segment.first]
        return min(later, default=self.next_number)

    def drop_oldest(self) -> tuple[int, int] | None:
        """Delete the oldest segment that is not being written; return its first and last number.

        Raise OSError.
        """
        with self.grown:
            if len(self.segments) < 2 or self.segments[0].held is not None:  # noqa: PLR2004  one is being written
                return None
            self.delete(self.segments[0].path)
            oldest = self.segments.pop(0)
            return oldest.first, self.segments[0].first - 1

    @property
    def size(self) -> int:
        """How many bytes are on the disk."""
        return sum(segment.size for segment in self.segments if segment.held is None)

    @property
    def first_number(self) -> int:
        return self.segments[0].first if self.segments else self.next_number

    def near_ms(self, number: int) -> int:
        """Return a time at or a little before that of record *number*; 0 for an empty log."""
        segments = self.segments
        place = bisect_right([segment.first for segment in segments], number) - 1
        return segments[max(place, 0)].first_ms if segments else 0

    def number_at(self, at_ms: int) -> int:
        """Return a number at or a little before the first record of time *at_ms* or later.

        Times need not be in order: a clock was stepped, or readings were dated back.
        """
        segments = self.segments
        for segment, following in pairwise(segments):
            if following.first_ms > at_ms:
                return segment.first
        return segments[-1].first if segments else self.next_number
