"""A backup as a folder that the stock command ``influx restore`` takes, with the other files.

    FOLDER/STAMP.manifest            written last; its names lead into the folder beside it
    FOLDER/influxdb/STAMP.bolt.gz …  InfluxDB's own databases, and a tar of each shard
    FOLDER/config grafana journal secrets    a file for each secret

How InfluxDB's files are laid down, 1 or 2, is in ``layout``.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from backup.chosen import Chosen
from backup.influxdb.kind import kind_of
from backup.influxdb.layout import write
from backup.influxdb.restore import buckets_of, require_room
from backup.manifest import SECRETS
from backup.paths import TOPS, lock_file, make_folder, opened
from backup.progress import Progress
from backup.stores.folder import full
from collector.errors import BackupFault

MARK = ".restoring"  # as long as this is there, what lies beside it is half-made
MANIFEST = re.compile(r"\.?[0-9TZ]+\.manifest(\.new)?")


def write_stock(chosen: Chosen, folder: Path, now: datetime, progress: Progress) -> list[str]:
    """Write a backup into *folder*, and return notes on what was left out.

    Raise BackupFault: nothing remains then of what was written.
    """
    progress.total = sum(file.size for file in chosen.manifest.files.values())
    with half_made(folder) as root:
        require_room(folder, progress.total)
        try:
            others = [path for path in chosen.manifest.files if not path.startswith("influxdb/")]
            for path in others:
                if path != SECRETS:
                    write(root, path, chosen.read(path), progress)
            for name, content in chosen.secrets().items():
                write(root, f"secrets/{name}", [content], progress)
            buckets, notes = buckets_of(chosen, now)
            if buckets:
                kind_of(chosen.manifest.influxdb).lay_down(chosen, root, buckets, progress)
        except OSError as error:
            raise full(error, folder) from error
    return notes


@contextmanager
def half_made(folder: Path) -> Iterator[int]:
    """Hold an empty *folder*, opened, while it is filled; empty it again where that fails.

    Raise BackupFault where something else is in it.
    """
    if folder.exists() and not folder.is_dir():
        raise BackupFault(f"{folder} is not a folder")
    made = not folder.exists()
    make_folder(folder)
    with opened(folder) as root:
        if (there := os.listdir(root)) and MARK not in there:
            raise BackupFault(f"{folder} is not empty: give a folder that is, or a new one")
        with lock_file(root, MARK) as door:
            try:
                fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupFault(f"another restoration into {folder} is running") from None
            try:
                clear(root)
                yield root
            except BaseException:
                with suppress(OSError):
                    clear(root)
                    os.unlink(MARK, dir_fd=root)
                    if made:
                        folder.rmdir()
                raise
            os.fsync(root)
            os.unlink(MARK, dir_fd=root)


def clear(root: int) -> None:
    for name in TOPS:
        shutil.rmtree(name, ignore_errors=True, dir_fd=root)
    for name in os.listdir(root):
        if MANIFEST.fullmatch(name):
            os.unlink(name, dir_fd=root)
