"""Moves a TSM file in time, so that one real day makes the file of any other day."""

import struct
import zlib

from backup.influxdb import tsm


def moved(file, by_ns):
    """Return a TSM file whose times all lie *by_ns* later; its blocks stay packed as they are."""
    out = bytearray(file)
    (index_at,) = tsm.FOOTER.unpack(file[-8:])
    piece, at = memoryview(file)[index_at:-8], 0
    while (found := tsm.next_key(piece, at)) is not None:
        _, _, entries, end = found
        entry_at = index_at + end - len(entries)
        for first, last, offset, length in tsm.ENTRY.iter_unpack(entries):
            moved_entry = (first + by_ns, last + by_ns, offset, length)
            tsm.ENTRY.pack_into(out, entry_at, *moved_entry)
            entry_at += tsm.ENTRY.size
            _, times_at = tsm.uvarint(file, offset + tsm.CRC_BYTES + 1)
            struct.pack_into(">q", out, times_at + 1, first + by_ns)
            block = memoryview(out)[offset + tsm.CRC_BYTES : offset + length]
            struct.pack_into(">I", out, offset, zlib.crc32(block))
            block.release()
        at = end
    return bytes(out)
