"""The two forms in which InfluxDB 2 hands out a backup: a tar of files, and an answer of parts.

Both are read in pieces and checked to their last byte. Where InfluxDB fails in the middle, it
appends its error as JSON and ends the answer as if all were well.
"""

import itertools
import re
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from backup.influxdb.buckets import Buckets, parsed
from collector.errors import BackupFault

BLOCK = 512
ZEROS = bytes(BLOCK)
CHUNK = 1 << 18
TAIL = 4096  # bytes at the end of an answer, in which InfluxDB may complain
COMPLAINT = re.compile(rb'\{"code":"[^"]*",\s*"message":"(.*)"\}\s*$', re.DOTALL)
PARTS = ["kv", "sql", "buckets"]
PART_HEAD = 1024
BOLT_MAGIC = bytes.fromhex("edda0ced02000000")  # and version 2, in the first page
SQLITE_MAGIC = b"SQLite format 3\0"


class Stream:
    """An answer while it is read, *name* in messages; it remembers its last bytes."""

    def __init__(self, name: str, pieces: Iterator[bytes]) -> None:
        self.name = name
        self.pieces = pieces
        self.left = b""
        self.tail = b""

    def read(self, size: int) -> bytes:
        """Return *size* bytes, fewer where the answer ends."""
        parts, got = [self.left], len(self.left)
        while got < size and (piece := next(self.pieces, b"")):
            parts.append(piece)
            got += len(piece)
        data = b"".join(parts)
        data, self.left = data[:size], data[size:]
        self.tail = (self.tail + data[-TAIL:])[-TAIL:]
        return data

    def exactly(self, size: int) -> bytes:
        data = self.read(size)
        if len(data) != size:
            raise self.wrong("ends in the middle")
        return data

    def wrong(self, what: str) -> BackupFault:
        """Say what is wrong with it, in InfluxDB's own words where it gave some."""
        self.read(TAIL)
        complaint = COMPLAINT.search(self.tail)
        reason = f"; InfluxDB says {complaint[1].decode(errors='replace')!r}" if complaint else ""
        return BackupFault(f"{self.name} {what}{reason}")


class Part(NamedTuple):
    """Where a part of a spooled answer stands in it."""

    start: int
    end: int


class Metadata(NamedTuple):
    """InfluxDB's own databases, as parts of a spooled answer, and its list of buckets."""

    databases: dict[str, Part]
    buckets: Buckets


def members(stream: Stream) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield name, size and bytes of each file of a tar. Raise BackupFault where it isn't whole."""
    while (header := stream.exactly(BLOCK)) != ZEROS:
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise stream.wrong(f"is not an archive: {error}") from error
        chunks = exact_pieces(stream, member.size)
        if member.isreg():
            yield member.name.rpartition("/")[2], member.size, chunks
        for _ in chunks:
            pass
        stream.exactly(-member.size % BLOCK)
    if stream.exactly(BLOCK) != ZEROS or stream.read(1):
        raise stream.wrong("goes on after its end")


def exact_pieces(stream: Stream, size: int) -> Iterator[bytes]:
    for at in range(0, size, CHUNK):
        yield stream.exactly(min(CHUNK, size - at))


def tar(files: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield a tar of files, each given as name, size and bytes. Raise BackupFault."""
    for name, size, chunks in files:
        member = tarfile.TarInfo(name)
        member.size = size
        yield member.tobuf(tarfile.USTAR_FORMAT)
        left = size
        for chunk in chunks:
            left -= len(chunk)
            yield chunk
        if left:
            raise BackupFault(f"{name} should have {size:,} bytes and has {size - left:,}")
        yield bytes(-size % BLOCK)
    yield ZEROS * 2


def metadata(stream: Stream, boundary: bytes, spool: IO[bytes]) -> Metadata:
    """Write an answer of parts into *spool* and find them in it. Raise BackupFault.

    InfluxDB holds both databases locked until the answer is read, so it is read at once.
    """
    while data := stream.read(CHUNK):
        spool.write(data)
    if not stream.tail.rstrip().endswith(b"--" + boundary + b"--"):
        raise stream.wrong("ends in the middle")
    borders = list(find(spool, b"--" + boundary))
    parts = [
        part_at(spool, border, following, boundary)
        for border, following in itertools.pairwise(borders)
    ]
    if [name for name, _ in parts] != PARTS:
        raise stream.wrong(f"should have the parts {', '.join(PARTS)}")
    (_, kv), (_, sql), (_, listed) = parts
    if not is_bolt(spool, kv) or not is_sqlite(spool, sql):
        raise stream.wrong("contains an incomplete database")
    try:
        buckets = parsed(b"".join(pieces(spool, listed)))
    except ValueError as error:
        raise stream.wrong(f"lists no buckets: {error}") from error
    return Metadata({"kv": kv, "sql": sql}, buckets)


def find(file: IO[bytes], wanted: bytes) -> Iterator[int]:
    """Yield where *wanted* stands in *file*."""
    at, kept = 0, b""
    file.seek(0)
    while data := file.read(CHUNK):
        window = kept + data
        place = window.find(wanted)
        while place >= 0:
            yield at + place
            place = window.find(wanted, place + len(wanted))
        kept = window[-(len(wanted) - 1) :]
        at += len(window) - len(kept)


def part_at(spool: IO[bytes], border: int, following: int, boundary: bytes) -> tuple[str, Part]:
    """Return the name of the part between two borders, and its place; no name where it has none."""
    spool.seek(border + len(boundary) + 2)
    head, blank, _ = spool.read(PART_HEAD).partition(b"\r\n\r\n")
    name = re.search(rb'name="(\w+)"', head)
    start = border + len(boundary) + 2 + len(head) + len(blank)
    return (name[1].decode() if name and blank else ""), Part(start, following - len(b"\r\n"))


def pieces(spool: IO[bytes], part: Part) -> Iterator[bytes]:
    """Yield the bytes of a part; others may move the place in the file between them."""
    for at in range(part.start, part.end, CHUNK):
        spool.seek(at)
        yield spool.read(min(CHUNK, part.end - at))


def is_bolt(spool: IO[bytes], part: Part) -> bool:
    spool.seek(part.start)
    head = spool.read(28)
    page_size = int.from_bytes(head[24:28], "little")
    size = part.end - part.start
    return head[16:24] == BOLT_MAGIC and page_size > 0 and size % page_size == 0 < size


def is_sqlite(spool: IO[bytes], part: Part) -> bool:
    """Tell whether a part is a SQLite database of as many pages as its head says."""
    spool.seek(part.start)
    head = spool.read(32)
    page_size = int.from_bytes(head[16:18])
    pages = int.from_bytes(head[28:32])
    page_size = 1 << 16 if page_size == 1 else page_size
    return head.startswith(SQLITE_MAGIC) and part.end - part.start == page_size * pages
