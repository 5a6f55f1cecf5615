"""A backup that was chosen to be restored: which is meant, can all of it be had, and its files.

    store ──▶ chosen ──▶ refill     the buckets of a running InfluxDB
                         stock      a folder that 'influx restore' takes
                         putback    the files of this machine

What can be known beforehand is found out here: a missing object, a private key that doesn't fit.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backup.manifest import SECRETS, Manifest, epoch_of
from backup.pack import ON_DISK, SPOOL_BYTES, unpack
from backup.paths import is_name
from backup.stores.folder import Store, checked, full
from collector.contract.documents import parsed
from collector.errors import BackupFault, Damaged

WHOLE_BYTES = 64 << 20  # of a file that is read into memory: a list of buckets has 1 MB


@dataclass(frozen=True)
class Chosen:
    """A backup to be restored: where it is kept, what it holds, and private keys to open it."""

    store: Store
    manifest: Manifest
    identities: Sequence[str] = ()

    @property
    def id(self) -> str:
        return self.manifest.id

    def under(self, folder: str) -> list[str]:
        """Return the paths of the backup that lie in *folder*."""
        return sorted(path for path in self.manifest.files if path.startswith(f"{folder}/"))

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file in pieces. Raise Damaged, at the last one at the latest."""
        file = self.manifest.files[path]
        digest, size = hashlib.sha256(), 0
        try:
            packed = checked(self.store, self.id, file.object, file.stored)
            for chunk in unpack(packed, file.size, self.identities):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
        except Damaged as error:
            raise self.unusable(f"{path}: {error}", {file.object}) from error
        if (size, digest.hexdigest()) != (file.size, file.sha256):
            why = f"{path}: {self.store.name}: object {file.object} contains another file"
            raise self.unusable(why, {file.object})

    def whole(self, path: str) -> bytes:
        """Return a file that fits into memory. Raise Damaged."""
        size = self.manifest.files[path].size
        if size > WHOLE_BYTES:
            raise self.unusable(f"{path}: {size:,} bytes are more than such a file has", set())
        return b"".join(self.read(path))

    def secrets(self) -> dict[str, bytes]:
        """Return what each secret is by its name; nothing where the backup holds none.

        Raise Damaged where one is not a secret, or has a name that is no file's.
        """
        if SECRETS not in self.manifest.files:
            return {}
        try:
            found = parsed(self.whole(SECRETS))["secrets"]
            secrets = {name: str.encode(each) for name, each in found.items()}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self.unusable(f"{SECRETS} is not valid: {error}", set()) from error
        if not all(map(is_name, secrets)):
            raise self.unusable(f"{SECRETS} is not valid: a name in it is no file's", set())
        return secrets

    def spooled(self, path: str) -> IO[bytes]:
        """Return a file, proved, as an unnamed one to read from. Raise Damaged."""
        spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=ON_DISK)  # noqa: SIM115  for the caller
        try:
            for chunk in self.read(path):
                spool.write(chunk)
        except OSError as error:
            spool.close()
            raise full(error, Path(ON_DISK)) from error
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool

    def unusable(self, why: str, broken: AbstractSet[str]) -> Damaged:
        """Say that this backup can't be restored, and which one can."""
        return Damaged(f"backup {self.id} can't be restored: {why}. {offer(self.store, broken)}")


def choose(store: Store, backup_id: str, identities: Sequence[str] = ()) -> Chosen:
    """Return a backup whose objects are all there and can be opened.

    Raise BackupFault: Damaged where it can't be used, with the newest one that can.
    """
    try:
        chosen = Chosen(store, store.manifest(backup_id), identities)
    except Damaged as error:
        raise Damaged(f"{error}. {offer(store, set())}") from error
    manifest = chosen.manifest
    missing = lacking(manifest, store.sizes(backup_id))
    if missing:
        why = f"{len(missing)} of its {len(manifest.objects)} objects are missing or truncated"
        oldest = min(epoch_of(each) for each in store.ids())
        if store.forgets and epoch_of(backup_id) == oldest:
            why += f"; it is of the oldest month there, {oldest}, which the store's rule deletes"
        raise chosen.unusable(why, missing)
    if manifest.encrypted_to and not identities:
        raise BackupFault(
            f"backup {backup_id} is encrypted: its private key is needed, as --identity FILE"
        )
    if manifest.files:  # the smallest one shows whether the key fits
        chosen.whole(min(manifest.files, key=lambda path: manifest.files[path].stored))
    return chosen


def is_encrypted(store: Store, backup_id: str) -> bool:
    with suppress(Damaged):
        return bool(store.manifest(backup_id).encrypted_to)
    return False


def lacking(manifest: Manifest, there: Mapping[str, int]) -> set[str]:
    """Return the objects of a backup that are not there, or not of their size."""
    return {name for name, size in manifest.objects.items() if there.get(name) != size}


def offer(store: Store, broken: AbstractSet[str]) -> str:
    """Name the newest backup all of whose objects are there, and none of them *broken*."""
    sizes: dict[str, dict[str, int]] = {}
    for each in reversed(store.ids()):
        with suppress(Damaged):
            manifest = store.manifest(each)
            there = sizes.setdefault(epoch_of(each), {}) or store.sizes(each)
            sizes[epoch_of(each)] = there
            if not (broken & manifest.objects.keys() or lacking(manifest, there)):
                return f"The newest one that can be restored is {each}"
    return f"{store.name} contains no other one that can be restored"
