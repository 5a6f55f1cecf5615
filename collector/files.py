"""Files in folders that another user may write: replaced whole or not at all, read if regular.

What is replaced is written beside its place, then given its name.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def replacing(
    file: Path,
    *,
    mode: int = 0o644,
    durable: bool = True,
    give: bool = False,
    folder: int | None = None,
) -> Iterator[BinaryIO]:
    """Open what becomes *file* when the block ends well. Raise OSError.

    Its folder must exist, or is handed over opened as *folder*. No link is followed in it, so its
    owner cannot lead root elsewhere. With *durable* the file survives a power cut after the block.
    With *give* what root writes belongs to the owner of the folder, who could not replace a file
    of root's.
    """
    folder = os.open(file.parent, DIRECTORY) if folder is None else os.dup(folder)
    beside = f".{file.name}.new"
    try:
        refuse_device(file, folder)
        with suppress(FileNotFoundError):  # of a run that was killed
            os.unlink(beside, dir_fd=folder)
        descriptor = os.open(beside, NEW, mode, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                if give:
                    give_to_owner(descriptor, folder)
                yield opened
                opened.flush()
                if durable:
                    os.fsync(descriptor)
            os.rename(beside, file.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=folder)
            raise
        if durable:
            os.fsync(folder)
    finally:
        os.close(folder)


def refuse_device(file: Path, folder: int) -> None:
    """Raise OSError where *file* in *folder* is a device: root could replace /dev/null."""
    with suppress(FileNotFoundError):
        mode = os.stat(file.name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise OSError(errno.EINVAL, "it is a device, not a file", str(file))


def replace(
    file: Path,
    data: bytes,
    *,
    mode: int = 0o644,
    durable: bool = True,
    give: bool = False,
    folder: int | None = None,
) -> None:
    """Give *file* the content *data*; see ``replacing``. Raise OSError."""
    with replacing(file, mode=mode, durable=durable, give=give, folder=folder) as opened:
        opened.write(data)


def open_file(file: Path | str, folder: int | None = None, *, follow: bool = False) -> BinaryIO:
    """Open a regular file, right in an opened *folder* where one is handed over. Raise OSError.

    A pipe or a device is refused, and never waited for. So is a link, unless its owner may *follow*
    one.
    """
    descriptor = os.open(file, READ if follow else READ | os.O_NOFOLLOW, dir_fd=folder)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))
    return os.fdopen(descriptor, "rb")


def read(file: Path, *, follow: bool = False) -> bytes:
    """Return what is in a regular file; see ``open_file``. Raise OSError."""
    with open_file(file, follow=follow) as opened:
        return opened.read()


def give_to_owner(descriptor: int, folder: int) -> None:
    """Let what root has just made in an opened *folder* belong to the owner of that folder."""
    if os.geteuid() == 0:
        owner = os.fstat(folder)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Make names that were just given or taken in *folder* survive a power cut."""
    descriptor = os.open(folder, DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
