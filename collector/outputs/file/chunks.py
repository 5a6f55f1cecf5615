"""A working file: the readings of one kind and day, appended as they come.

It is gzip, and ``zcat`` reads it. Each append adds a member per device, a chunk, whose readings are
sorted by time. The header of a chunk has an extra field with its length, its device and its times:
the readings of a device are found without inflating those of others, and a torn end is seen.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

# Deflated, with an extra field and a checksum of the header, without time, of no known system.
START = b"\x1f\x8b\x08\x06\x00\x00\x00\x00\x00\xff"
FIELD = struct.Struct("<H2sH")  # length of the extra field; the name and length of ours in it
FACTS = struct.Struct("<Iqq")  # length of the chunk, its oldest and its newest time
MARK = b"EM"
SUM = struct.Struct("<H")
END = struct.Struct("<II")  # CRC-32 and length of what is deflated
HEAD_SIZE = len(START) + FIELD.size + FACTS.size
LONGEST_DEVICE = 1000
LEVEL = 1  # of a file that lives a day: twice as fast as 6, a sixth larger
SEARCHED_AT_ONCE = 1 << 16


class Chunk(NamedTuple):
    """Where a chunk lies in its file, and what is in it."""

    start: int
    size: int
    body: int
    oldest_ms: int
    newest_ms: int
    device: str


class DamagedChunk(Exception):
    """What lies there is not what was written."""


def pack(device: str, lines: Sequence[bytes], oldest_ms: int, newest_ms: int) -> bytes:
    """Return a chunk of *lines*, which are readings of *device* sorted by time."""
    text = b"\n".join(lines) + b"\n"
    deflating = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflating.compress(text) + deflating.flush()
    name = device.encode()
    ours = FACTS.size + len(name)
    size = HEAD_SIZE + len(name) + SUM.size + len(body) + END.size
    facts = FACTS.pack(size, oldest_ms, newest_ms)
    head = START + FIELD.pack(ours + 4, MARK, ours) + facts + name
    return b"".join((head, sum_of(head), body, END.pack(zlib.crc32(text), len(text))))


def sum_of(head: bytes) -> bytes:
    return SUM.pack(zlib.crc32(head) & 0xFFFF)


def scan(file: BinaryIO) -> Iterator[Chunk]:
    """Yield every chunk that is whole by its header, stepping over damage and a torn end."""
    size = os.fstat(file.fileno()).st_size
    start = 0
    while start < size:
        chunk = chunk_at(file, start)
        if chunk is None or start + chunk.size > size:
            start = find_next(file, start + 1, size)
            continue
        yield chunk
        start += chunk.size


def chunk_at(file: BinaryIO, start: int) -> Chunk | None:
    file.seek(start)
    head = file.read(HEAD_SIZE)
    if len(head) < HEAD_SIZE or not head.startswith(START):
        return None
    _, mark, ours = FIELD.unpack_from(head, len(START))
    size, oldest_ms, newest_ms = FACTS.unpack_from(head, len(START) + FIELD.size)
    length = ours - FACTS.size
    if mark != MARK or not 0 < length <= LONGEST_DEVICE:
        return None
    name = file.read(length)
    if file.read(SUM.size) != sum_of(head + name):
        return None
    body = HEAD_SIZE + length + SUM.size
    return Chunk(start, size, body, oldest_ms, newest_ms, name.decode())


def find_next(file: BinaryIO, start: int, size: int) -> int:
    """Return where a chunk may begin from *start* on; *size* where none does."""
    while start < size:
        file.seek(start)
        piece = file.read(SEARCHED_AT_ONCE)
        found = piece.find(START)
        if found >= 0:
            return start + found
        if start + len(piece) >= size:
            break
        start += len(piece) - len(START) + 1
    return size


def read(file: BinaryIO, chunk: Chunk) -> bytes:
    """Return the lines of *chunk*, each with its end. Raise DamagedChunk."""
    file.seek(chunk.start + chunk.body)
    data = file.read(chunk.size - chunk.body)
    try:
        text = zlib.decompress(data[: -END.size], -zlib.MAX_WBITS)
    except zlib.error as error:
        raise DamagedChunk from error
    if END.pack(zlib.crc32(text), len(text)) != data[-END.size :]:
        raise DamagedChunk
    return text


def sound_end(file: BinaryIO) -> tuple[int, int | None]:
    """Return where the last whole chunk ends, and the newest time; (0, None) without any."""
    last = newest_ms = None
    end = 0
    for chunk in scan(file):
        end, last = chunk.start, chunk
        newest_ms = max(chunk.newest_ms, newest_ms or 0)
    if last is None:
        return 0, None
    try:
        read(file, last)
    except DamagedChunk:
        return end, newest_ms
    return end + last.size, newest_ms
