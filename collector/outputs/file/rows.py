"""The readings of a day as rows: one per device and time, sorted so, out of any order.

A row is a device, a time in ms and the fields of a line, as they stand there. What comes twice is
one row; of two values of a quantity the later one counts.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import BinaryIO

from collector.outputs.file import chunks
from collector.outputs.file.chunks import Chunk, DamagedChunk

log = logging.getLogger(__name__)

Row = tuple[str, int, bytes]
BY_DEVICE_AND_TIME: Callable[[Row], tuple[str, int]] = itemgetter(0, 1)
NAME = re.compile(rb"[ ,]([^=, ]++)=")


def rows_of(file: BinaryIO, found: Iterable[Chunk]) -> Iterator[Row]:
    """Yield what is in the chunks *found* of *file*, sorted by device and time."""
    by_device: defaultdict[str, list[Chunk]] = defaultdict(list)
    for chunk in found:
        by_device[chunk.device].append(chunk)
    for device in sorted(by_device):
        for group in overlapping(by_device[device]):
            for at_ms, fields in timed(file, group):
                yield device, at_ms, fields


def overlapping(found: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Group chunks of one device whose times overlap; the groups are in order."""
    group: list[Chunk] = []
    newest_ms = -1
    for chunk in sorted(found, key=lambda each: (each.oldest_ms, each.start)):
        if group and chunk.oldest_ms > newest_ms:
            yield group
            group = []
        group.append(chunk)
        newest_ms = max(newest_ms, chunk.newest_ms)
    if group:
        yield group


def timed(file: BinaryIO, group: Sequence[Chunk]) -> Iterable[tuple[int, bytes]]:
    """Return time and fields of what is in *group*, sorted by time, of one time as they came."""
    timed: list[tuple[int, bytes]] = []
    for chunk in sorted(group):
        try:
            lines = chunks.read(file, chunk).splitlines()
        except DamagedChunk:
            log.warning(
                "%d bytes of a day's working file are damaged; readings of %s from then are left "
                "out: 'energy-monitor journal replay' sends them again",
                chunk.size,
                chunk.device,
            )
            continue
        for line in lines:
            _, fields, at_ms = line.split(b" ")
            timed.append((int(at_ms), fields))
    if len(group) > 1:
        timed.sort(key=itemgetter(0))
    return timed


def unique(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield *rows*, which are sorted, with those of one device and time in one."""
    last: Row | None = None
    for row in rows:
        if last is not None:
            if row[1] == last[1] and row[0] == last[0]:
                last = (row[0], row[1], together(last[2], row[2]))
                continue
            yield last
        last = row
    if last is not None:
        yield last


def together(earlier: bytes, later: bytes) -> bytes:
    """Return the fields of both; of a quantity in both the later value."""
    if earlier == later:
        return later
    values = dict(field.split(b"=") for field in (*earlier.split(b","), *later.split(b",")))
    return b",".join(b"%s=%s" % each for each in values.items())


def names_in(file: BinaryIO, found: Iterable[Chunk]) -> set[str]:
    """Return the quantities that are in the chunks *found* of *file*."""
    shapes: dict[tuple[bytes, ...], re.Pattern[bytes]] = {}
    for chunk in found:
        try:
            text = chunks.read(file, chunk)
        except DamagedChunk:
            continue
        start = 0
        while start < len(text):
            start = pass_alike(text, start, shapes)
    return {name.decode() for names in shapes for name in names}


def pass_alike(text: bytes, start: int, shapes: dict[tuple[bytes, ...], re.Pattern[bytes]]) -> int:
    """Return where lines end in *text* that have the quantities of the one at *start*.

    Those are added to *shapes*. Passing lines that are alike at once takes a twentieth of looking
    for the names in each.
    """
    for known in shapes.values():
        if found := known.match(text, start):
            return found.end()
    end = text.index(b"\n", start) + 1
    names = tuple(name for name in NAME.findall(text, start, end) if name != b"device")
    fields = b",".join(re.escape(name) + rb"=[^,= ]++" for name in names)
    shapes[names] = re.compile(rb"(?:[^ ]++ %s [0-9]++\n)++" % fields)
    return end
