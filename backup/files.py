"""What a backup holds besides InfluxDB: configuration, secrets, Grafana, ledger, journal.

What is not there, or may not be read, is left out and told in a note: it must not stand between
the house and a backup of everything else.
"""

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO
from urllib.parse import quote

from backup import pack
from backup.manifest import SECRETS, File
from backup.paths import is_name, is_path, opened
from backup.progress import Progress
from collector.config import Config
from collector.files import DIRECTORY, open_file

Keep = Callable[[Iterable[bytes]], File]

# Beside the configuration: what of the stack runs and who can reach it, and the owner's packages.
STACK, PACKAGES = "stack.env", "packages.txt"
GRAFANA, LEDGER = "grafana/grafana.db", "ledger/ledger.sqlite"
INSTALLATION = "ledger/installation"
LARGEST_LIST = 1 << 16
PAGES_AT_ONCE = 256  # Grafana waits for as long as these are copied
# Grafana's database is only read, so what cannot be written is the copy.
OF_THE_COPY = {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_TRUNCATE"}
BUSY_S = 10  # as long as Grafana may hold its database for itself
SALT_BYTES = 32


def gather(
    config: Config,
    previous: Mapping[str, File],
    keep: Keep,
    progress: Progress,
    draft: Path,
) -> tuple[dict[str, File], list[str]]:
    """Return the files by their paths in the backup, and the notes.

    *previous* are files that are stored already, *draft* is the name of a file to make and remove.

    Raise OSError, BackupFault where there is no room.
    """
    files: dict[str, File] = {}
    notes: list[str] = []

    def store(path: str, file: BinaryIO) -> None:
        with file:
            try:
                files[path] = keep(pack.read(file, progress))
            except pack.Unreadable as error:
                notes.append(f"{path} is left out: {error}")

    for path, file in configuration(config, notes):
        try:
            opened_file = open_file(file, follow=True)
        except OSError as error:
            notes.append(left_out(file, error))
        else:
            store(path, opened_file)
    if found := secrets(config, notes):
        document = {"salt": token_hex(SALT_BYTES), "secrets": found}
        files[SECRETS] = keep([json.dumps(document).encode()])
    files |= journal(config.data_dir / "journal" / "log", previous, store, notes)
    databases = {GRAFANA: Path(config.main.backup.grafana)}
    if config.ledger.exists():
        databases[LEDGER] = config.ledger
    for path, database in databases.items():
        if copy := copied(database, draft, notes):
            try:
                store(path, open_file(copy))
            finally:
                copy.unlink()
    return files, notes


def left_out(file: Path, error: OSError) -> str:
    return f"{file} is left out: {error.strerror or error}"


def configuration(config: Config, notes: list[str]) -> Iterator[tuple[str, Path]]:
    """Yield the configuration, the files it imports, the owner's maps, packages and contracts."""
    folder = config.file.parent
    maps = sorted((folder / "devices").rglob("*.yaml"))
    others = [folder / STACK, folder / PACKAGES, config.tariffs]
    beside = [each for each in others if each.exists()]
    read = [Path(str(each)) for each in config.faults.files]
    for file in dict.fromkeys([*read, *maps, *beside]):
        name = os.path.relpath(file, folder)
        if is_path(f"config/{name}"):
            yield f"config/{name}", file
        else:
            notes.append(f"{file} is left out: it is not in {folder}")
    if (word := config.data_dir / "installation").exists():
        yield INSTALLATION, word  # the house is the same one on another card
    notes += [f"{each} in {PACKAGES} is not in the backup: keep a copy" for each in own(folder)]


def own(folder: Path) -> list[str]:
    """Return the packages that are installed from files here, which only the owner has."""
    try:
        with open_file(folder / PACKAGES, follow=True) as file:
            lines = file.read(LARGEST_LIST).decode(errors="replace").splitlines()
    except OSError:  # said already, if it is there
        return []
    return [line.strip() for line in lines if line.strip().startswith(("./", "/"))]


def secrets(config: Config, notes: list[str]) -> dict[str, str]:
    """Return the secrets, where nobody can read them but who has the private key."""
    found: dict[str, str] = {}
    if not config.main.backup.encrypt_to:
        notes.append("secrets are skipped: backups are not encrypted (backup.encrypt_to)")
        return found
    try:
        files = sorted(config.secrets.iterdir())
    except OSError as error:
        notes.append(left_out(config.secrets, error))
        return found
    for file in files:
        try:
            if file.is_file() and not file.name.startswith("."):
                found[file.name] = file.read_bytes().decode()
        except OSError as error:
            notes.append(left_out(file, error))
        except UnicodeDecodeError:
            notes.append(f"{file} is skipped: it is not UTF-8 text")
    return found


def journal(
    folder: Path,
    previous: Mapping[str, File],
    store: Callable[[str, BinaryIO], None],
    notes: list[str],
) -> dict[str, File]:
    """Store the closed segments, which never change; return those of *previous*, not read again.

    The folder is the collector's: with the right to read what is others', no link is followed.
    """
    files: dict[str, File] = {}
    try:
        with opened(folder.parent) as parent:
            log = os.open(folder.name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        notes.append(left_out(folder, error))
        return files
    try:
        for name in sorted(each for each in os.listdir(log) if is_segment(each)):
            path = f"journal/{name}"
            try:
                file = open_file(name, log)
            except FileNotFoundError:  # it was dropped meanwhile
                continue
            except OSError as error:
                notes.append(left_out(folder / name, error))
                continue
            before = previous.get(path)
            if before and before.size == os.fstat(file.fileno()).st_size:
                file.close()
                files[path] = before
            else:
                store(path, file)
    finally:
        os.close(log)
    return files


def is_segment(name: str) -> bool:
    return name.endswith(".z") and is_name(name)


def copied(database: Path, draft: Path, notes: list[str]) -> Path | None:
    """Copy a database as it is at one instant into *draft*; None where that cannot be."""
    try:
        wal = database.with_name(f"{database.name}-wal")
        with open_file(database, follow=True):
            # Without its log it is not in use, and SQLite could not make one here.
            mode = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
        copy_database(f"file:{quote(str(database))}?{mode}", draft)
    except sqlite3.Error as error:
        draft.unlink(missing_ok=True)
        if getattr(error, "sqlite_errorname", "") in OF_THE_COPY:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(draft)) from error
        notes.append(f"{database} is left out: {error}")
        return None
    except OSError as error:
        notes.append(left_out(database, error))
        return None
    return draft


def copy_database(uri: str, draft: Path) -> None:
    """Copy a database in use page by page, and check the copy. Raise sqlite3.Error."""
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as database,
        closing(sqlite3.connect(draft)) as copy,
    ):
        copy.execute("PRAGMA synchronous=OFF")
        database.backup(copy, pages=PAGES_AT_ONCE)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, that needs no log beside it
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {verdict}")
