"""The list of buckets that InfluxDB 2 gives: which shards there are, and what days they cover."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from collector.contract import documents

SHARDS = "influxdb/shards"
DURATIONS = ("duration", "shardGroupDuration")
NAMES = ("bucketID", "bucketName", "organizationName")
DAY = timedelta(days=1)

Buckets = list[dict[str, Any]]


@dataclass(frozen=True)
class Shard:
    """Where a shard belongs, and the span of time that it covers, without its *end*.

    InfluxDB 1 knows no organisations: *org_id* is empty then.
    """

    bucket_id: str
    bucket: str
    id: int
    start: datetime
    end: datetime
    org_id: str = ""

    def __str__(self) -> str:
        return f"shard {self.id} of bucket {self.bucket!r} ({self.start:%Y-%m-%d})"

    @property
    def folder(self) -> str:
        return f"{SHARDS}/{self.bucket_id}/{self.id}/"

    @property
    def first_day(self) -> datetime:
        return self.start.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def days(self) -> list[str]:
        whole = -((self.first_day - self.end) // DAY)
        return [f"{self.first_day + DAY * each:%Y-%m-%d}" for each in range(whole)]

    @property
    def shares_days(self) -> bool:
        """Whether other shards cover parts of its days."""
        return self.start != self.first_day or (self.end - self.start) % DAY != timedelta(0)


def parsed(data: bytes) -> Buckets:
    """Read a list of buckets. Raise ValueError where it is none, or a shard's id is no number."""
    try:
        buckets = documents.parsed(data)
        policies = [each for bucket in buckets for each in bucket["retentionPolicies"]]
        numbers = [policy[name] for policy in policies for name in DURATIONS]
        numbers += [each.id for each in listed(buckets)]
        texts = [bucket[name] for bucket in buckets for name in NAMES]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error
    if not all(type(each) is int for each in numbers):
        raise ValueError("an id or a duration is not a number")
    if not all(isinstance(each, str) for each in texts):
        raise ValueError("a name is not a text")
    return list(buckets)


def listed(buckets: Buckets) -> list[Shard]:
    """Return every shard that is not about to be dropped."""
    return [
        Shard(
            bucket["bucketID"],
            bucket["bucketName"],
            shard["id"],
            datetime.fromisoformat(group["startTime"]),
            datetime.fromisoformat(group["endTime"]),
            bucket.get("organizationID", ""),
        )
        for bucket in buckets
        for policy in bucket["retentionPolicies"]
        for group in policy["shardGroups"]
        if not group.get("deletedAt")
        for shard in group["shards"]
    ]


def without(buckets: Buckets, gone: set[int]) -> Buckets:
    """Leave out shards that are *gone*, and groups that have none left.

    A group without shards would be restored, and then refuse what is written into its time.
    """
    for bucket in buckets:
        for policy in bucket["retentionPolicies"]:
            for group in policy["shardGroups"]:
                group["shards"] = [each for each in group["shards"] if each["id"] not in gone]
            policy["shardGroups"] = [
                group
                for group in policy["shardGroups"]
                if group["shards"] and not group.get("deletedAt")
            ]
    return buckets
