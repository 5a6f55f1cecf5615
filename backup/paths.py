"""Names that a backup brings along, and files below a folder: what a stranger wrote stays inside.

A name is checked before anything is made of it, and a file is reached by the descriptor of its
folder, part by part: a link in the way is never followed, whoever put it there.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from collector.errors import Damaged
from collector.files import DIRECTORY, NEW, give_to_owner

LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

TOPS = {"config", "grafana", "influxdb", "journal", "ledger", "secrets"}
NO_NAME = {"Cc", "Cs", "Zl", "Zp"}  # control characters, what is not UTF-8, ends of a line
NAME_BYTES = 255  # as file systems have it
PATH_BYTES = 1024
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
HASH = re.compile(r"[0-9a-f]{64}")
# What a link, something that is no file and a bad place of a disk answer, who is asked for a file.
UNREADABLE = {errno.EIO, errno.EINVAL, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EUCLEAN}


def is_name(name: object) -> bool:
    """Return whether *name* can be that of a file: one part, without control characters."""
    return (
        isinstance(name, str)
        and name not in {"", ".", ".."}
        and "/" not in name
        and not any(unicodedata.category(each) in NO_NAME for each in name)
        and len(name.encode()) <= NAME_BYTES
    )


def is_path(path: object) -> bool:
    """Return whether *path* is one in a backup: relative, below a known folder, nothing odd."""
    if not isinstance(path, str):
        return False
    top, *below = path.split("/")
    return top in TOPS and bool(below) and all(map(is_name, below)) and len(path) <= PATH_BYTES


def check_path(path: object) -> str:
    """Return *path*. Raise ValueError where it is not one in a backup."""
    if not (isinstance(path, str) and is_path(path)):
        raise ValueError(f"{path!r} is not a valid path in a backup")
    return path


def at_most(most: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *chunks*. Raise Damaged as soon as they are more than *most* bytes."""
    left = most
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise Damaged(f"it is longer than {most:,} bytes")
        yield chunk


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Open a folder that the caller chose, by a path that may go over links. Raise OSError."""
    descriptor = os.open(folder, DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def parent_of(folder: int, path: str) -> Iterator[tuple[int, str]]:
    """Open the folder of *path* below *folder*, made where it is missing; yield it and the name.

    Raise OSError where a part is a link or no folder, ValueError where *path* leads elsewhere.
    """
    parts = path.split("/")
    if not all(map(is_name, parts)):
        raise ValueError(f"{path!r} is not a path below a folder")
    here = os.dup(folder)
    try:
        for part in parts[:-1]:
            above, here = here, folder_in(here, part)
            os.close(above)
        yield here, parts[-1]
    finally:
        os.close(here)


def folder_in(parent: int, name: str, mode: int = 0o755) -> int:
    """Return the descriptor of a folder right below *parent*, made where missing. Raise OSError."""
    made = False
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
        made = True
    descriptor = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    if made:
        give_to_owner(descriptor, parent)
    return descriptor


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder that the caller chose, and those above it. Raise OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder.name)
        folder = folder.parent
    here = os.open(folder, DIRECTORY)
    try:
        for name in reversed(missing):
            above, here = here, folder_in(here, name, mode if name == missing[0] else 0o755)
            os.close(above)
    finally:
        os.close(here)


@contextmanager
def new_file(folder: int, path: str, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Make a file below *folder*, which must not be there. Raise OSError, ValueError."""
    with parent_of(folder, path) as (parent, name):
        descriptor = os.open(name, NEW, mode, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(descriptor, parent)
            yield file


@contextmanager
def lock_file(folder: int, name: str) -> Iterator[BinaryIO]:
    """Open a file right in *folder* that is there for its lock only, and made where missing.

    Raise OSError where it is a link: nothing is written to it, whatever it is.
    """
    with suppress(FileExistsError), new_file(folder, name, 0o600):
        pass
    try:
        descriptor = os.open(name, LOCK, dir_fd=folder)
    except OSError as error:
        place = f"{os.readlink(f'/proc/self/fd/{folder}')}/{name}"
        raise OSError(error.errno, f"{error.strerror}: remove it", place) from error
    with os.fdopen(descriptor, "r+b") as file:
        yield file
