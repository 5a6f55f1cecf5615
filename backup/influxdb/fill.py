"""Fills buckets that were made for it with the shards of a backup, and counts what is there then.

    store ──▶ ahead ──▶ fill, shard by shard ──▶ check, bucket by bucket

Nothing is counted while a shard is uploaded: InfluxDB 2.9.1 leaves out others of its bucket then,
at times.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO

from backup.chosen import Chosen
from backup.influxdb.buckets import Shard
from backup.influxdb.influxdb_2 import Server
from backup.influxdb.recount import Work, count, is_there, lacking, least_of
from backup.influxdb.restore import ahead
from backup.pack import pieces
from backup.progress import Progress
from collector.errors import BackupFault


def fill(chosen: Chosen, server: Server, works: Iterable[Work], progress: Progress) -> None:
    """Upload every shard that isn't there yet. Raise BackupFault."""
    tasks, to_come = itertools.tee(
        (work, shard)
        for work in works
        for shard in work.bucket.shards
        if not (work.resumed and is_there(server, work, shard, progress))
    )
    paths = (path for work, shard in to_come for path in work.bucket.shards[shard])
    with closing(ahead(chosen, paths)) as spools:
        for work, shard in tasks:
            upload(server, work, shard, spools, progress)


def upload(
    server: Server, work: Work, shard: Shard, spools: Iterator[IO[bytes]], progress: Progress
) -> None:
    """Fill a shard with its files; doing so once more is harmless."""

    def files() -> Iterator[tuple[str, int, Iterator[bytes]]]:
        for path, file in work.bucket.shards[shard].items():
            with next(spools) as spool:
                yield path.rpartition("/")[2], file.size, reported(spool, progress)

    server.fill_shard(work.shards[shard.id], files())


def reported(spool: IO[bytes], progress: Progress) -> Iterator[bytes]:
    for piece in pieces(spool):
        yield piece
        progress(len(piece))


def check(chosen: Chosen, server: Server, work: Work) -> None:
    """Count the points of a bucket, and bring each shard once more of which some are missing.

    Raise BackupFault where InfluxDB has not taken it then.
    """
    count(server, work)
    missing = lacking(work)
    for shard in missing:
        upload(server, work, shard, map(chosen.spooled, work.bucket.shards[shard]), Progress(""))
    if missing:
        count(server, work)
    for shard in lacking(work):
        raise BackupFault(
            f"{server.name} has not taken {shard}: it was brought twice, and of "
            f"{least_of(work.bucket, shard):,} points it has {work.points(shard):,}. What was "
            "there is as it was; see InfluxDB's own log"
        )
