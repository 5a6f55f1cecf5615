"""Files of a backup back in their places; one that is there and differs is kept, unless told.

config/config.yaml     beside the configuration; config.yaml.restored where another is there
config/packages.txt    likewise; what it lists is installed by nobody but install.sh
secrets/NAME           likewise, but for those that this machine was given before
grafana/grafana.db     where Grafana has it, while Grafana does not run
ledger/ledger.sqlite   beside the ledger, whose keeper takes it
ledger/installation    in the data folder: a far side that knows the house knows it again
"""

import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backup.chosen import Chosen
from backup.files import GRAFANA, INSTALLATION, LEDGER
from backup.influxdb.archive import SQLITE_MAGIC
from backup.paths import UNREADABLE, folder_in, make_folder, opened, parent_of
from collector.errors import Damaged
from collector.files import open_file, replacing
from collector.files import replace as replace_file

# They let this machine into the servers that it talks to today, which may not be those of the
# backup: a new InfluxDB knows no old token, and a store may have revoked an old credential.
OF_THIS_MACHINE = {
    "backup-azure",
    "backup-signing",
    "backup-sftp",
    "influxdb-admin-password",
    "influxdb-admin-token",
}
BESIDE = ".restored"


@dataclass
class Placed:
    """What became of files: *written* are new or replaced, *same* were there already.

    *beside* were written next to one that is there and differs.
    """

    written: list[Path] = field(default_factory=list)
    same: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)


def put_back(chosen: Chosen, folder: str, target: Path, *, replace: bool = False) -> Placed:
    """Put the files of the backup's *folder* into *target*. Raise Damaged, OSError.

    Where one is there that differs, it is overwritten if *replace*.
    """
    files = ((path.removeprefix(f"{folder}/"), chosen.whole(path)) for path in chosen.under(folder))
    make_folder(target)
    return place(files, target, replace=replace)


def put_back_secrets(
    chosen: Chosen, target: Path, *, replace: bool = False, keeping: Collection[str] = ()
) -> Placed:
    """Put the secrets into *target*, likewise; those of *keeping* that are there stay in any case.

    They are for their owner only.
    """
    secrets = chosen.secrets()
    if secrets:
        make_folder(target, 0o700)
        return place(secrets.items(), target, replace=replace, keeping=keeping, mode=0o600)
    return Placed()


def place(
    files: Iterable[tuple[str, bytes]],
    target: Path,
    *,
    replace: bool,
    keeping: Collection[str] = (),
    mode: int = 0o644,
) -> Placed:
    """Put files below *target*, each whole or as before. No link below it is followed."""
    placed = Placed()
    with opened(target) as root:
        for path, content in files:
            with parent_of(root, path) as (folder, name):
                there = is_there(folder, name)
                if there and (name in keeping or holds(folder, name, content)):
                    placed.same.append(target / path)
                    continue
                taken = there and not replace
                named = Path(f"{name}{BESIDE}" if taken else name)
                replace_file(named, content, mode=mode, give=True, folder=folder)
                (placed.beside if taken else placed.written).append(
                    (target / path).with_name(named.name)
                )
    return placed


def is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def holds(folder: int, name: str, content: bytes) -> bool:
    """Return whether a file has this content; what is a link or no file has not."""
    try:
        with open_file(name, folder) as file:
            return file.read(len(content) + 1) == content
    except OSError as error:
        if error.errno in UNREADABLE:
            return False
        raise


def put_back_ledger(chosen: Chosen, ledger: Path, ready: Path, *, replace: bool = False) -> Path:
    """Put the ledger where its keeper takes it, and return that place. Raise Damaged, OSError.

    Where there is one and not *replace*, it is written beside that. No link is followed below the
    folder that holds the ledger's.
    """
    make_folder(ledger.parent.parent)
    with opened(ledger.parent.parent) as data:
        folder = folder_in(data, ledger.parent.name)
    try:
        taken = not replace and is_there(folder, ledger.name)
        place = ledger.with_name(f"{ledger.name}{BESIDE}") if taken else ready
        with replacing(place, give=True, folder=folder) as written:
            copy_database(chosen, LEDGER, written)
    finally:
        os.close(folder)
    return place


def put_back_installation(chosen: Chosen, data_dir: Path) -> None:
    """Let this machine be the installation that was backed up. Raise Damaged, OSError."""
    if INSTALLATION in chosen.manifest.files:
        replace_file(data_dir / "installation", chosen.whole(INSTALLATION), give=True)


def copy_database(chosen: Chosen, path: str, written: BinaryIO) -> None:
    with chosen.spooled(path) as spool:
        if spool.read(len(SQLITE_MAGIC)) != SQLITE_MAGIC:
            raise Damaged(f"backup {chosen.id}: {path} is not a database of SQLite")
        spool.seek(0)
        shutil.copyfileobj(spool, written)


def put_back_grafana(chosen: Chosen, database: Path) -> None:
    """Put Grafana's database in its place; Grafana must not be running. Raise Damaged, OSError."""
    with replacing(database, give=True) as written:
        copy_database(chosen, GRAFANA, written)
        if database.exists():
            os.fchmod(written.fileno(), database.stat().st_mode & 0o777)
        for log in ("-wal", "-shm", "-journal"):  # of the one that was there
            with suppress(FileNotFoundError):
                database.with_name(database.name + log).unlink()
