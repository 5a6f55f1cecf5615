"""What every restoration needs: which buckets and shards there are to restore, files ahead of
their use, room for them, and that no other one is at work in the same place.
"""  # noqa: D205  one sentence

import os
import socket
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from backup.chosen import Chosen
from backup.influxdb.buckets import SHARDS, Buckets, Shard, listed, parsed, without
from backup.influxdb.sound import BUCKETS, at_odds, without_list
from backup.manifest import File
from collector.errors import BackupFault

# A store far away takes its time over each object: so many come meanwhile. More don't make it
# faster, and each may fill pack.SPOOL_BYTES of memory.
AHEAD = 4
SPARE_BYTES = 200_000_000  # measuring must go on meanwhile, on the same disk


@dataclass
class Refilled:
    """What was done: the points of each bucket that was restored, under its own name.

    *kept* has, for such a bucket, the name that the one has now which was there before.
    """

    points: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bucket:
    """A bucket to restore: *entry* as InfluxDB told it, with what is left out gone from it.

    *shards* are those to restore, each with its files by their paths in the backup. *counted* is
    how many points InfluxDB told for each UTC day of which nothing is left out.
    """

    entry: dict[str, Any]
    shards: dict[Shard, dict[str, File]]
    counted: dict[str, int]

    @property
    def name(self) -> str:
        return str(self.entry["bucketName"])

    @property
    def paths(self) -> list[str]:
        return [path for files in self.shards.values() for path in files]

    def size(self, shard: Shard) -> int:
        return sum(file.size for file in self.shards[shard].values())

    def counted_on(self, days: Iterable[str]) -> int:
        return sum(self.counted.get(day, 0) for day in days)

    def points(self, shard: Shard) -> int | None:
        """Return how many points the files of a shard hold; what is in two of them counts twice.

        None where the backup does not tell.
        """
        summaries = [file.tsm for file in self.shards[shard].values()]
        return sum(each[0] for each in summaries if each) if all(summaries) else None


def buckets_of(chosen: Chosen, now: datetime) -> tuple[list[Bucket], list[str]]:
    """Return the buckets of a backup, and notes on what of them is left out. Raise BackupFault.

    That are shards whose time is over, which InfluxDB would drop while they are being restored.
    InfluxDB's own buckets are among those returned: their names begin with '_'.
    """
    if wrong := without_list(chosen.manifest):
        raise chosen.unusable(f"{BUCKETS}: {wrong}", set())
    if BUCKETS not in chosen.manifest.files:
        return [], [f"backup {chosen.id} contains no InfluxDB"]
    try:
        listing = parsed(chosen.whole(BUCKETS))
    except ValueError as error:
        raise chosen.unusable(f"{BUCKETS} is not valid: {error}", set()) from error
    if faults := at_odds(chosen.manifest, listing):
        path, wrong = next(iter(faults.items()))
        raise chosen.unusable(f"{path}: {wrong}", set())
    files: dict[str, dict[str, File]] = {}
    for path in chosen.under(SHARDS):
        files.setdefault(path.rpartition("/")[0] + "/", {})[path] = chosen.manifest.files[path]
    late = expired(listing, now)
    shards = {each: files[each.folder] for each in listed(listing) if each.folder in files}
    kept = {each: own for each, own in shards.items() if each not in late}
    without(listing, {each.id for each in listed(listing)} - {each.id for each in kept})
    buckets = []
    for entry in listing:
        ours = {each: own for each, own in kept.items() if each.bucket_id == entry["bucketID"]}
        partly = {day for each in late if each.bucket_id == entry["bucketID"] for day in each.days}
        counts = chosen.manifest.counts.get(entry["bucketID"], {})
        buckets.append(
            Bucket(entry, ours, {day: counts[day] for day in counts if day not in partly})
        )
    return buckets, [
        f"{each} is skipped: its retention has ended" for each in shards if each in late
    ]


def expired(listing: Buckets, now: datetime) -> set[Shard]:
    """Return the shards whose bucket keeps nothing that old."""
    keeps_us = {
        entry["bucketID"]: policy["duration"] / 1000
        for entry in listing
        for policy in entry["retentionPolicies"]
        if policy["duration"]
    }
    return {
        each
        for each in listed(listing)
        if each.bucket_id in keeps_us
        and each.end <= now - timedelta(microseconds=keeps_us[each.bucket_id])
    }


def ahead(chosen: Chosen, paths: Iterable[str]) -> Generator[IO[bytes], None, None]:
    """Yield files of a backup, in order, each to be closed; the next ones come meanwhile.

    Raise Damaged. It is to be closed itself where not all of it is taken.
    """
    under_way: deque[Future[IO[bytes]]] = deque()
    pool = ThreadPoolExecutor(AHEAD)
    try:
        for path in paths:
            under_way.append(pool.submit(chosen.spooled, path))
            if len(under_way) == AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        for each in under_way:
            if not each.cancelled() and not each.exception():
                each.result().close()


def require_room(folder: Path, wanted: int) -> None:
    """Raise BackupFault where *wanted* bytes don't fit on the disk of *folder*."""
    while not folder.exists():
        folder = folder.parent
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < wanted + SPARE_BYTES:
        raise BackupFault(
            f"{folder}: {wanted / 1e6:,.0f} MB are needed and {SPARE_BYTES / 1e6:,.0f} MB must "
            f"stay free, but only {free / 1e6:,.0f} MB are free. Nothing was changed; free some "
            "space"
        )


@contextmanager
def alone(place: str) -> Iterator[None]:
    """Be the only restoration into *place* on this machine. Raise BackupFault where one runs.

    The name of a socket is a lock that ends with its process, whoever that runs as.
    """
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.bind(f"\0energy-monitor-restore {place}"[:100].encode())
        except OSError as error:
            msg = f"another restoration into {place} is running: wait until it has finished"
            raise BackupFault(msg) from error
        yield
