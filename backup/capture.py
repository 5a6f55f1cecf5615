"""One backup: what is new becomes objects, and the manifest, written last, makes it exist."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from backup import files, signing, state
from backup.latest import clock_is_right, present
from backup.manifest import File, Manifest, decode, encode, new_id
from backup.pack import pack
from backup.progress import Progress
from backup.stores.folder import Folder, full
from collector import __version__, backup_options
from collector.backup_options import Run
from collector.config import Config
from collector.errors import BackupFault, Damaged, DiskFault
from collector.secrets import Secret

if TYPE_CHECKING:
    from backup.influxdb.influxdb_2 import Server
    from backup.influxdb.shards import Captured

# The journal and the database are mostly on the same disk, and measuring must go on: a twentieth
# of it stays free, and on a large one what both write in some days.
SPARE_PART = 20
SPARE_BYTES = 256_000_000


class Collected(NamedTuple):
    """A manifest of what is stored now, and that of the backup before.

    *damaged* names each shard that InfluxDB did not hand out whole.
    """

    manifest: Manifest
    previous: Manifest | None
    damaged: tuple[str, ...] = ()


def capture(config: Config, now: datetime, progress: Progress) -> tuple[Manifest, Run]:
    """Make a backup and record how that ended. Raise BackupFault, EnergyMonitorError.

    Where it fails nothing of it remains, and the backups of before are as they were.
    """
    if not clock_is_right(config):
        raise BackupFault(
            "this machine's clock is not synchronised yet, and a backup is named by its time: "
            "wait, or set 'clock: {trust: always}' where a battery keeps it right"
        )
    began_s = time.monotonic()
    key = Secret(signing.NAME, config.secrets).if_given()
    store = Folder(config.backups)
    with store.alone():
        store.remove_parts()
        ids, objects = store.ids(), store.sizes("")
        try:
            manifest, previous, damaged = collect(config, store, now, progress)
            manifest = signing.sign(manifest, key) if key else unsigned(manifest)
            decode(encode(manifest))  # what could not be read again is no backup
            store.put_manifest(manifest)
        except BaseException as error:
            with suppress(OSError):  # the next run removes what this one could not
                store.discard(ids, objects)
            if isinstance(error, Exception):
                fail(store, error, now)
            raise
        run = Run(
            done_at=manifest.taken_at,
            id=manifest.id,
            size=manifest.stored,
            size_before=previous.stored if previous else 0,
            new_bytes=sum(size for name, size in manifest.objects.items() if name not in objects),
            took_s=round(time.monotonic() - began_s, 1),
            left_out=manifest.notes[0] if manifest.influxdb is None else None,
            damaged=damaged,
        )
        state.record(store.folder, "backup", run)
    return manifest, run


def collect(config: Config, store: Folder, now: datetime, progress: Progress) -> Collected:
    """Store what is new, and return the manifest of all of it."""
    recipients = config.main.backup.encrypt_to
    previous = newest(store, now)
    stored = still_there(previous, store.sizes(""), recipients) if previous else {}
    kept = {file.sha256: file for file in stored.values()}
    check_room(store, backup_options.read_runs(store.folder).get("backup", Run()).new_bytes)

    def keep(chunks: Iterable[bytes]) -> File:
        check_room(store)
        return pack(chunks, store, kept, recipients)

    found = None
    server = influxdb(config, previous)
    if not isinstance(server, str):
        from backup.influxdb import shards  # noqa: PLC0415  HTTP, which nothing else here needs

        named = replace(previous, files=stored) if previous else None
        whole = previous is not None and len(stored) == len(previous.files)
        found = shards.capture(server, named, keep, progress, now, store.folder, whole=whole)
    others, notes = files.gather(config, stored, keep, progress, store.part())
    manifest = Manifest(
        id=new_id(now, max(present(store.ids(), now), default=None)),
        previous=previous.id if previous else None,
        taken_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        program=__version__,
        site=config.main.site,
        encrypted_to=recipients,
        files=others,
        notes=tuple(notes),
    )
    if found is None:
        return Collected(replace(manifest, notes=(str(server), *notes)), previous)
    return Collected(with_influxdb(manifest, found), previous, found.damaged)


def newest(store: Folder, now: datetime) -> Manifest | None:
    """Return the newest manifest that can be read; None where there is none."""
    for each in reversed(present(store.ids(), now)):
        with suppress(Damaged):
            return store.manifest(each)
    return None


def still_there(
    previous: Manifest, objects: Mapping[str, int], recipients: tuple[str, ...]
) -> dict[str, File]:
    """Return the files of *previous* that need not be stored again.

    What is missing, cut short or encrypted to other keys must be.
    """
    if previous.encrypted_to != recipients:
        return {}
    return {
        path: file
        for path, file in previous.files.items()
        if objects.get(file.object) == file.stored
    }


def influxdb(config: Config, previous: Manifest | None) -> "Server | str":
    """Return the first InfluxDB of the configuration, or a note why none is backed up."""
    urls = [each.url for each in config.outputs.values() if each.type == "influxdb"]
    if not urls:
        return "no InfluxDB is in the configuration"
    secret = config.main.backup.admin_token or Secret("influxdb-admin-token", config.secrets)
    # What was backed up once does not drop out unnoticed: then a token that is gone is a failure.
    if secret.if_given() is None and not (previous and previous.influxdb):
        return (
            f"InfluxDB at {urls[0]} is skipped: there is no secret {secret.name!r}. Put its "
            f"operator token into {config.secrets / secret.name}, or back it up where it runs"
        )
    from backup.influxdb.influxdb_1 import connect  # noqa: PLC0415  likewise

    return connect(urls[0], secret.value())


def unsigned(manifest: Manifest) -> Manifest:
    note = "the backup is not signed: 'sudo energy-monitor backup key' makes the key"
    return replace(manifest, notes=(*manifest.notes, note))


def with_influxdb(manifest: Manifest, found: "Captured") -> Manifest:
    return replace(
        manifest,
        influxdb=found.version,
        files={**found.files, **manifest.files},
        counts=found.counts,
        hints=found.hints,
        notes=(*found.notes, *manifest.notes),
    )


def check_room(store: Folder, expected: int = 0) -> None:
    """Raise BackupFault where *expected* bytes would leave the disk too full to go on measuring."""
    disk = os.statvfs(store.folder)
    free = disk.f_bavail * disk.f_frsize
    spare = min(disk.f_blocks * disk.f_frsize // SPARE_PART, SPARE_BYTES)
    if free - expected < spare:
        raise DiskFault(
            f"{store.folder}: {free / 1e6:,.0f} MB are free, {expected / 1e6:,.0f} MB are needed, "
            f"and {spare / 1e6:,.0f} MB must stay free for measuring. Free some space: "
            "'energy-monitor backup rotate', fewer backups (backup.keep), or a disk of their own "
            "(backup.folder)"
        )


def fail(store: Folder, error: Exception, now: datetime) -> None:
    """Record a failure; raise it as DiskFault where the disk was full or failed."""
    fault = error
    if isinstance(error, OSError):
        fault = full(error, store.folder)
    with suppress(OSError):  # on a full disk; the age of the last backup tells of it too
        state.record_failure(store.folder, "backup", fault, now)
    if fault is not error:
        raise fault from error
