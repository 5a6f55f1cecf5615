"""Proves that the newest backup outside the house can be restored, by restoring it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from backup import signing, state
from backup.chosen import choose
from backup.influxdb.kind import kind_of
from backup.influxdb.refill import refill
from backup.influxdb.restore import alone, buckets_of, require_room
from backup.latest import now_if_right, pick
from backup.manifest import Manifest
from backup.paths import make_folder
from backup.progress import Progress
from backup.stores.connect import off_site
from backup.stores.folder import Folder, Store
from backup.verify import verify
from collector import backup_options
from collector.backup_options import Run
from collector.config import Config
from collector.errors import BackupFault, Damaged
from collector.text import counted

FACTOR = 1.3  # an index beside the data, and some air
ENCRYPTED = (
    "every object is intact, but the encrypted backup was not restored, because its private key is "
    "needed: 'sudo energy-monitor backup rehearse --identity FILE'"
)
NO_INFLUXDB = (
    "every file is intact; there is neither such an InfluxDB nor Docker for a test restore"
)
NOTHING_TO_RESTORE = "every file is intact; the backup contains no InfluxDB to restore"


@dataclass(frozen=True)
class Rehearsed:
    """What was found: *points* of each bucket, none where nothing could be restored.

    *notes* says in sentences what was not proved, and why.
    """

    id: str
    store: str
    points: dict[str, int]
    notes: tuple[str, ...]
    took_s: float


@dataclass(frozen=True)
class Attempt:
    """What came of it: whether *manifest* was *restored*, or every object of it read only."""

    manifest: Manifest
    restored: bool
    notes: list[str]
    points: dict[str, int] = field(default_factory=dict)


def rehearse(
    config: Config, now: datetime, progress: Progress, identities: Sequence[str] = ()
) -> Rehearsed:
    """Restore the newest backup into an InfluxDB of its own, compare, and record how it went.

    It is the newest one outside the house where a store is connected. Raise BackupFault.
    """
    folder = Folder(config.backups)
    make_folder(folder.folder)
    began_s = time.monotonic()
    passed: list[str] = []
    try:
        store: Store = off_site(config) or folder
        store.trusted = signing.known(config.file.parent)
        with alone("the rehearsal"):
            newest = pick(store, "latest", now_if_right(config), passed.append)
            found = attempt(store, newest, config.data_dir, now, progress, identities)
    except (BackupFault, OSError) as error:
        with suppress(OSError):
            state.record_failure(folder.folder, "rehearsal", error, now)
        raise
    took_s = round(time.monotonic() - began_s, 1)
    record(folder, found, took_s)
    notes = (*passed, *found.notes)
    return Rehearsed(found.manifest.id, store.name, found.points, notes, took_s)


def record(folder: Folder, found: Attempt, took_s: float) -> None:
    """Note how it went; a backup that was only read does not take the place of a restored one."""
    before = backup_options.read_runs(folder.folder).get("rehearsal", Run())
    run = Run(
        done_at=datetime.now(UTC).isoformat(timespec="seconds"),
        id=found.manifest.id if found.restored else before.id,
        size=found.manifest.stored,
        took_s=took_s,
        left_out=None if found.restored else f"backup {found.manifest.id}: {found.notes[0]}",
    )
    state.record(folder.folder, "rehearsal", run)


def attempt(
    store: Store,
    newest: str,
    data_dir: Path,
    now: datetime,
    progress: Progress,
    identities: Sequence[str],
) -> Attempt:
    """Restore a backup as far as that is possible here."""
    manifest = store.manifest(newest)
    progress.total = manifest.stored
    if manifest.encrypted_to and not identities:
        prove(store, newest, (), progress)
        return Attempt(manifest, restored=False, notes=[ENCRYPTED])
    chosen = choose(store, newest, identities)
    kind = kind_of(manifest.influxdb)
    command = kind.find() if manifest.influxdb else None
    if command is None:
        prove(store, newest, identities, progress)
        note = NO_INFLUXDB if manifest.influxdb else NOTHING_TO_RESTORE
        return Attempt(manifest, restored=False, notes=[note])
    buckets, _ = buckets_of(chosen, now)
    shards = [(bucket, shard) for bucket in buckets for shard in bucket.shards]
    size = sum(bucket.size(shard) for bucket, shard in shards)
    require_room(data_dir, round(size * FACTOR))
    org = next((each.entry["organizationName"] for each in buckets), "rehearsal")
    with kind.running(command, data_dir / "rehearsal", org) as server:
        done = refill(chosen, server, now, progress)
    for path in chosen.manifest.files:
        if not path.startswith("influxdb/"):
            for _ in chosen.read(path):
                pass
    return Attempt(manifest, restored=True, notes=done.notes, points=done.points)


def prove(store: Store, backup_id: str, identities: Sequence[str], progress: Progress) -> None:
    """Read every object. Raise Damaged."""
    found = verify(store, backup_id, identities, progress)
    if found.damaged:
        paths = ", ".join(sorted(found.damaged)[:3])
        count = counted(len(found.damaged), "file")
        raise Damaged(f"{count} of backup {backup_id} damaged: {paths}")
