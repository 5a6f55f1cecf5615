"""Stores a secret where the services get it from: whole, for its owner only, in a safe folder."""

import errno
import os
import stat
import unicodedata
from pathlib import Path

from collector import files
from collector.errors import EnergyMonitorError

LARGEST = 65_536  # bytes of a value: a key with its certificates takes a tenth
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # control characters, what was not UTF-8, ends of a line


def fault_of(value: str) -> str | None:
    """Say why *value* can't be stored; None where it can."""
    if not value:
        return "it is empty"
    if any(unicodedata.category(each) in NO_TEXT for each in value):
        return "it is not one line of UTF-8 text without control characters"
    if value != value.strip():
        return "it begins or ends with a blank, which would be lost"
    if len(value.encode()) > LARGEST:
        return f"it is longer than {LARGEST:,} bytes"
    return None


def store(folder: Path, name: str, value: str) -> Path:
    """Write a secret into *folder*, whole or not at all, for its owner only. Raise OSError."""
    file = folder / name
    files.replace(file, f"{value}\n".encode(), mode=0o400)
    return file


def prepare(folder: Path) -> None:
    """Make *folder* where it is missing. Raise OSError; EnergyMonitorError where it isn't safe.

    What root writes must not go through a folder that another user can exchange.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink():
        raise EnergyMonitorError(f"{folder} is a link: expected a folder")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    if os.geteuid() == 0:
        parent = folder.parent.resolve()
        for each in (*reversed(parent.parents), parent, folder):
            require_of_root(each)


def require_of_root(folder: Path) -> None:
    about = folder.lstat()
    exchangeable = about.st_mode & OTHERS_WRITE and not about.st_mode & stat.S_ISVTX
    if about.st_uid != 0 or exchangeable:
        raise EnergyMonitorError(
            f"users other than root can change {folder}: root stores no secret there"
        )
