"""Files of a backup back in their places; one that is there and differs is kept, unless told.

config/config.yaml     beside the configuration; config.yaml.restored where another is there
secrets/NAME           likewise, but for those that this machine was given before
grafana/grafana.db     where Grafana has it, while Grafana does not run
"""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from backup.chosen import Chosen
from backup.stores.folder import make_folder
from collector import files

# They let this machine into the servers that it talks to today, which may not be those of the
# backup: a new InfluxDB knows no old token, and a store may have revoked an old credential.
OF_THIS_MACHINE = {"backup-azure", "influxdb-admin-password", "influxdb-admin-token"}
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
    return place(files, target, replace=replace)


def put_back_secrets(
    chosen: Chosen, target: Path, *, replace: bool = False, keeping: Collection[str] = ()
) -> Placed:
    """Put the secrets into *target*, likewise; those of *keeping* that are there stay in any case.

    They are for their owner only.
    """
    return place(chosen.secrets().items(), target, replace=replace, keeping=keeping, private=True)


def place(
    files: Iterable[tuple[str, bytes]],
    target: Path,
    *,
    replace: bool,
    keeping: Collection[str] = (),
    private: bool = False,
) -> Placed:
    placed = Placed()
    for name, content in files:
        file = target / name
        there = file.read_bytes() if file.exists() else None
        if there == content or (there is not None and file.name in keeping):
            placed.same.append(file)
        elif there is None or replace:
            write(file, content, private=private)
            placed.written.append(file)
        else:
            beside = file.with_name(f"{file.name}{BESIDE}")
            write(beside, content, private=private)
            placed.beside.append(beside)
    return placed


def write(file: Path, content: bytes, *, private: bool) -> None:
    """Give a file its content, so that it is whole or as before, whatever happens."""
    if private and not file.parent.exists():
        make_folder(file.parent)
        file.parent.chmod(0o700)
    make_folder(file.parent)
    files.replace(file, content, mode=0o600 if private else 0o644, give=True)


def put_back_grafana(chosen: Chosen, database: Path) -> None:
    """Put Grafana's database in its place; Grafana must not be running. Raise Damaged, OSError."""
    with (
        chosen.spooled("grafana/grafana.db") as spool,
        files.replacing(database, give=True) as opened,
    ):
        while piece := spool.read(1 << 18):
            opened.write(piece)
        if database.exists():
            os.fchmod(opened.fileno(), database.stat().st_mode & 0o777)
        for log in ("-wal", "-shm", "-journal"):  # of the one that was there
            with suppress(FileNotFoundError):
                database.with_name(database.name + log).unlink()
