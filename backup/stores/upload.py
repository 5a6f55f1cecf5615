"""Brings backups out of the house: what the far store lacks, and each manifest last.

The newest backup goes first: it holds the whole history, and what is newer than in the others.
Of its objects those go first that the backup before it names too: should the time run out, they
serve the next backup as well, which won't name the others any more.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from backup import state
from backup.latest import present
from backup.manifest import Manifest, epoch_of
from backup.paths import UNREADABLE
from backup.progress import Progress
from backup.rotation import kept
from backup.stores.folder import Folder, Store, checked
from backup.stores.sftp import Sftp
from collector import backup_options
from collector.backup_options import BackupOptions, KeepOptions, Run
from collector.errors import BackupFault, Busy, Damaged
from collector.text import counted

# Some of what is there is read back each time: over a month of hourly runs 3 GB, or most of it.
READ_BACK_BYTES = 4 << 20
MANY = 24  # backups, of a day


@dataclass
class Uploaded:
    """What a run did: *ids* completed, newest first, *bytes* brought; *late* if its time ended.

    *damaged* says what is the matter with those that could not be brought.
    """

    ids: list[str] = field(default_factory=list)
    bytes: int = 0
    late: bool = False
    damaged: list[Damaged] = field(default_factory=list)


class Late(Exception):
    """The time of this run is over."""


class RotatedAway(Exception):
    """The backup is no longer in the folder."""


def run_each(
    folder: Folder,
    stores: Sequence[Store],
    options: BackupOptions,
    progress: Progress | None = None,
    failures: Sequence[BackupFault] = (),
) -> Iterator[tuple[Store, Uploaded]]:
    """Upload to every store as *options* say. Raise BackupFault.

    One that fails costs the others nothing: its failure is raised, and recorded, after them, and
    so are *failures* of before.
    """
    failures = list(failures)
    for far in stores:
        try:
            uploaded = run(folder, far, options.upload_for, progress)
            if isinstance(far, Sftp) and not uploaded.late:
                thin(folder, far, options.keep)
            yield far, uploaded
        except Busy:
            raise
        except BackupFault as error:
            failures.append(error)
    for failure in failures[:1]:
        state.record_failure(folder.folder, "upload", failure, datetime.now(UTC))
        raise failure


def thin(folder: Folder, far: Sftp, keep: KeepOptions) -> None:
    """Remove the backups there that newer ones replace, unless they are here. Raise BackupFault.

    Azure does this by a rule of its own. It takes every manifest, so many go at a time.
    """
    with folder.alone("upload.lock"):
        there = far.ids()
        stay = {*kept(there, keep), *folder.ids()}
        gone = [each for each in there if each not in stay]
        if len(gone) >= MANY:
            far.thin(gone)


def run(folder: Folder, far: Store, for_s: float, progress: Progress | None = None) -> Uploaded:
    """Upload what waits, for *for_s* seconds, and record how that ended. Raise BackupFault.

    What has been put stays, so the next run goes on from there. An object that has begun is
    ended, whatever its time: else one that takes longer than a run would never arrive.
    """
    began = time.monotonic()
    uploaded = Uploaded()
    with folder.alone("upload.lock"):
        try:
            here, there = present(folder.ids(), datetime.now(UTC)), set(far.ids())
            try:
                for backup_id in waiting(here, there):
                    try:
                        upload(folder, far, backup_id, began + for_s, progress, uploaded)
                    except Damaged as error:  # which keeps no other one in the house
                        uploaded.damaged.append(error)
            except Late:
                uploaded.late = True
        except (BackupFault, OSError) as error:
            with suppress(OSError):
                state.record_failure(folder.folder, "upload", error, datetime.now(UTC))
            raise
        newest = here[-1] if here and here[-1] in there.union(uploaded.ids) else None
        record(folder, newest, uploaded, time.monotonic() - began)
        if uploaded.damaged:
            others = f"; complete there: {counted(len(uploaded.ids), 'other backup')}"
            fault = Damaged(f"{uploaded.damaged[0]}{others}")
            state.record_failure(folder.folder, "upload", fault, datetime.now(UTC))
            raise fault
    return uploaded


def record(folder: Folder, newest: str | None, uploaded: Uploaded, took_s: float) -> None:
    """Note that a failure before is over, and that *newest* is out of the house, if it is."""
    run = replace(
        backup_options.read_runs(folder.folder).get("upload", Run()),
        failed_at=None,
        error=None,
        new_bytes=uploaded.bytes,
        took_s=took_s,
    )
    if newest:
        done_at = datetime.now(UTC).isoformat(timespec="seconds")
        run = replace(run, done_at=done_at, id=newest)
    state.record(folder.folder, "upload", run)


def waiting(here: list[str], there: set[str]) -> list[str]:
    """Return the backups to upload, newest first.

    A month that has none there yet would cost everything once more, for an old state: only the
    newest backup begins one.
    """
    begun = {epoch_of(each) for each in (*there, *here[-1:])}
    return [each for each in reversed(here) if each not in there and epoch_of(each) in begun]


def upload(
    folder: Folder,
    far: Store,
    backup_id: str,
    until: float,
    progress: Progress | None,
    uploaded: Uploaded,
) -> None:
    """Bring one backup to the far store. Raise Late, or BackupFault."""
    try:
        manifest = manifest_here(folder, backup_id)
        there = far.sizes(backup_id)
        missing = {name: size for name, size in manifest.objects.items() if there.get(name) != size}
        if progress:
            progress.total = progress.done + sum(missing.values())
        settled = objects_before(folder, backup_id)
        for name in sorted(missing, key=lambda name: name not in settled):
            if time.monotonic() > until:
                raise Late
            put(folder, far, backup_id, name)
            uploaded.bytes += missing[name]
            if progress:
                progress(missing[name])
    except RotatedAway:
        return
    read_back(far, manifest)
    far.put_manifest(manifest)
    if far.manifest(backup_id) != manifest:
        raise Damaged(f"{far.name}: manifest {backup_id} is not what was uploaded")
    uploaded.ids.append(backup_id)


def manifest_here(folder: Folder, backup_id: str) -> Manifest:
    """Return a manifest of the folder. Raise RotatedAway where it went meanwhile."""
    try:
        return folder.manifest(backup_id)
    except Damaged:
        if backup_id in folder.ids():
            raise
        raise RotatedAway from None


def objects_before(folder: Folder, backup_id: str) -> set[str]:
    """Return what the backup before this one names; nothing where there is none."""
    older = [each for each in folder.ids() if each < backup_id]
    try:
        return set(folder.manifest(older[-1]).objects)
    except (IndexError, Damaged):
        return set()


def put(folder: Folder, far: Store, backup_id: str, name: str) -> None:
    """Bring one object. Raise RotatedAway where its backup went meanwhile."""
    try:
        far.put(backup_id, name, folder.file(name))
    except FileNotFoundError:
        if backup_id in folder.ids():
            raise Damaged(f"{folder.name}: object {name} is missing") from None
        raise RotatedAway from None
    except OSError as error:  # what is no file, or what the disk does not give back
        if error.errno not in UNREADABLE:
            raise
        raise Damaged(f"{folder.name}: object {name} cannot be read: {error.strerror}") from error


def read_back(far: Store, manifest: Manifest) -> None:
    """Compare some objects of a backup with their names. Raise Damaged."""
    objects = list(manifest.objects.items())
    random.shuffle(objects)
    left = READ_BACK_BYTES
    for name, size in objects:
        if left <= 0:
            return
        for piece in checked(far, manifest.id, name, size):
            left -= len(piece)
