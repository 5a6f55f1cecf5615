"""Reads every object of a backup again, and says which files are not what was backed up."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from backup import state
from backup.chosen import Chosen
from backup.influxdb import sound
from backup.influxdb.buckets import parsed
from backup.manifest import File
from backup.pack import unpack
from backup.progress import Progress
from backup.stores.folder import Folder, Store, checked
from collector.backup_options import Run
from collector.errors import BackupFault, Damaged
from collector.text import counted


@dataclass(frozen=True)
class Verified:
    """What was found: *damaged* maps each path to what is wrong with it, in *objects*.

    *without* is the newest backup that names none of these objects; *opened* tells whether the
    contents were compared too, which takes the private key of an encrypted backup.
    """

    id: str
    files: int
    size: int
    opened: bool
    damaged: dict[str, str]
    objects: tuple[str, ...] = ()
    without: str | None = None


def verify_and_record(
    store: Store, backup_id: str, identities: Sequence[str], progress: Progress, now: datetime
) -> Verified:
    """Verify a backup; in a folder, record how that ended and set aside what is damaged.

    Raise BackupFault.
    """
    found = verify(store, backup_id, identities, progress)
    if isinstance(store, Folder) and found.damaged:
        paths = ", ".join(sorted(found.damaged)[:3])
        error = Damaged(f"{counted(len(found.damaged), 'file')} of {backup_id} damaged: {paths}")
        state.record_failure(store.folder, "verify", error, now)
        # Where another command is at work, the next verification sets them aside.
        with suppress(BackupFault), store.alone():
            store.set_aside(found.objects)
    elif isinstance(store, Folder):
        done_at = now.astimezone(UTC).isoformat(timespec="seconds")
        state.record(store.folder, "verify", Run(done_at, backup_id, found.size))
    return found


def verify(
    store: Store,
    backup_id: str,
    identities: Sequence[str],
    progress: Callable[[int], None],
) -> Verified:
    """Compare every object, and where it can be opened what is in it, with the manifest.

    Raise Damaged where there is no manifest, StoreAway.
    """
    manifest = store.manifest(backup_id)
    opened = not manifest.encrypted_to or bool(identities)
    paths: dict[File, list[str]] = defaultdict(list)
    for path, file in manifest.files.items():
        paths[file].append(path)
    damaged: dict[str, str] = {}
    broken: set[str] = set()
    for file, named in paths.items():
        try:
            compare(store, backup_id, file, identities, opened=opened)
        except Damaged as error:
            damaged |= dict.fromkeys(named, str(error))
            broken.add(file.object)
        progress(file.stored)
    damaged |= at_odds_in(Chosen(store, manifest, identities), damaged, opened=opened)
    without = newest_without(store, broken, backup_id) if damaged else None
    found = (damaged, tuple(sorted(broken)), without)
    return Verified(backup_id, len(manifest.files), manifest.stored, opened, *found)


def at_odds_in(chosen: Chosen, damaged: Collection[str], *, opened: bool) -> dict[str, str]:
    """Return what of InfluxDB does not fit together, as far as the list of buckets can be read."""
    if wrong := sound.without_list(chosen.manifest):
        return {sound.BUCKETS: wrong}
    if sound.BUCKETS not in chosen.manifest.files or sound.BUCKETS in damaged or not opened:
        return {}
    try:
        return sound.at_odds(chosen.manifest, parsed(chosen.whole(sound.BUCKETS)))
    except ValueError as error:
        return {sound.BUCKETS: f"it is not valid: {error}"}


def compare(
    store: Store, backup_id: str, file: File, identities: Sequence[str], *, opened: bool
) -> None:
    """Raise Damaged where an object, or the file in it, is not what the manifest says."""
    chunks = checked(store, backup_id, file.object, file.stored)
    if not opened:
        for _ in chunks:
            pass
        return
    digest, size = hashlib.sha256(), 0
    for chunk in unpack(chunks, file.size, identities):
        digest.update(chunk)
        size += len(chunk)
    if (size, digest.hexdigest()) != (file.size, file.sha256):
        raise Damaged(f"{store.name}: object {file.object} contains another file")


def newest_without(store: Store, broken: set[str], backup_id: str) -> str | None:
    """Return the newest backup but *backup_id* that names none of the objects *broken*."""
    for each in reversed(store.ids()):
        with suppress(Damaged):
            if each != backup_id and not broken & store.manifest(each).objects.keys():
                return each
    return None
