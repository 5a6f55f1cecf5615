"""One shard of InfluxDB: its files are read and checked, and kept where they are not stored yet.

What InfluxDB has compacted since it was stored is not stored again, until the shard is over.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO

from backup.influxdb import tsm
from backup.influxdb.archive import CHUNK
from backup.influxdb.buckets import DAY, Shard
from backup.influxdb.influxdb_2 import Gone, Refused, Server
from backup.manifest import File
from backup.progress import Progress
from collector.errors import BackupFault, Damaged, DiskFault

SPOOL_BYTES = 4_000_000  # an hour of a house has 200 kB; what is larger waits in a file
# Where InfluxDB is writing memory to its card as we ask, it hands out a shard without its newest
# points; a second later it is done (influxdb 2.9.1: tsm1/engine.go CreateSnapshot).
PAUSES_S = (1, 5)
MANY = 8  # files of a shard that is over, for which its one compacted file is stored after all

Keep = Callable[[Iterable[bytes]], File]


@dataclass(frozen=True)
class Job:
    """What a backup of shards works with: *keep* stores a file, *scratch* is for unnamed ones."""

    server: Server
    keep: Keep
    progress: Progress
    now: datetime
    scratch: Path


@dataclass
class Content:
    """What a shard was found to hold. *deleted*: points that a restoration would bring back.

    *damaged* tells of each file that is not whole, *cut* why InfluxDB did not hand out all.
    *counted* is what InfluxDB counts per UTC day, *uncounted* why it does not.
    """

    files: dict[str, File] = field(default_factory=dict)
    points: int = 0
    deleted: bool = False
    damaged: list[str] = field(default_factory=list)
    cut: str = ""
    counted: dict[str, int] = field(default_factory=dict)
    uncounted: str = ""

    @property
    def whole(self) -> bool:
        return not (self.damaged or self.cut)


def read(job: Job, shard: Shard, old: Mapping[str, File]) -> Content:
    """Read a shard until it has as many points as InfluxDB counts in it.

    It is counted last, and not where a block is damaged: InfluxDB never ends counting there.
    Raise Gone where it is dropped, BackupFault where InfluxDB is away or does not let us in.
    """
    content = insist(job, shard, old)
    if not content.whole:
        return content
    try:
        counted = count(job, shard, content.points)
    except Refused:
        raise
    except BackupFault as error:
        return replace(content, uncounted=str(error))
    for pause_s in PAUSES_S:
        if shard.shares_days or content.points >= sum(counted.values()):
            break
        time.sleep(pause_s)
        content = insist(job, shard, old)
    return replace(content, counted=counted)


def count(job: Job, shard: Shard, points: int) -> dict[str, int]:
    """Count the points of a shard's days until now; none of InfluxDB's own buckets.

    Fewer than the *points* of its files are counted again: InfluxDB 2.9.1 leaves out a shard at
    times while it opens another one. They may be fewer, where points were written twice.
    """
    if shard.bucket.startswith("_") or shard.first_day >= job.now:
        return {}
    end = min(shard.first_day + DAY * len(shard.days), job.now)
    found = job.server.counts(shard.bucket_id, shard.org_id, shard.first_day, end)
    if sum(found.values()) < points:
        again = job.server.counts(shard.bucket_id, shard.org_id, shard.first_day, end)
        found = max(found, again, key=lambda each: sum(each.values()))
    return found


def insist(job: Job, shard: Shard, old: Mapping[str, File]) -> Content:
    """Ask again what failed: a file that is compacted as it is handed out answers 500."""
    for pause_s in PAUSES_S:
        content = read_once(job, shard, old)
        if not content.cut:
            return content
        time.sleep(pause_s)
    content = read_once(job, shard, old)
    if content.cut:
        job.server.ping()  # where it is away altogether, that is no matter of this shard
    return content


def read_once(job: Job, shard: Shard, old: Mapping[str, File]) -> Content:
    """Keep the files of a shard that are new and sound. Raise Gone; DiskFault, OSError of ours."""
    content = Content()
    before = -1
    try:
        with closing(job.server.shard(shard.id)) as members:
            for name, _, chunks in members:
                if name.endswith(".tsm"):
                    before = take(job, shard, name, chunks, before, old, content)
                content.deleted |= name.endswith(".tombstone")
    except (Gone, Refused, DiskFault):
        raise
    except BackupFault as error:
        content.cut = str(error)
    return content


def take(
    job: Job,
    shard: Shard,
    name: str,
    chunks: Iterable[bytes],
    before: int,
    old: Mapping[str, File],
    content: Content,
) -> int:
    """Add a file, or its damage, to *content*, and return its generation."""
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=str(job.scratch)) as spool:
        sha256 = copy(chunks, spool, job.progress)
        path = shard.folder + name
        if path in old and old[path].sha256 == sha256:
            found = {path: old[path]}
        else:
            try:
                summary, generation = tsm.check(spool), tsm.generation(name)
            except Damaged as error:
                content.damaged.append(f"{name}: {error}")
                return before
            over = shard.end <= job.now
            found = stored_as(summary, before, generation, old, over=over) or {
                path: replace(job.keep(whole(spool)), tsm=summary)
            }
    content.files |= found
    content.points += sum(file.tsm[0] for file in found.values() if file.tsm)
    return tsm.generation(name)


def stored_as(
    new: tsm.Summary, before: int, generation: int, old: Mapping[str, File], *, over: bool
) -> dict[str, File]:
    """Return the stored files that hold what a *new* file holds; none where it has to be stored.

    InfluxDB has compacted into it what it had of the generations after the file *before* it and
    up to its own. It had shown all of these to the previous backup, if that knows a generation
    as new as its own: then nothing else can have gone in, and equal sums prove that nothing was
    left out. It is stored all the same, once, where the shard is *over* and it replaces MANY.
    """
    generations = {path: tsm.generation(path.rpartition("/")[2]) for path in old}
    if generation > max(generations.values(), default=-1):
        return {}
    parts = {path: old[path] for path, each in generations.items() if before < each <= generation}
    if over and len(parts) == len(old) >= MANY:
        return {}
    return parts if tsm.made_of(new, [file.tsm for file in parts.values() if file.tsm]) else {}


def copy(chunks: Iterable[bytes], spool: IO[bytes], progress: Progress) -> str:
    """Write *chunks* and return their SHA-256."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        spool.write(chunk)
        progress(len(chunk))
    return digest.hexdigest()


def whole(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    while chunk := spool.read(CHUNK):
        yield chunk
