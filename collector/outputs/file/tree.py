"""Folders below a root, opened one by one: no link among them is followed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from collector.errors import OutputAway
from collector.files import DIRECTORY, give_to_owner

MODE = 0o755
FULL = {errno.ENOSPC, errno.EDQUOT}
DENIED = {errno.EACCES, errno.EPERM}
IN_THE_WAY = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR}
SANDBOX = (
    "the service writes outside of /var/lib/energy-monitor only where 'sudo systemctl edit "
    "energy-monitor-collector' has '[Service]' and 'ReadWritePaths={}'"
)


@contextmanager
def opened(root: Path, *names: str, make: bool = False) -> Iterator[int]:
    """Open the folder *names* below *root*, *make* what is missing of it. Raise OSError."""
    folder = os.open(root, DIRECTORY)
    try:
        at = root
        for name in names:
            at /= name
            inner = open_in(folder, name, at, make=make)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def open_in(folder: int, name: str, at: Path, *, make: bool) -> int:
    try:
        made = False
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, MODE, dir_fd=folder)
                made = True
        inner = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        if made:
            give_to_owner(inner, folder)
            os.fsync(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(at)) from error
    return inner


@contextmanager
def away(root: Path) -> Iterator[None]:
    """Turn what the disk refuses into OutputAway, with what is to be done."""
    try:
        yield
    except OSError as error:
        raise OutputAway(sentence(root, error)) from error


def sentence(root: Path, error: OSError) -> str:
    at = error.filename if isinstance(error.filename, str) else str(root)
    at = at if at.startswith("/") else f"{root}/…/{at}"
    if error.errno in FULL:
        return f"{root}: the disk is full: free some space there, or keep fewer days"
    if error.errno == errno.EROFS:
        return f"{at} is read-only: is its disk sound? And {SANDBOX.format(root)}"
    if error.errno in DENIED:
        return (
            f"{at} may not be written: it must belong to the service's user ('sudo chown "
            f"energy-monitor {root}'), and {SANDBOX.format(root)}"
        )
    if error.errno == errno.ENOENT and at == str(root):
        return (
            f"there is no folder {root}: attach its disk, or make it with 'sudo install -d -o "
            f"energy-monitor {root}'"
        )
    if error.errno in IN_THE_WAY:
        return f"{at} is a link or not what belongs there; links are not followed: move it away"
    return f"{at} cannot be written: {error.strerror or error}"
