"""Reading the log: from a place on, all of it, or its end; also while it is being written."""

import logging
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile, zip_longest
from pathlib import Path

from collector import files
from collector.journal import frames
from collector.journal.layout import Segment, find_readable
from collector.journal.segments import Log
from collector.reading import time_ms

log = logging.getLogger(__name__)

Record = tuple[int, bytes]


class Reader:
    """Reads records from *number* on and remembers where it was. For one thread."""

    def __init__(self, log: Log, number: int) -> None:
        self.log = log
        self.number = number
        self.segment: Segment | None = None
        self.offset = 0

    def go(self, number: int) -> None:
        """Read from *number* on; does nothing where the reader is there already."""
        if number != self.number:
            self.number = number
            self.segment = None

    def take(self, limit: int) -> list[Record]:
        """Return up to *limit* records, in order; an empty list when there are no more yet."""
        taken: list[Record] = []
        while len(taken) < limit and (found := self.find_segment()):
            segment, after = found
            before = len(taken)
            if segment.closed:
                self.take_closed(segment, taken, limit)
            else:
                self.take_open(segment, taken, limit)
            if len(taken) == before and self.segment is not None:
                self.log.lost("damaged", self.number, after - 1)
                self.number = after
        return taken

    def find_segment(self) -> tuple[Segment, int] | None:
        """Find the segment of the next record, and the first number that is no longer in it."""
        with self.log.grown:
            segments = self.log.segments
            if not segments or self.number >= self.log.next_number:
                return None
            self.number = max(self.number, segments[0].first)
            place = bisect_right([segment.first for segment in segments], self.number) - 1
            segment, after = segments[place], self.log.first_after(segments[place])
        if self.segment is None or self.segment.path != segment.path:
            self.offset = 0
        self.segment = segment
        return segment, after

    def take_open(self, segment: Segment, taken: list[Record], limit: int) -> None:
        try:
            data = segment.read(self.offset)
        except FileNotFoundError:
            self.segment = None
            return
        except OSError:
            return  # the disk does not give it back: ``take`` tells it as damaged
        base = self.offset
        for number, body, _, end in frames.scan(data, number=segment.first):
            if len(taken) >= limit:
                break
            self.offset = base + end
            if number >= self.number:
                if number > self.number:
                    self.expect(number)
                taken.append((number, body))
                self.number = number + 1

    def take_closed(self, segment: Segment, taken: list[Record], limit: int) -> None:
        try:
            data = files.read(segment.path)
        except FileNotFoundError:
            self.segment = None
            return
        except OSError:
            return
        for frame in frames.scan(data, self.offset, segment.first):
            if len(taken) >= limit:
                break
            records = list(enumerate(frames.inflate(frame), frame.number))
            begin = max(self.number - frame.number, 0)
            if chosen := records[begin : begin + limit - len(taken)]:
                self.expect(chosen[0][0])
                taken += chosen
                self.number = chosen[-1][0] + 1
            if len(taken) < limit:
                self.offset = frame.end

    def expect(self, number: int) -> None:
        if number > self.number:
            self.log.lost("damaged", self.number, number - 1)


def read_all(folder: Path) -> Iterator[Record]:
    """Yield every record of the log in *folder*, also while another process appends to it."""
    return read_after(folder, 0)


def read_after(folder: Path, number: int) -> Iterator[Record]:
    """Yield every record beyond *number*, also while another process appends to the log."""
    segments = find_readable(folder)
    for segment, following in zip_longest(segments, segments[1:]):
        if following is None or following.first > number + 1:
            yield from (each for each in read_segment(segment) if each[0] > number)


def read_between(folder: Path, since_ms: int, until_ms: int) -> Iterator[bytes]:
    """Yield every reading from *since_ms* on and before *until_ms*, in the order they came."""
    for segment in find_readable(folder):
        oldest_ms, newest_ms = times_of(segment) or (since_ms, since_ms)
        if newest_ms < since_ms or oldest_ms >= until_ms:
            continue
        for _, line in read_segment(segment):
            if since_ms <= time_ms(line) < until_ms:
                yield line


def times_of(segment: Segment) -> tuple[int, int] | None:
    """Return the oldest and newest time in a closed segment; None where it doesn't say so."""
    if not segment.closed:
        return None
    try:
        with files.open_file(segment.path) as file:
            file.seek(-frames.TIMES.size, os.SEEK_END)
            return frames.times_in(file.read(frames.TIMES.size))
    except OSError:  # it was dropped, or is shorter
        return None


def read_segment(segment: Segment) -> Iterator[Record]:
    """Yield the records of one segment, which may be deflated by its writer at any moment."""
    try:
        try:
            data = files.read(segment.path)
        except FileNotFoundError:
            segment = replace(segment, path=segment.path.with_suffix(".z"))
            if not segment.path.exists():
                return  # it was dropped
            data = files.read(segment.path)
    except OSError as error:
        log.warning(
            "%s cannot be read: %s; what is in it is left out", segment.path, error.strerror
        )
        return
    for frame in frames.scan(data, number=segment.first):
        if segment.closed:
            yield from enumerate(frames.inflate(frame), frame.number)
        else:
            yield frame.number, frame.body


def newest(folder: Path, limit: int) -> Iterator[Record]:
    """Yield the last *limit* records, at least one, holding no more than a segment in memory."""
    first = last = 0
    for segment in reversed(find_readable(folder)):
        numbers = [number for number, _ in read_segment(segment)]
        if numbers:
            last = last or numbers[-1]
            first = numbers[-limit:][0]
            limit -= len(numbers)
        if limit <= 0:
            break
    yield from takewhile(lambda record: record[0] <= last, read_after(folder, first - 1))
