"""How records lie in a file of the journal: frames, each of which proves itself.

    offset  0  4  CRC-32 of all that follows in this frame
            4  4  length of the body
            8  8  number of the (first) record in the body
           16  n  body

All numbers are little-endian. Records are numbered without gaps, so that a gap found when
reading says exactly how many were lost. In a closed file a body holds many records, deflated:
as few as still compress well, since a damaged frame costs all of its own.

At its end a closed file says of which times its readings are. This is not a frame, so that
releases that do not know it step over it as over damage:

    offset  0  4  CRC-32 of TIMES_MARK and all that follows
            4  8  oldest time
           12  8  newest time
"""

import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

HEADER = struct.Struct("<IIQ")
MAX_BODY = 1 << 20
LEAST_BYTES = HEADER.size + 24  # no encoded reading is shorter
NUMBERS_AHEAD = 1 << 32
TIMES = struct.Struct("<Iqq")
TIMES_MARK = b"times"

# Measured with one meter's readings of 289 bytes: blocks of 2, 4, 8 and 64 KiB take 44, 33, 26
# and 19 bytes a reading. 4 KiB lose 14 readings to a damaged bit, 64 KiB would lose 227.
BLOCK_BYTES = 4096


class Frame(NamedTuple):
    """A whole frame: the number of its first record, its body, and where it lies in the file."""

    number: int
    body: bytes
    start: int
    end: int


def pack(number: int, body: bytes) -> bytes:
    """Frame *body*, whose first record has *number*."""
    rest = HEADER.pack(0, len(body), number)[4:] + body
    return zlib.crc32(rest).to_bytes(4, "little") + rest


def scan(data: bytes, start: int = 0, number: int = 0) -> Iterator[Frame]:
    """Yield every whole frame of *data* from *start* on, stepping over damage and a torn tail.

    *number* is the least that the next record can have; a frame with a number below it, or
    far above it, is damage that looks like a frame.
    """
    while start + HEADER.size <= len(data):
        frame = frame_at(data, start, number)
        if frame is None:
            start += 1
            continue
        yield frame
        start, number = frame.end, frame.number + 1


def frame_at(data: bytes, start: int, least: int) -> Frame | None:
    crc, length, number = HEADER.unpack_from(data, start)
    body = start + HEADER.size
    end = body + length
    if not 0 < length <= MAX_BODY or end > len(data):
        return None
    if not least <= number < least + NUMBERS_AHEAD:
        return None
    if zlib.crc32(memoryview(data)[start + 4 : end]) != crc:
        return None
    return Frame(number, data[body:end], start, end)


def count_torn(tail: bytes) -> int:
    """Count the frames that *tail*, in which none is whole, began to be, by their lengths."""
    count = start = 0
    while start < len(tail):
        count += 1
        if start + HEADER.size > len(tail):
            break
        length = HEADER.unpack_from(tail, start)[1]
        if not 0 < length <= MAX_BODY:
            break
        start += HEADER.size + length
    return count


def deflate(frames: Iterator[Frame]) -> Iterator[bytes]:
    """Turn frames of one record each into frames of deflated blocks, keeping every number."""
    block: list[bytes] = []
    first = size = 0
    for frame in frames:
        if block and (frame.number != first + len(block) or size >= BLOCK_BYTES):
            yield pack(first, zlib.compress(b"\n".join(block), 6))
            block, size = [], 0
        if not block:
            first = frame.number
        block.append(frame.body)
        size += len(frame.body)
    if block:
        yield pack(first, zlib.compress(b"\n".join(block), 6))


def inflate(frame: Frame) -> Sequence[bytes]:
    """Return the records of a deflated frame; the first has the frame's number."""
    return zlib.decompress(frame.body).split(b"\n")


def pack_times(times_ms: Collection[int]) -> Iterator[bytes]:
    """Yield the end of a closed file whose readings are of these times; nothing without any."""
    if times_ms:
        rest = TIMES.pack(0, min(times_ms), max(times_ms))[4:]
        yield zlib.crc32(TIMES_MARK + rest).to_bytes(4, "little") + rest


def times_in(end: bytes) -> tuple[int, int] | None:
    """Return the oldest and the newest time that *end* says; None for that of an older file."""
    if len(end) != TIMES.size:
        return None
    crc, oldest_ms, newest_ms = TIMES.unpack(end)
    return (oldest_ms, newest_ms) if zlib.crc32(TIMES_MARK + end[4:]) == crc else None
