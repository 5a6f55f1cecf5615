"""InfluxDB as files of a backup: its own databases, and the TSM files of every shard.

    hints ──▶ unchanged ── no ──▶ shard.read ──▶ Taken ──▶ Captured
                        └─ yes ─▶ the backup before ──┘

What is the matter with one shard never keeps the others out of a backup.
"""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from backup.influxdb.archive import pieces
from backup.influxdb.buckets import Buckets, Shard, listed, without
from backup.influxdb.influxdb_2 import Gone, Server
from backup.influxdb.shard import SPOOL_BYTES, Content, Job, Keep, read
from backup.influxdb.sound import BUCKETS
from backup.influxdb.unchanged import expected_bytes, hints_of, last_sweep, unchanged
from backup.manifest import File, Manifest, epoch_of, new_id
from backup.progress import Progress
from backup.stores.folder import full

KV, SQL = "influxdb/kv", "influxdb/sql"
META = "influxdb/meta"  # of InfluxDB 1, instead of both


class Captured(NamedTuple):
    """What InfluxDB holds, as fields of a manifest. *counts* go by the ids of buckets.

    Of the *notes*, *damaged* are those on shards that InfluxDB does not hand out whole.
    """

    version: str
    files: dict[str, File]
    counts: dict[str, dict[str, int]]
    hints: dict[str, Any]
    notes: tuple[str, ...]
    damaged: tuple[str, ...]


class Taken(NamedTuple):
    """What a backup has of one shard; where InfluxDB has dropped it, only a note on that."""

    files: Mapping[str, File]
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    damaged: bool = False
    gone: bool = False


def capture(
    server: Server,
    previous: Manifest | None,
    keep: Keep,
    progress: Progress,
    now: datetime,
    scratch: Path,
    *,
    whole: bool = True,
) -> Captured:
    """Hand every file of InfluxDB that is not stored yet to *keep*, and return what there is.

    *previous* is the backup before, with those of its files that can be named again; *whole* says
    that these are all. The first backup of a month names nothing again that was compacted since.
    *scratch* is a folder for unnamed files. Raise BackupFault.
    """
    again = previous if previous and whole and is_same_month(previous, now) else None
    version, seen = server.version(), server.hints()
    swept_at = last_sweep(again, seen, now)
    try:
        files, buckets = databases(server, keep, scratch)
        shards = listed(buckets)
        same = [each for each in shards if swept_at and unchanged(each, again, seen, now)]
        other = [each for each in shards if each not in same]
        progress.total = sum(expected_bytes(each, seen) for each in other)
        job = Job(server, keep, progress, now, scratch)
        taken = {each: carried(each, again) for each in same}
        taken |= {each: take(job, each, again, previous) for each in other}
        gone = {shard.id for shard, each in taken.items() if each.gone}
        files[BUCKETS] = keep([json.dumps(without(buckets, gone)).encode()])
    except OSError as error:
        raise full(error, scratch) from error
    damaged = {shard.id: each.notes[0] for shard, each in taken.items() if each.damaged}
    hints = hints_of(seen, swept_at or now, damaged)
    return captured(version, files, taken, hints, tuple(damaged.values()))


def captured(
    version: str,
    files: dict[str, File],
    taken: Mapping[Shard, Taken],
    hints: dict[str, Any],
    damaged: tuple[str, ...],
) -> Captured:
    """Put together what there is of all shards, beside the *files* of InfluxDB's own databases."""
    counts: dict[str, dict[str, int]] = {}
    for shard, each in taken.items():
        files |= each.files
        if each.counts:  # where shards share a day, each was told all of it
            counts.setdefault(shard.bucket_id, {}).update(each.counts)
    notes = tuple(note for each in taken.values() for note in each.notes)
    return Captured(version, files, counts, hints, notes, damaged)


def is_same_month(previous: Manifest, now: datetime) -> bool:
    return epoch_of(new_id(now, previous.id)) == epoch_of(previous.id)


def databases(server: Server, keep: Keep, scratch: Path) -> tuple[dict[str, File], Buckets]:
    """Keep InfluxDB's own databases; return them, and the buckets that it lists."""
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=str(scratch)) as spool:
        found = server.metadata(spool)
        parts = found.databases.items()
        files = {f"influxdb/{name}": keep(pieces(spool, part)) for name, part in parts}
    return files, found.buckets


def take(job: Job, shard: Shard, again: Manifest | None, previous: Manifest | None) -> Taken:
    """Read a shard. Where it is damaged, what the backup before has of it remains."""
    try:
        content = read(job, shard, files_of(shard, again))
    except Gone:
        note = f"{shard} was dropped by InfluxDB during the backup: its time is over"
        return Taken({}, {}, (note,), gone=True)
    if content.whole:
        return Taken(content.files, content.counted, remarks(shard, content))
    old = files_of(shard, previous)
    note = damage(shard, content, old)
    return Taken({**old, **content.files}, counts_of(shard, previous), (note,), damaged=True)


def carried(shard: Shard, previous: Manifest | None) -> Taken:
    """Return what the backup before has of a shard."""
    notes = previous.notes if previous else ()
    ours = tuple(note for note in notes if note.startswith(f"{shard}: "))
    return Taken(files_of(shard, previous), counts_of(shard, previous), ours)


def files_of(shard: Shard, previous: Manifest | None) -> dict[str, File]:
    before = previous.files if previous else {}
    return {path: file for path, file in before.items() if path.startswith(shard.folder)}


def counts_of(shard: Shard, previous: Manifest | None) -> dict[str, int]:
    before = previous.counts.get(shard.bucket_id, {}) if previous else {}
    return {day: before[day] for day in shard.days if day in before}


def remarks(shard: Shard, content: Content) -> tuple[str, ...]:
    """Say what a restoration of this shard should know."""
    found = []
    if content.deleted:
        found.append(
            f"{shard}: points were deleted there that a restoration brings back, until InfluxDB "
            "has compacted them away"
        )
    if content.uncounted:
        found.append(
            f"{shard}: what InfluxDB hands out of it is in the backup, but not counted: "
            f"{content.uncounted}"
        )
    expected = sum(content.counted.values())
    if content.points < expected and not shard.shares_days:
        found.append(
            f"{shard}: InfluxDB counts {expected:,} points and handed out {content.points:,}: it "
            "was writing down the newest ones, which the next backup has"
        )
    return tuple(found)


def damage(shard: Shard, content: Content, old: Mapping[str, File]) -> str:
    """Say what InfluxDB does not hand out whole, and what is in the backup instead."""
    what = "; ".join((*content.damaged, *filter(None, [content.cut])))
    held = "what the one before it has, and the files" if old else "those files alone"
    return (
        f"{shard}: InfluxDB hands it out damaged ({what}). Of this shard the backup holds {held} "
        "that are sound; see whether the disk is failing, and restore the shard from an earlier "
        "backup"
    )
