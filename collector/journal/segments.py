"""An append-only log of numbered records on disk, in segments: the ground the journal stands on.

    0000000000000001-1763654400000.log    the open segment: one frame a record
    0000000000000001-1763654400000.z      a closed one: deflated blocks of records

A name says the first record's number and time. Every segment but the last is closed; one that
a crash left open is closed by the next start. Times only serve to find a place in the log.
The end of a closed segment says which times it holds, so that readers can leave it out.
"""

import os
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from collector.files import sync_folder
from collector.journal import frames
from collector.reading import time_ms

NAME = re.compile(r"(\d{16})-(\d{13})\.(log|z)")
SEGMENT_BYTES = 1 << 20


@dataclass(frozen=True)
class Segment:
    """One file of the log: number and time of its first record, and its size in bytes."""

    path: Path
    first: int
    first_ms: int
    size: int

    @property
    def closed(self) -> bool:
        return self.path.suffix == ".z"


class Log:
    """Records in *folder*. One thread or several may append; readers follow on their own.

    *lost* is called with (cause, first number, last number) for records found damaged.
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

    def open(self, least: int = 1) -> None:
        """Find the segments and the next number, which is at least *least*; mend the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
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
        after, end = last.first, 0
        for frame in frames.scan(data, number=last.first):
            after = frame.number + (len(frames.inflate(frame)) if last.closed else 1)
            end = frame.end
        if last.closed:
            return after
        if torn := frames.count_torn(data[end:]):
            self.lost("torn", after, after + torn - 1)
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
        """Write *bodies* at the end and return the number of the first. Raise OSError.

        Either all of them are in the log afterwards, or none is.
        """
        with self.grown:
            if self.file is None or self.segments[-1].size >= self.segment_bytes:
                self.begin_segment(at_ms)
            assert self.file is not None
            number = self.next_number
            data = b"".join(frames.pack(number + i, body) for i, body in enumerate(bodies))
            last = self.segments[-1]
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self.file, data[written:], last.size + written)
            except OSError:
                os.ftruncate(self.file, last.size)
                raise
            self.segments[-1] = replace(last, size=last.size + len(data))
            self.next_number = number + len(bodies)
            self.grown.notify_all()
            return number

    def begin_segment(self, at_ms: int) -> None:
        path = self.folder / f"{self.next_number:016d}-{max(at_ms, 0):013d}.log"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        if self.file is not None:
            self.unsynced[self.segments[-1].path] = self.file
        self.file = file
        self.segments.append(Segment(path, self.next_number, at_ms, 0))

    def sync(self) -> None:
        """Force all that was appended so far onto the disk. Raise OSError."""
        with self.grown:
            done, self.unsynced = list(self.unsynced.values()), {}
            current = os.dup(self.file) if self.file is not None else None
            written = self.next_number
        for file in [*done, *([] if current is None else [current])]:
            try:
                os.fdatasync(file)
            finally:
                os.close(file)
        if done:
            sync_folder(self.folder)
        self.synced_number = written

    def close(self) -> None:
        self.sync()
        with self.grown:
            if self.file is not None:
                os.close(self.file)
                self.file = None

    def close_segments(self) -> None:
        """Deflate every segment that is complete, one after the other. Raise OSError."""
        for segment in list(self.segments[:-1]):
            if not segment.closed and segment.path not in self.unreadable:
                self.deflate_segment(segment)

    def deflate_segment(self, segment: Segment) -> None:
        """Replace a complete segment by its deflated form, which appears whole or not at all."""
        try:
            data = segment.path.read_bytes()
        except OSError:  # dropped meanwhile, or the disk does not give it back
            self.unreadable.add(segment.path)
            return
        found = list(frames.scan(data, number=segment.first))
        self.tell_gaps(segment, found)
        target = segment.path.with_suffix(".z")
        draft = segment.path.with_suffix(".new")
        try:
            with draft.open("wb") as file:
                for block in frames.deflate(iter(found)):
                    file.write(block)
                if times := [time_ms(frame.body) for frame in found]:
                    file.write(frames.pack_times(min(times), max(times)))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        size = draft.stat().st_size
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

    def tell_gaps(self, segment: Segment, found: Sequence[frames.Frame]) -> None:
        expected = segment.first
        for frame in found:
            if frame.number > expected:
                self.lost("damaged", expected, frame.number - 1)
            expected = frame.number + 1
        if expected < self.first_after(segment):
            self.lost("damaged", expected, self.first_after(segment) - 1)

    def first_after(self, segment: Segment) -> int:
        """Return the first number that is no longer in *segment*."""
        later = [each.first for each in self.segments if each.first > segment.first]
        return min(later, default=self.next_number)

    def drop_oldest(self) -> tuple[int, int] | None:
        """Delete the oldest segment that is not being written; return its first and last number."""
        with self.grown:
            if len(self.segments) < 2:  # noqa: PLR2004  one is being written
                return None
            oldest = self.segments.pop(0)
            after = self.segments[0].first
        self.delete(oldest.path)
        return oldest.first, after - 1

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)

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


def find_segments(folder: Path) -> list[Segment]:
    """List the segments of *folder* in order, clearing away what a crash left half-done."""
    found: dict[int, Segment] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".new":
            path.unlink()
        match = NAME.fullmatch(path.name)
        if match is None:
            continue
        segment = Segment(path, int(match[1]), int(match[2]), path.stat().st_size)
        twin = found.get(segment.first)
        if twin is not None:
            twin.path.unlink()
        found[segment.first] = segment
    return [found[first] for first in sorted(found)]
