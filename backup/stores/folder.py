"""The door of a place where backups are kept, and the one that is a folder.

FOLDER/manifests/ID.json            written last: without it a backup does not exist
FOLDER/objects/HASH                 bytes, named by their SHA-256
FOLDER/damaged/HASH                 objects that a verification has set aside
FOLDER/state.json                   how the last runs ended (``backup.state``)
FOLDER/part-*                       what is being made; nothing refers to it

Only this module makes, moves or removes what is in ``manifests/`` and ``objects/``.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from backup import signing
from backup.manifest import MOST_BYTES, Manifest, decode, encode, is_id
from backup.paths import HASH, UNREADABLE, at_most, lock_file, make_folder, opened
from collector.errors import Busy, Damaged, DiskFault
from collector.files import open_file, sync_folder

CHUNK = 1 << 18


class Store(Protocol):
    """Where backups are kept. What was put stays as it is: nothing is ever overwritten.

    A backup's *id* is handed over with each object, since a store may keep a month apart from
    the next. Raise StoreAway where it cannot be reached, Damaged where something is missing.

    Manifests are to be signed by one of the keys *trusted*; with none, a signature must be right,
    and with None it is not looked at. Raise Untrusted. *forgets* tells whether a rule of the
    store's own deletes the oldest month.
    """

    name: str
    trusted: Collection[str] | None
    forgets: bool

    def ids(self) -> list[str]:
        """Return the backups that are complete, oldest first."""

    def manifest(self, backup_id: str) -> Manifest: ...

    def sizes(self, backup_id: str) -> dict[str, int]:
        """Return the objects that a backup of this *id* would find there, and their sizes."""

    def put(self, backup_id: str, name: str, file: Path) -> None:
        """Keep *file*, whose SHA-256 is *name*. Where it is there already, do nothing."""

    def get(self, backup_id: str, name: str) -> Iterator[bytes]:
        """Yield the bytes of an object in pieces; whoever takes them compares the SHA-256."""

    def put_manifest(self, manifest: Manifest) -> None:
        """Make a backup exist, whose objects are all there."""


class Folder:
    """Backups in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = folder / "objects"
        self.name = str(folder)
        self.trusted: Collection[str] | None = None
        self.forgets = False

    def ids(self) -> list[str]:
        try:
            names = os.listdir(self.folder / "manifests")
        except FileNotFoundError:
            return []
        found = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return sorted(filter(is_id, found))

    def manifest(self, backup_id: str) -> Manifest:
        path = f"manifests/{backup_id}.json"
        try:
            with self.reading(path) as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            raise Damaged(f"{self.name}: there is no backup {backup_id}") from None
        if len(data) > MOST_BYTES:
            raise Damaged(f"{self.name}: {path} is larger than a manifest can be")
        return proved(self, backup_id, path, data)

    def sizes(self, backup_id: str) -> dict[str, int]:  # noqa: ARG002  it keeps no month apart
        try:
            with os.scandir(self.objects) as entries:
                return {
                    entry.name: entry.stat(follow_symlinks=False).st_size
                    for entry in entries
                    if HASH.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                }
        except FileNotFoundError:
            return {}

    def put(self, backup_id: str, name: str, file: Path) -> None:  # noqa: ARG002
        if self.file(name).is_file():
            return
        with open_file(file) as opened:
            part = self.part()
            with part.open("xb") as copy:
                while chunk := opened.read(CHUNK):
                    copy.write(chunk)
        self.adopt(part, name)

    def get(self, backup_id: str, name: str) -> Iterator[bytes]:  # noqa: ARG002
        try:
            with self.reading(f"objects/{name}") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise Damaged(f"{self.name}: object {name} is missing") from None

    @contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        """Open a file below the folder. Raise FileNotFoundError; Damaged where it can't be read.

        A link is damage too, and so is what the disk does not give back.
        """
        kind, _, name = path.partition("/")
        try:
            with opened(self.folder / kind) as folder, open_file(name, folder) as file:
                yield file
        except OSError as error:
            if error.errno in UNREADABLE:
                raise Damaged(f"{self.name}: {path} cannot be read: {error.strerror}") from error
            raise

    def put_manifest(self, manifest: Manifest) -> None:
        part = self.part()
        part.write_bytes(encode(manifest))
        keep(part, self.folder / "manifests" / f"{manifest.id}.json")

    def file(self, name: str) -> Path:
        """Return where the object *name* lies, to be read."""
        return self.objects / name

    def part(self) -> Path:
        """Return the name of a new file for something that is being made."""
        make_folder(self.folder)
        return self.folder / f"part-{os.getpid()}-{os.urandom(4).hex()}"

    def adopt(self, part: Path, name: str) -> None:
        """Make a finished *part*, whose SHA-256 is *name*, an object."""
        keep(part, self.file(name))

    def remove(self, backup_id: str) -> None:
        """Let a backup go: its manifest first, since a backup without one does not exist."""
        (self.folder / "manifests" / f"{backup_id}.json").unlink(missing_ok=True)
        sync_folder(self.folder / "manifests")

    def sweep(self) -> int:
        """Remove what was half-made, and every object that no manifest names; return the bytes.

        What stands in a damaged manifest and could be the name of an object is one that it needs.
        """
        needed = {name for each in self.ids() for name in self.named(each)}
        return self.remove_parts() + self.remove_objects(needed)

    def named(self, backup_id: str) -> Iterable[str]:
        """Return the objects that a manifest names, as far as it can be read."""
        try:
            return self.manifest(backup_id).objects
        except Damaged:
            with suppress(Damaged), self.reading(f"manifests/{backup_id}.json") as file:
                text = file.read(MOST_BYTES).decode("ascii", errors="replace")
                return HASH.findall(text)
            return self.sizes("")

    def discard(self, ids: Collection[str], objects: Collection[str]) -> None:
        """Remove what a backup has begun that failed: all but *ids* and *objects*."""
        for each in self.ids():
            if each not in ids:
                self.remove(each)
        self.remove_objects(objects)

    def remove_objects(self, needed: Collection[str]) -> int:
        return remove([self.file(each) for each in self.sizes("") if each not in needed])

    def remove_parts(self) -> int:
        """Remove what was half-made by a run that was killed; return the bytes."""
        return remove(self.folder.glob("part-*"))

    def set_aside(self, objects: Collection[str]) -> None:
        """Move damaged objects out of the way, so that the next backup stores their files anew.

        Without encryption the same file becomes the same object: older backups are mended with it.
        """
        make_folder(self.folder / "damaged")
        for name in objects:
            with suppress(FileNotFoundError):
                self.file(name).rename(self.folder / "damaged" / name)

    @contextmanager
    def alone(self, lock: str = "lock") -> Iterator[None]:
        """Hold the folder for one process that changes it. Raise Busy where one does.

        An upload changes nothing and has a *lock* of its own: backups go on meanwhile.
        """
        make_folder(self.folder)
        with opened(self.folder) as folder, lock_file(folder, lock) as door:
            try:
                fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                msg = f"another backup command is running in {self.folder}: wait until it has ended"
                raise Busy(msg) from None
            yield


def proved(store: Store, backup_id: str, path: str, data: bytes) -> Manifest:
    """Return the manifest whose text *store* has at *path*. Raise Damaged, Untrusted."""
    try:
        manifest = decode(data)
    except Damaged as error:
        raise Damaged(f"{store.name}: {path} is damaged: {error}") from error
    if manifest.id != backup_id:
        raise Damaged(f"{store.name}: {path} holds the manifest of {manifest.id}")
    if store.trusted is not None:
        signing.check(manifest, store.trusted)
    return manifest


def remove(files: Iterable[Path]) -> int:
    """Remove *files*; return how many bytes they had."""
    freed = 0
    for file in files:
        freed += file.lstat().st_size
        file.unlink()
    return freed


def keep(part: Path, target: Path) -> None:
    """Give a finished file its name, so that it is whole or absent, whatever happens."""
    make_folder(target.parent)
    with open_file(part) as opened:
        os.fsync(opened.fileno())
    part.rename(target)
    sync_folder(target.parent)


def checked(store: Store, backup_id: str, name: str, size: int) -> Iterator[bytes]:
    """Yield an object of *size* bytes. Raise Damaged, at the last piece at the latest, where they
    are not what was put.
    """  # noqa: D205  one sentence
    digest = hashlib.sha256()
    for chunk in at_most(size, store.get(backup_id, name)):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != name:
        msg = f"{store.name}: object {name} is damaged"
        raise Damaged(msg)


def full(error: OSError, folder: Path) -> DiskFault:
    """Say that the disk of *folder* is full, or fails, as the sentence it deserves."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFault(
            f"{folder}: the disk is full. Older backups are unchanged; free some space, or keep "
            "fewer backups"
        )
    return DiskFault(f"{error.filename or folder}: {error.strerror or error}")


def from_here(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is read from a disk of this machine to be sent elsewhere.

    Raise DiskFault where it fails: an OSError would be taken for the far side's.
    """
    try:
        yield from chunks
    except OSError as error:
        raise full(error, Path(error.filename or "this machine")) from error
