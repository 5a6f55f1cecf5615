"""What stands in a place of the journal and cannot be its own: moved out of the way, and said."""

import itertools
import logging
import os
from contextlib import suppress
from pathlib import Path

from collector.files import sync_folder

log = logging.getLogger(__name__)


def need_file(path: Path) -> bool:
    """Free *path* where neither a file nor nothing is; return whether it is a file now."""
    return path.is_file() or (os.path.lexists(path) and set_aside(path))


def need_folder(path: Path) -> None:
    """Make the folder *path*, also where something else stands there. Raise OSError.

    Its name survives a power cut: what is forced onto the disk in it later would be lost with it.
    """
    if path.is_dir():
        return
    if os.path.lexists(path):
        set_aside(path)
    path.mkdir(parents=True, exist_ok=True)
    sync_folder(path.parent)


def set_aside(path: Path) -> bool:
    """Give *path* another name; return False, since no file is there afterwards."""
    names = (path.with_name(f"{path.name}.set-aside-{number}") for number in itertools.count(1))
    other = next(each for each in names if not os.path.lexists(each))
    try:
        path.rename(other)
    except OSError as error:
        log.warning("%s is not what belongs there, and cannot be renamed: %s", path, error.strerror)
    else:
        log.warning("%s is not what belongs there: renamed to %s", path, other.name)
    return False


def delete(path: Path) -> None:
    """Delete a file, or else what stands in its place; what cannot be deleted stays."""
    with suppress(OSError):
        path.unlink()
