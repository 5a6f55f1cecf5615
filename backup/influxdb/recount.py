"""Counts what was restored: the proof that InfluxDB took all of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from backup.influxdb.buckets import Shard
from backup.influxdb.influxdb_2 import Server
from backup.influxdb.restore import Bucket
from backup.progress import Progress
from collector.errors import BackupFault

AT_ONCE = 10  # shards: a Pi counts those of months within InfluxDB's patience, of years it may not


@dataclass
class Work:
    """A bucket that is being filled: *shards* maps the ids of the backup to the new ones.

    *resumed* tells that an earlier run has begun it. *found* counts the restored points by UTC
    day.
    """

    bucket: Bucket
    org_id: str
    name: str
    id: str
    shards: Mapping[int, int]
    resumed: bool = False
    found: Counter[str] = field(default_factory=Counter)

    def points(self, shard: Shard) -> int:
        """Return how many points of the days of a shard are there."""
        return sum(self.found[day] for day in shard.days)


def is_there(server: Server, work: Work, shard: Shard, progress: Progress) -> bool:
    """Tell whether an earlier run has brought a whole shard: it has every point of its files."""
    found = server.counts(work.id, work.org_id, shard.start, shard.end)
    if sum(found.values()) != work.bucket.points(shard):
        return False
    progress(work.bucket.size(shard))
    return True


def count(server: Server, work: Work) -> None:
    """Count every point that was restored, some shards at a time."""
    work.found.clear()
    shards = sorted(work.bucket.shards, key=lambda each: each.start)
    for at in range(0, len(shards), AT_ONCE):
        some = shards[at : at + AT_ONCE]
        work.found.update(server.counts(work.id, work.org_id, some[0].start, some[-1].end))


def lacking(work: Work) -> list[Shard]:
    """Return the shards of which points are missing; one that shares its days can't be told."""
    shards = work.bucket.shards
    return [each for each in shards if work.points(each) < least_of(work.bucket, each)]


def least_of(bucket: Bucket, shard: Shard) -> int:
    """Return how many points a shard must have at least, as far as that is known beforehand."""
    points = bucket.points(shard)
    counted = 0 if shard.shares_days else bucket.counted_on(shard.days)
    return counted if points is None else min(counted, points)


def compare(work: Work) -> list[str]:
    """Compare the restored points of each UTC day with those that InfluxDB told for the backup.

    Return what has to be known of it. Raise BackupFault where points are missing that the files
    hold.
    """
    notes = []
    for day, counted in sorted(work.bucket.counted.items()):
        if work.found[day] >= counted:
            continue
        fewer = f"bucket {work.bucket.name!r}, {day}: {work.found[day]:,} of {counted:,} points"
        shards = [each for each in work.bucket.shards if day in each.days]
        points = sum(work.bucket.points(each) or 0 for each in shards)
        if points >= work.bucket.counted_on({day for each in shards for day in each.days}):
            raise BackupFault(f"{fewer} were restored. What was there is as it was")
        notes.append(f"{fewer} are restored: InfluxDB did not hand out more for the backup")
    return notes
