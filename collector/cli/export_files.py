"""How ``export`` writes: a stream of CSV or line protocol, or a folder of parts by day."""

import fcntl
import gzip
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from collector import files
from collector.clock import utc
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.outputs.file.forms import Format

WHOLE = re.compile(rb"(?<==)-?[0-9]++(?![.e])")  # a source may give a value without a fraction
HEAD = b"time,kind,device,quantity,value\r\n"
AT_ONCE = 4_000  # readings that are sorted into days together: 1.2 MB
SPOOL = ".export"
Told = Callable[[str], None]


class Written(NamedTuple):
    """A file that was made."""

    path: Path
    size: int


@contextmanager
def target(file: Path | None) -> Iterator[BinaryIO]:
    """Open standard output, or what becomes *file* when the block ends well."""
    if file is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if file.is_dir():
        raise EnergyMonitorError(
            f"{file} is a folder: to have a file per day in it write '{file}/'"
        )
    if file.exists() and not file.is_file():
        raise EnergyMonitorError(
            f"{file} is not a file: without '-o' the readings go to standard output"
        )
    with files.replacing(file, give=True) as opened:
        if file.suffix == ".gz":
            with gzip.GzipFile("", "wb", 6, opened, mtime=0) as packed:
                yield cast("BinaryIO", packed)
        else:
            yield opened


def write_stream(out: BinaryIO, lines: Iterable[bytes], form: str) -> None:
    """Write *lines* as they come: line protocol, or a row of CSV per value."""
    if form == "csv":
        out.write(HEAD)
        out.writelines(csv_rows(line, utc) for line in lines)
    else:
        out.writelines(line + b"\n" for line in lines)


def csv_rows(line: bytes, utc: Callable[[int], str]) -> bytes:
    """Return a row for each value of an encoded reading.

    RFC 4180. No cell can be a formula: a name begins with a letter or digit, all else is a number.
    """
    head, fields, at_ms = line.split(b" ")
    start = b"%s,%s," % (utc(int(at_ms)).encode(), head.replace(b",device=", b",", 1))
    if fields.count(b".") < fields.count(b"="):
        fields = WHOLE.sub(lambda match: repr(float(match[0])).encode(), fields)
    return start + fields.replace(b",", b"\r\n" + start).replace(b"=", b",") + b"\r\n"


@contextmanager
def spool(folder: Path | None) -> Iterator[int]:
    """Open an empty folder for working files, in *folder* or where large files may be."""
    if folder is None:
        place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108  a folder of random name in it
        with (
            tempfile.TemporaryDirectory(dir=place) as name,
            opened(Path(name)) as descriptor,
        ):
            yield descriptor
        return
    own = folder / SPOOL
    own.mkdir(exist_ok=True)
    with opened(own) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnergyMonitorError(f"another export writes into {folder}: wait for it") from None
        for name in os.listdir(descriptor):  # of one that was killed
            os.unlink(name, dir_fd=descriptor)
        try:
            yield descriptor
        finally:
            shutil.rmtree(own, ignore_errors=True)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, files.DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def gather(folder: int, lines: Iterable[bytes]) -> None:
    """Sort *lines* into working files by kind and day. Raise EnergyMonitorError, OSError."""
    from collector.outputs.file import working  # noqa: PLC0415  only then needed

    every = iter(lines)
    while some := list(islice(every, AT_ONCE)):
        days, left_out = working.grouped(some)
        if left_out:
            raise EnergyMonitorError("a kind or device in it is not a plain name")
        packed = {day: working.packed(devices) for day, devices in days.items()}
        working.append(folder, packed, durable=False)


def resampled(folder: int, lines: Iterable[bytes], every_ms: int) -> Iterator[bytes]:
    """Yield one reading per device and interval, by kind and day, by way of files in *folder*."""
    from collector.outputs.file import chunks, parts, working  # noqa: PLC0415

    gather(folder, lines)
    for day in sorted(working.found(folder)):
        with working.reading(folder, day) as file:
            rows = parts.rows_in(file, list(chunks.scan(file)), every_ms)
            for device, at_ms, fields in rows:
                head = f"{day.kind},device={device}".encode()
                yield b"%s %s %d" % (head, fields, at_ms)


def write_folder(
    root: Path, site: str, form: "Format", lines: Iterable[bytes], every_ms: int, told: Told
) -> list[Written]:
    """Write a part per kind and day below *root*, once everything has been read. Raise OSError."""
    from collector.outputs.file import parts, working  # noqa: PLC0415
    from collector.outputs.file.forms import form_of  # noqa: PLC0415

    place = parts.Place(root, site, form_of(form), {}, strict=True)
    is_new = not root.is_dir()
    if is_new:
        root.mkdir()
    made = []
    with spool(root) as folder:
        gather(folder, lines)
        days = sorted(working.found(folder))
        for number, day in enumerate(days):
            told(f"{day.kind} of {day.date}: file {number + 1} of {len(days)}")
            with working.reading(folder, day) as file:
                path = parts.finish(place, day, file, every_ms)
            working.cut(folder, working.file_name(day), 0)
            if path:
                made.append(Written(path, path.stat().st_size))
    if is_new and not made:
        root.rmdir()
    return made
