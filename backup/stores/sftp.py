"""Backups in a folder of another computer that offers SFTP: a NAS, a server, a storage box.

It holds what a folder of this computer would (``stores.folder``), so whoever mounts or copies it
has backups. A file is written under a name that nothing refers to, and then gets its own.
"""

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from backup.manifest import MOST_BYTES, Manifest, encode, is_id
from backup.paths import HASH, at_most
from backup.stores import ssh
from backup.stores.folder import proved
from backup.stores.https import PAUSES_S
from backup.stores.pace import pieces_of
from backup.stores.sftp_line import NotAdmitted, OtherServer, Session
from backup.stores.sftp_message import NO_SUCH_FILE, PERMISSION_DENIED, Lost, Refused
from backup.stores.ssh import ALIAS, Login
from collector.errors import Damaged, StoreAway
from collector.files import open_file

OTHER_SERVER = (
    "this is not the server that was connected: its host key is another. Where it was set up anew, "
    "remove the secret backup-sftp and connect it again; else somebody stands in between"
)
T = TypeVar("T")


class Missing(StoreAway):
    """A file or folder is not there."""


class Sftp:
    """Backups where *login* leads; uploads take at most *rate* bytes a second, 0 for all of it."""

    def __init__(self, login: Login, rate: int = 0) -> None:
        self.login = login
        self.name = login.address
        self.rate = rate
        self.trusted: Collection[str] | None = None
        self.forgets = False
        self.session: Session | None = None
        self.lock = threading.RLock()  # one request at a time
        self.has_folders = False

    def ids(self) -> list[str]:
        names = self.names("manifests")
        found = {name.removesuffix(".json") for name in names if name.endswith(".json")}
        return sorted(each for each in found if is_id(each))

    def manifest(self, backup_id: str) -> Manifest:
        path = self.path("manifests", f"{backup_id}.json")
        try:
            data = b"".join(at_most(MOST_BYTES, self.read(path)))
        except Missing:
            raise Damaged(f"{self.name}: there is no backup {backup_id}") from None
        except Damaged as error:
            raise Damaged(f"{self.name}: {path} is damaged: {error}") from error
        return proved(self, backup_id, path, data)

    def sizes(self, backup_id: str) -> dict[str, int]:  # noqa: ARG002  it keeps no month apart
        found = self.names("objects")
        return {name: size for name, size in found.items() if HASH.fullmatch(name)}

    def put(self, backup_id: str, name: str, file: Path) -> None:  # noqa: ARG002
        with open_file(file) as opened:

            def pieces() -> Iterator[bytes]:
                digest = hashlib.sha256()
                for piece in pieces_of(opened, self.rate):
                    digest.update(piece)
                    yield piece
                if digest.hexdigest() != name:
                    raise Damaged(f"{file} is damaged; it is not uploaded")

            self.keep(self.path("objects", name), os.fstat(opened.fileno()).st_size, pieces)

    def get(self, backup_id: str, name: str) -> Iterator[bytes]:  # noqa: ARG002
        try:
            yield from self.read(self.path("objects", name))
        except Missing:
            raise Damaged(f"{self.name}: object {name} is missing") from None

    def put_manifest(self, manifest: Manifest) -> None:
        data = encode(manifest)
        self.keep(self.path("manifests", f"{manifest.id}.json"), len(data), lambda: [data])

    def check(self) -> list[str]:
        """Return ``ids``, having tried each right that is needed. Raise StoreAway.

        What is written for that is removed again, where that is allowed.
        """
        ids = self.ids()
        probe = self.path(f"part-{secrets.token_hex(4)}")

        def write(session: Session) -> None:
            self.make_folders(session)
            session.make(probe, [b"probe"])
            with suppress(Refused):
                session.remove(probe)

        self.again(write)
        return ids

    def thin(self, gone: Collection[str]) -> bool:
        """Remove the backups *gone*, what only they needed, and what was half-made.

        Return False where the server lets us remove nothing. Raise Damaged, with nothing removed,
        where the manifest of a backup that stays can't be read.
        """
        stay = [each for each in self.ids() if each not in gone]
        needed = {name for each in stay for name in self.manifest(each).objects}
        if not self.remove(self.path("manifests", f"{each}.json") for each in gone):
            return False
        self.remove(self.path("objects", each) for each in self.sizes("") if each not in needed)
        self.remove(self.path(each) for each in self.names() if each.startswith("part-"))
        return True

    def remove(self, paths: Iterable[str]) -> bool:
        """Remove files that may be gone already. Return False where that is not allowed."""
        left = list(paths)

        def work(session: Session) -> bool:
            while left:
                try:
                    session.remove(left[-1])
                except Refused as error:
                    if error.code == PERMISSION_DENIED:
                        return False
                    if error.code != NO_SUCH_FILE:
                        raise
                left.pop()
            return True

        return self.again(work)

    def fingerprint(self) -> str:
        """Return that of the server's key, which is believed where none is known yet."""
        self.again(lambda _: None)
        return ssh.fingerprint(self.login.host_key)

    # --- files ---------------------------------------------------------------------------------

    def path(self, *names: str) -> str:
        return str(PurePosixPath(self.login.path, *names))

    def names(self, folder: str = "") -> dict[str, int]:
        return self.again(lambda session: dict(session.files(self.path(folder))))

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes, going on after a cut where it was. Raise Missing."""
        at = 0
        opened: tuple[Session, bytes] | None = None

        def more(session: Session) -> bytes:
            nonlocal opened
            if opened is None or opened[0] is not session:
                opened = (session, session.open(path))
            piece = session.read(opened[1], at)
            if not piece:
                session.close_file(opened[1])
            return piece

        while piece := self.again(more):
            at += len(piece)
            yield piece

    def keep(self, path: str, size: int, pieces: Callable[[], Iterable[bytes]]) -> None:
        """Write a file once, or see that it is there. Raise Damaged where something else is."""

        def write(session: Session) -> None:
            if self.is_there(session, path, size):
                return
            self.make_folders(session)
            part = self.path(f"part-{secrets.token_hex(8)}")
            try:
                session.make(part, pieces())
                session.rename(part, path)
            except Lost:
                raise
            except (Refused, Damaged) as error:
                with suppress(Refused):
                    session.remove(part)
                if isinstance(error, Damaged) or not self.is_there(session, path, size):
                    raise

        self.again(write)

    def is_there(self, session: Session, path: str, size: int) -> bool:
        there = session.size(path)
        if there not in {None, size}:
            raise Damaged(
                f"{self.name}: {path} is there already and is something else; it is never "
                "overwritten: remove it there, and the next upload puts it right"
            )
        return there is not None

    def make_folders(self, session: Session) -> None:
        if self.has_folders:
            return
        folder = PurePosixPath(self.login.path)
        above = [each for each in reversed(folder.parents) if each.name]
        for each in (*above, folder, folder / "manifests", folder / "objects"):
            session.make_folder(str(each))
        self.has_folders = True

    def not_admitted(self) -> str:
        """Say how the server lets us in."""
        half = ssh.public_half(self.login.private_key)
        return (
            f"add this line to the file .ssh/authorized_keys of its user {self.login.user}: {half}"
        )

    # --- the connection ------------------------------------------------------------------------

    def again(self, work: Callable[[Session], T]) -> T:
        """Do *work* until the connection holds for it. Raise StoreAway."""
        with self.lock:
            for pause_s in (*PAUSES_S, None):
                try:
                    return work(self.connected())
                except Lost as error:
                    self.hang_up()
                    if pause_s is None:
                        what = f"{error}; the next run continues from here"
                        raise StoreAway(f"{self.name}: {what}") from None
                    time.sleep(pause_s)
                except Refused as error:
                    kind = Missing if error.code == NO_SUCH_FILE else StoreAway
                    raise kind(f"{self.name}: the server refuses: {error}") from None
                except NotAdmitted as error:
                    raise NotAdmitted(f"{self.name}: {error}; {self.not_admitted()}") from None
                except OtherServer:
                    raise OtherServer(f"{self.name}: {OTHER_SERVER}") from None
                except StoreAway as error:
                    raise StoreAway(f"{self.name}: {error}") from None
            raise AssertionError

    def connected(self) -> Session:
        if self.session is None:
            with (
                ssh.in_memory(self.login.private_key) as key,
                ssh.in_memory(
                    f"{ALIAS} {self.login.host_key}\n" * bool(self.login.host_key)
                ) as known,
            ):
                self.session = Session(ssh.command(self.login, key, known))
                learned = known.read_text(encoding="ascii").split()
            self.login = replace(self.login, host_key=" ".join(learned[1:3]))
        return self.session

    def hang_up(self) -> None:
        if self.session:
            self.session.close()
            self.session = None
