"""The lock of a journal: one process writes it, of a release that knows its format."""

import errno
import fcntl
import os
from pathlib import Path

from collector.errors import JournalFault
from collector.journal import FORMAT
from collector.journal.disk import FAILING, FULL, Disk
from collector.journal.places import need_file, need_folder


def take(disk: Disk) -> int | None:
    """Lock the folder of *disk*; return the open lock, None where the disk does not let us.

    Raise JournalFault where the folder is not ours to use.
    """
    with disk.using("lock"):
        try:
            need_folder(disk.folder)
            lock = opened(disk.folder / "lock")
        except OSError as error:
            if error.errno in (*FULL, *FAILING):
                raise
            msg = f"the journal in {disk.folder} cannot be used: {error.strerror}"
            raise JournalFault(msg) from error
        try:
            look_at(lock, disk.folder)
        except BaseException:
            os.close(lock)
            raise
        return lock
    return None


def opened(file: Path) -> int:
    """Open the lock, on a disk that can only be read for reading. Raise OSError."""
    need_file(file)
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)


def look_at(lock: int, folder: Path) -> None:
    """Raise JournalFault for a folder in use, or of a newer release; OSError."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        msg = f"the journal in {folder} is in use by another collector; stop that one first"
        raise JournalFault(msg) from None
    text = os.pread(lock, 16, 0).strip()
    if text.isdigit() and int(text) > FORMAT:
        msg = (
            f"the journal in {folder} has format {int(text)}, this release knows {FORMAT}: "
            "install the newer release again"
        )
        raise JournalFault(msg)
    if text != b"%d" % FORMAT:
        os.pwrite(lock, b"%d\n" % FORMAT, 0)
