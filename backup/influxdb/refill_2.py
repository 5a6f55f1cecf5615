"""Restores the buckets of InfluxDB 2 beside those that are there, and swaps names at the end.

    energy-restoring-ID   made, and filled shard by shard; found again after an interruption
    energy                what was there becomes energy-before-ID, and the restored one energy
    energy-replaced-ID    likewise, where it is to be deleted: at the very end

An upload that succeeded proves nothing (see ``backup.influxdb.influxdb_2``), so points are counted.
"""

import copy
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

from backup.chosen import Chosen
from backup.influxdb.buckets import listed
from backup.influxdb.fill import check, fill
from backup.influxdb.influxdb_2 import Failed, Server
from backup.influxdb.recount import Work, compare
from backup.influxdb.restore import Bucket, Refilled, alone, buckets_of
from backup.pack import ON_DISK, SPOOL_BYTES
from backup.progress import Progress
from collector.errors import Damaged

SECOND = 10**9  # in InfluxDB's nanoseconds


def refill_2(
    chosen: Chosen, server: Server, now: datetime, progress: Progress, *, replace: bool = False
) -> Refilled:
    """Restore every bucket of a backup. What was there is kept, unless *replace* or it is empty.

    Raise BackupFault: the server is as it was but for the buckets …-restoring-ID, from which the
    next run goes on. Where the backup is Damaged these are removed.
    """
    found, notes = buckets_of(chosen, now)
    buckets = [each for each in found if not each.name.startswith("_")]
    progress.total = sum(bucket.size(shard) for bucket in buckets for shard in bucket.shards)
    with alone(server.url):
        works = bring(chosen, server, buckets, progress)
        result = Refilled(notes=[*notes, *(note for work in works for note in compare(work))])
        for work in works:
            result.points[work.bucket.name] = sum(work.found.values())
            swap(server, work, chosen.id, result.kept, replace=replace)
        if replace:
            for org_id in {work.org_id for work in works}:
                for name, bucket_id in server.buckets(org_id).items():
                    if f"-replaced-{chosen.id}" in name:  # perhaps by a run that was cut off
                        server.delete_bucket(bucket_id)
    return result


def bring(chosen: Chosen, server: Server, buckets: list[Bucket], progress: Progress) -> list[Work]:
    """Return the new buckets, filled and counted.

    A shard whose upload is cut off may stay closed until InfluxDB is started again (2.9.1 answers
    500, 'engine is closed'), so buckets of an earlier run that can't be filled are made anew.
    Raise BackupFault; where the backup is Damaged, none of them stays.
    """
    with ThreadPoolExecutor(1) as pool:
        making = begin(chosen, server, buckets, pool)
        try:
            return filled(chosen, server, making, progress)
        except Damaged:
            drop(server, making)
            raise
        except Failed:
            if len(making) < len(buckets) or not any(each.result().resumed for each in making):
                raise
            drop(server, making)
        return filled(chosen, server, begin(chosen, server, buckets, pool), progress)


def filled(
    chosen: Chosen, server: Server, making: list[Future[Work]], progress: Progress
) -> list[Work]:
    """Return the buckets that are being made, filled and counted. Raise BackupFault."""
    fill(chosen, server, (each.result() for each in making), progress)
    works = [each.result() for each in making]
    for work in works:
        check(chosen, server, work)
    return works


def drop(server: Server, making: list[Future[Work]]) -> None:
    for each in making:
        if not each.cancel():
            server.delete_bucket(each.result().id)


def begin(
    chosen: Chosen, server: Server, buckets: list[Bucket], pool: ThreadPoolExecutor
) -> list[Future[Work]]:
    """Begin to make the buckets to fill, one after the other, or find those of an earlier run.

    Making one takes InfluxDB as long as filling it, so the ones before are filled meanwhile. All
    are made before the first is swapped, and they are swapped in the same order: where the last
    one is there, the ones that are not have been swapped.
    """
    there = {(each["organizationName"], each["bucketName"]): each for each in listing_of(server)}
    wanted = []
    for bucket in buckets:
        name = f"{bucket.name}-restoring-{chosen.id}"
        wanted.append((bucket, name, there.get((bucket.entry["organizationName"], name))))
    if wanted and wanted[-1][2]:
        wanted = [each for each in wanted if each[2]]
    return [pool.submit(take_up, server, *each) for each in wanted]


def listing_of(server: Server) -> list[dict[str, Any]]:
    """Return all buckets of the server, which only a token may read that may restore too."""
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=ON_DISK) as spool:
        return server.metadata(spool).buckets


def take_up(server: Server, bucket: Bucket, name: str, begun: dict[str, Any] | None) -> Work:
    """Return a bucket to fill: the one that was *begun* where it has all its shards, or a new one.

    It keeps all it has until it is swapped: else InfluxDB would drop a shard whose time ends
    while it is being restored.
    """
    org_id = server.organisation(bucket.entry["organizationName"])
    if begun:
        new = {each.start: each.id for each in listed([begun])}
        if all(each.start in new for each in bucket.shards):
            shards = {each.id: new[each.start] for each in bucket.shards}
            return Work(bucket, org_id, name, begun["bucketID"], shards, resumed=True)
        server.delete_bucket(begun["bucketID"])
    entry = copy.deepcopy(bucket.entry)
    entry |= {"organizationID": org_id, "bucketName": name}
    for policy in entry["retentionPolicies"]:
        policy["duration"] = 0
    made = server.make_bucket(entry)
    return Work(bucket, org_id, name, made.id, made.shards)


def swap(
    server: Server, work: Work, backup_id: str, kept: dict[str, str], *, replace: bool
) -> None:
    """Give a filled bucket its name and its retention; what has that name now gets another."""
    name = work.bucket.name
    aside = f"{name}-{'replaced' if replace else 'before'}-{backup_id}"
    there = server.buckets(work.org_id)
    old = there.get(name)
    if old:
        names = (aside, *(f"{aside}-{number}" for number in range(2, 1000)))
        aside = next(each for each in names if each not in there)
        server.rename_bucket(old, aside)
    elif work.resumed:  # and the run before ended right here
        old = there.get(aside)
    policy = work.bucket.entry["retentionPolicies"][0]
    rule = {
        "type": "expire",
        "everySeconds": policy["duration"] // SECOND,
        "shardGroupDurationSeconds": policy["shardGroupDuration"] // SECOND,
    }
    change = {"name": name, "retentionRules": [rule]}
    server.document("PATCH", f"/api/v2/buckets/{work.id}", body=change)
    if old and not replace:
        if is_empty(server, old):
            server.delete_bucket(old)
        else:
            kept[name] = aside


def is_empty(server: Server, bucket_id: str) -> bool:
    """Tell whether nothing was ever written to a bucket, or all of it has been dropped."""
    return not any(listed([each]) for each in listing_of(server) if each["bucketID"] == bucket_id)
