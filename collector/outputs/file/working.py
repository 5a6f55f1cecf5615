"""The working files in one folder, a file per kind and day, to which readings are appended."""

import errno
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from typing import BinaryIO, NamedTuple

from collector.outputs.file import chunks
from collector.outputs.file.parts import DAY_MS, Day, date_of
from collector.reading import NAME

SUFFIX = ".lp.gz"
FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.(.+)\.lp\.gz")
APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
CHANGE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC

Head = tuple[str, str]  # kind and device


class Size(NamedTuple):
    """How long a working file is, and the newest time in it."""

    size: int
    newest_ms: int


@lru_cache(4096)
def head_of(head: bytes) -> Head | None:
    """Return kind and device, which become parts of paths; None where they are no plain names."""
    kind, _, device = head.decode("ascii", "replace").partition(",device=")
    return (kind, device) if NAME.fullmatch(kind) and NAME.fullmatch(device) else None


def grouped(lines: Iterable[bytes]) -> tuple[dict[Day, dict[str, list[tuple[int, bytes]]]], int]:
    """Sort readings by day, kind and device; return how many are left out for their names too."""
    groups: dict[tuple[bytes, int], list[tuple[int, bytes]]] = defaultdict(list)
    for line in lines:
        at_ms = int(line[line.rindex(b" ") + 1 :])
        groups[line[: line.index(b" ")], at_ms // DAY_MS].append((at_ms, line))
    days: dict[Day, dict[str, list[tuple[int, bytes]]]] = {}
    left_out = 0
    for (head, day), timed in groups.items():
        names = head_of(head)
        if names is None:
            left_out += len(timed)
            continue
        timed.sort(key=itemgetter(0))
        days.setdefault(Day(date_of(day * DAY_MS), names[0]), {})[names[1]] = timed
    return days, left_out


def packed(devices: Mapping[str, list[tuple[int, bytes]]]) -> tuple[bytes, int]:
    """Return the chunks of one day's readings, and the newest time in them."""
    made = [
        chunks.pack(device, [line for _, line in timed], timed[0][0], timed[-1][0])
        for device, timed in devices.items()
    ]
    return b"".join(made), max(timed[-1][0] for timed in devices.values())


def append(folder: int, days: Mapping[Day, tuple[bytes, int]], *, durable: bool = True) -> None:
    """Append chunks to the working file of each day: all of them, or nothing. Raise OSError."""
    before: dict[str, int] = {}
    try:
        for day, (data, _) in days.items():
            name = file_name(day)
            with opened(folder, name, APPEND | os.O_CREAT) as file:
                before[name] = os.fstat(file).st_size
                write_all(file, data)
                if durable:
                    os.fsync(file)
        if durable and not all(before.values()):
            os.fsync(folder)
    except OSError:
        for name, size in before.items():
            cut(folder, name, size)
        raise


def write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def cut(folder: int, name: str, size: int) -> None:
    """Cut a working file to *size*; without anything in it, it is deleted. Raise OSError."""
    if size == 0:
        os.unlink(name, dir_fd=folder)
        return
    with opened(folder, name, CHANGE) as file:
        os.ftruncate(file, size)
        os.fsync(file)


def file_name(day: Day) -> str:
    return f"{day.date}.{day.kind}{SUFFIX}"


def found(folder: int) -> dict[Day, int]:
    """Return the working files in *folder* with their sizes. Raise OSError."""
    sizes = {}
    for name in sorted(os.listdir(folder)):
        match = FILE.fullmatch(name)
        if match and NAME.fullmatch(match[2]):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            sizes[Day(match[1], match[2])] = status.st_size
    return sizes


def mend(folder: int, day: Day) -> Size | None:
    """Cut off an append that was torn; return what remains, None for nothing. Raise OSError."""
    name = file_name(day)
    with reading(folder, day) as file:
        end, newest_ms = chunks.sound_end(file)
        if end < os.fstat(file.fileno()).st_size or newest_ms is None:
            cut(folder, name, end)
    return None if newest_ms is None or not end else Size(end, newest_ms)


@contextmanager
def reading(folder: int, day: Day) -> Iterator[BinaryIO]:
    with opened(folder, file_name(day), READ) as file, os.fdopen(os.dup(file), "rb") as buffered:
        yield buffered


@contextmanager
def opened(folder: int, name: str, flags: int) -> Iterator[int]:
    """Open a plain file in *folder*: anything else in its place is refused. Raise OSError."""
    file = os.open(name, flags | os.O_NONBLOCK, 0o644, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.ENOTDIR, "not a plain file", name)
        yield file
    finally:
        os.close(file)
