"""How a log lies in its folder: one file a segment.

    0000000000000001-1763654400000.log    the open segment: one frame a record
    0000000000000001-1763654400000.z      a closed one: deflated blocks of records

A name says the first record's number and time. Times only serve to find a place in the log.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collector.files import open_file
from collector.journal import frames
from collector.journal.places import delete, need_file, need_folder

NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
NAME = re.compile(r"(\d{16})-(\d{13})\.(log|z)")


@dataclass(frozen=True)
class Segment:
    """One file of the log: number and time of its first record, and its size in bytes.

    *held* is what belongs into it, while the disk does not take it.
    """

    path: Path
    first: int
    first_ms: int
    size: int
    held: bytearray | None = field(default=None, compare=False, repr=False)

    @property
    def closed(self) -> bool:
        return self.path.suffix == ".z"

    def read(self, offset: int) -> bytes:
        """Return what is in it from *offset* on. Raise OSError."""
        if self.held is not None:
            return bytes(self.held[offset : self.size])
        with open_file(self.path) as file:
            file.seek(offset)
            return file.read(self.size - offset)


def end_of(segment: Segment, data: bytes) -> tuple[int, int]:
    """Return the number after the last whole record in *data*, and where that ends."""
    after, end = segment.first, 0
    for frame in frames.scan(data, number=segment.first):
        after = frame.number + (len(frames.inflate(frame)) if segment.closed else 1)
        end = frame.end
    return after, end


def gaps(expected: int, found: Iterable[frames.Frame], after: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last number of each gap between *expected* and *after*."""
    for frame in found:
        if frame.number > expected:
            yield expected, frame.number - 1
        expected = frame.number + 1
    if expected < after:
        yield expected, after - 1


def begin(path: Path) -> int:
    """Make an empty file for a segment; return its descriptor. Raise OSError."""
    need_folder(path.parent)
    return os.open(path, NEW, 0o640)


def write_at(file: int, data: bytes | bytearray, place: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], place + written)


def write_blocks(draft: Path, blocks: Iterable[bytes]) -> int:
    """Force *blocks* onto the disk in a file of their own; return its size. Raise OSError."""
    try:
        with draft.open("wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()
    except OSError:
        delete(draft)
        raise


def find_segments(folder: Path) -> list[Segment]:
    """List the segments of *folder* in order, clearing away what a crash left half-done.

    What has the name of a segment and is no file is put aside. Raise OSError.
    """
    found: dict[int, Segment] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".new":
            delete(path)
            need_file(path)
        match = NAME.fullmatch(path.name)
        if match is None or not need_file(path):
            continue
        segment = Segment(path, int(match[1]), int(match[2]), path.stat().st_size)
        twin = found.get(segment.first, segment)
        found[segment.first] = fuller(twin, segment)
        if twin is not segment:
            delete(segment.path if found[segment.first] is twin else twin.path)
    return [found[first] for first in sorted(found)]


def fuller(one: Segment, other: Segment) -> Segment:
    """Return which of two segments with the same first record has the records.

    A closed one is whole. A file whose disk was full when it was begun stays behind, empty.
    """
    return max(one, other, key=lambda each: (each.closed, each.size))


def find_readable(folder: Path) -> list[Segment]:
    """List the segments of *folder* in order, also while another process writes it."""
    found: dict[int, Segment] = {}
    for path in sorted(folder.iterdir()):
        match = NAME.fullmatch(path.name)
        if match and (path.is_file() or not path.exists()):  # closed at this moment
            segment = Segment(path, int(match[1]), int(match[2]), size_of(path))
            found[segment.first] = fuller(found.get(segment.first, segment), segment)
    return [found[first] for first in sorted(found)]


def size_of(path: Path) -> int:
    """Return the size of a file; 0 where it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
