"""TSM files, in which InfluxDB keeps the points of a shard: whether one is whole, what it holds.

    header   16 D1 16 D1 · version 01
    blocks   CRC-32 of the rest (4) · type (1) · length of the times (uvarint) · times · values
    index    for each key, that is series and field: length (2) · key · type (1) · blocks (2), and
             for each of its blocks: first time (8) · last time (8) · offset (8) · size (4)
    footer   offset of the index (8)

Numbers are big-endian, times in ns since 1970. A name, ``000000008-000000002.tsm``, tells the
generation and how often it was compacted. InfluxDB numbers generations upwards, and names what it
compacts after the newest one that went into it (influxdb 2.9.1, tsdb/engine/tsm1: writer.go,
encoding.go, timestamp.go, compact.go).
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from os import SEEK_END
from struct import Struct
from typing import IO, NamedTuple

from collector.errors import Damaged

HEADER = b"\x16\xd1\x16\xd1\x01"
FOOTER = Struct(">Q")
KEY_LENGTH = Struct(">H")
KIND = Struct(">BH")
ENTRY = Struct(">qqQI")
LONGEST_KEY = 2 + 0xFFFF + 3 + 0xFFFF * ENTRY.size  # with its entries: 1.9 MB
CRC_BYTES = 4
PIECE = 1 << 20  # of a block; the times of 100,000 points, InfluxDB's longest, fit
RAW, PACKED, RUN = range(3)
TIMES_HEAD = 9  # how they are packed, and the first of them
# A word of simple-8b says in its upper four bits how many numbers it holds.
NUMBERS = (240, 120, 60, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1)
NUMBERS_BY_BYTE = [NUMBERS[byte >> 4] for byte in range(256)]
MODULUS = 1 << 61
NAME = re.compile(r"(\d{9,})-(\d{9,})\.tsm")


class Summary(NamedTuple):
    """What a file holds: its *points*, a value of one field each, the *first* and *last* in ns.

    *fingerprint* is Σ hash(key) · points of that key, modulo 2^61: it adds up like the points.
    """

    points: int
    fingerprint: int
    first: int
    last: int


def generation(name: str) -> int:
    """Return the generation that a file's name tells. Raise Damaged where it is no such name."""
    found = NAME.fullmatch(name)
    if not found:
        raise Damaged(f"{name!r} is not a name of a TSM file")
    return int(found[1])


def made_of(new: Summary, stored: Iterable[tuple[int, int, int, int]]) -> bool:
    """Tell whether *new* holds as many points of every key as *stored* ones do together.

    Where nothing but what is stored went into *new*, it holds the same points then: compacting
    only drops those that were deleted or written again, and these would be missing.
    """
    columns = list(zip(*stored, strict=True))
    if not columns:
        return False
    points, fingerprints, firsts, lasts = columns
    return new == (sum(points), sum(fingerprints) % MODULUS, min(firsts), max(lasts))


def check(file: IO[bytes]) -> Summary:
    """Read a TSM file from end to end, in pieces, and return what it holds.

    Raise Damaged where it is not as InfluxDB wrote it. Blocks have checksums. The index has none,
    but must agree with the blocks; of that, the letters of keys and last times are left unproved.
    """
    size = file.seek(0, SEEK_END)
    file.seek(0)
    if size < len(HEADER) + FOOTER.size or file.read(len(HEADER)) != HEADER:
        raise Damaged("it does not begin as a TSM file")
    index_end = size - FOOTER.size
    file.seek(index_end)
    (index_at,) = FOOTER.unpack(file.read())
    if not len(HEADER) < index_at < index_end:
        raise Damaged("its footer does not point at an index")
    at = len(HEADER)
    points = fingerprint = 0
    first, last = (1 << 63) - 1, -(1 << 63)
    for key, kind, entries in index(file, index_at, index_end):
        of_key = 0
        for start, end, offset, length in ENTRY.iter_unpack(entries):
            if offset != at or at + length > index_at or start > end:
                raise Damaged(f"its index and the block at byte {at} do not agree")
            of_key += block(file, at, length, kind, start)
            first, last = min(first, start), max(last, end)
            at += length
        points += of_key
        fingerprint += key_hash(key) * of_key
    if at != index_at:
        raise Damaged(f"its index does not name the block at byte {at}")
    return Summary(points, fingerprint % MODULUS, first, last)


def index(file: IO[bytes], at: int, end: int) -> Iterator[tuple[bytes, int, memoryview]]:
    """Yield each key of the index, the type of its blocks and their entries. Raise Damaged."""
    before = b""
    while at < end:
        file.seek(at)
        piece = memoryview(file.read(min(LONGEST_KEY, end - at)))
        done = 0
        while (found := next_key(piece, done)) is not None:
            key, kind, entries, done = found
            if key <= before or not entries:
                raise Damaged("the keys of its index are out of order")
            before = key
            yield key, kind, entries
        if not done:
            raise Damaged("its index ends in the middle")
        at += done


def next_key(piece: memoryview, at: int) -> tuple[bytes, int, memoryview, int] | None:
    """Return a key, its type, its entries and where they end; None where the piece ends before."""
    try:
        (length,) = KEY_LENGTH.unpack_from(piece, at)
        key_at = at + KEY_LENGTH.size
        kind, blocks = KIND.unpack_from(piece, key_at + length)
    except struct.error:
        return None
    entries_at = key_at + length + KIND.size
    end = entries_at + blocks * ENTRY.size
    if end > len(piece):
        return None
    return bytes(piece[key_at : key_at + length]), kind, piece[entries_at:end], end


def block(file: IO[bytes], at: int, length: int, kind: int, first: int) -> int:
    """Return how many points a block holds, which must begin with *first*. Raise Damaged."""
    file.seek(at)
    head = file.read(min(length, PIECE))
    crc = zlib.crc32(memoryview(head)[CRC_BYTES:])
    for read in range(len(head), length, PIECE):
        crc = zlib.crc32(file.read(min(length - read, PIECE)), crc)
    if crc != int.from_bytes(head[:CRC_BYTES]):
        raise Damaged(f"the checksum of the block at byte {at} is wrong")
    disagree = f"its index and the block at byte {at} do not agree"
    try:
        times_length, times_at = uvarint(head, CRC_BYTES + 1)
        times = head[times_at : times_at + times_length]
        good = head[CRC_BYTES] == kind and len(times) == times_length
        if good and int.from_bytes(times[1:TIMES_HEAD], signed=True) == first:
            return count(times)
    except (IndexError, ValueError) as error:  # it says no times at all
        raise Damaged(disagree) from error
    raise Damaged(disagree)


def count(times: bytes) -> int:
    """Return how many times are packed in *times*. Raise ValueError, IndexError."""
    packing = times[0] >> 4
    if packing == RAW:
        return len(times) // 8
    if packing == PACKED:
        return 1 + sum(map(NUMBERS_BY_BYTE.__getitem__, times[TIMES_HEAD::8]))
    if packing == RUN:
        _, at = uvarint(times, TIMES_HEAD)
        return uvarint(times, at)[0]
    raise ValueError(packing)


def uvarint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits per byte, the lowest first, and where it ends."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1


def key_hash(key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())
