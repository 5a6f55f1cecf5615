"""Counts what was restored: the proof that InfluxDB took all of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from backup.buckets import Shard
from backup.influxdb import Server
from backup.progress import Progress
from backup.restore import Bucket
from collector.errors import BackupFault


@dataclass
class Work:
    """A bucket that is being filled: *shards* maps the ids of the backup to the new ones.

    *resumed* tells that an earlier run has begun it. *found* counts the restored points by UTC
    day, which *reader* is asked for.
    """

    bucket: Bucket
    org_id: str
    name: str
    id: str
    shards: Mapping[int, int]
    reader: Server
    resumed: bool = False
    found: Counter[str] = field(default_factory=Counter)


def is_there(work: Work, shard: Shard, progress: Progress) -> bool:
    """Tell whether an earlier run has brought a whole shard: it has every point of its files."""
    found = work.reader.counts(work.name, shard.start, shard.end)
    if sum(found.values()) != work.bucket.points(shard):
        return False
    progress(work.bucket.size(shard))
    work.found.update(found)
    return True


def least_of(bucket: Bucket, shard: Shard) -> int:
    """Return how many points a shard must have at least, as far as that is known beforehand."""
    points = bucket.points(shard)
    counted = 0 if shard.shares_days else bucket.told(shard.days)
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
        if points >= work.bucket.told({day for each in shards for day in each.days}):
            raise BackupFault(f"{fewer} were restored. What was there is as it was")
        notes.append(f"{fewer} are restored: InfluxDB did not hand out more for the backup")
    return notes
