"""Makes TSM files, with times packed in each of InfluxDB's ways; the values are of no meaning."""

import struct
import zlib

HEADER = b"\x16\xd1\x16\xd1\x01"


def uvarint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def run(first, step, count):
    """Times at equal distances: the first, the step, and how many."""
    return b"\x20" + struct.pack(">q", first) + uvarint(step) + uvarint(count)


def packed(first, *selectors):
    """Times in words of simple-8b: each holds as many as its selector says."""
    return b"\x10" + struct.pack(f">q{len(selectors)}Q", first, *(each << 60 for each in selectors))


def raw(first, count):
    return b"\x00" + struct.pack(f">{count}q", first, *range(1, count))


def block(times, kind=0, values=b"\x10\x3f\xf0"):
    data = bytes([kind]) + uvarint(len(times)) + times + values
    return struct.pack(">I", zlib.crc32(data)) + data


def tsm(keys):
    """Return a file of *keys*: a key's name to its blocks, each (first, last, times)."""
    blocks, index = bytearray(), bytearray()
    for key, of_key in sorted(keys.items()):
        index += struct.pack(">H", len(key)) + key + struct.pack(">BH", 0, len(of_key))
        for first, last, times in of_key:
            made = block(times)
            index += struct.pack(">qqQI", first, last, len(HEADER) + len(blocks), len(made))
            blocks += made
    return HEADER + bytes(blocks + index) + struct.pack(">Q", len(HEADER) + len(blocks))


def hours(count, first=0, key=b"power#!~#value"):
    """Return a file of *count* hours at one point a second."""
    start = first * 3600
    return tsm({key: [(start, start + count * 3600 - 1, run(start, 1, count * 3600))]})
