"""Restores the databases of InfluxDB 1, which can't give a database another name.

    energy                 restored right there where it was not, or held nothing
    energy-restored-ID     beside it, where it holds data
    energy/restoring-ID    an empty retention policy in either: it is not complete yet

An upload proves nothing (see ``backup.influxdb.influxdb_1``), so points are counted.
"""

import itertools
from collections.abc import Mapping
from datetime import datetime

from backup.chosen import Chosen
from backup.influxdb import metastore
from backup.influxdb.buckets import listed
from backup.influxdb.fill import check, fill
from backup.influxdb.influxdb_1 import Server1
from backup.influxdb.recount import Work, compare
from backup.influxdb.restore import Bucket, Refilled, alone, buckets_of
from backup.influxdb.shards import META
from backup.progress import Progress
from collector.errors import BackupFault


def refill_1(
    chosen: Chosen, server: Server1, now: datetime, progress: Progress, *, replace: bool = False
) -> Refilled:
    """Restore every database of a backup. One that holds data is left alone, unless *replace*.

    All of it is read once before anything is changed, since nothing can be swapped at the end.
    Raise BackupFault: the next run goes on with what this one has begun.
    """
    found, notes = buckets_of(chosen, now)
    result = Refilled(notes=notes)
    progress.total = 2 * sum(bucket.size(shard) for bucket in found for shard in bucket.shards)
    server.query("SHOW DATABASES")  # a wrong password is told before the long work
    prove(chosen, found, progress)
    message = chosen.whole(META)
    with alone(server.url):
        for database, buckets in itertools.groupby(found, database_of):
            filled = [each for each in buckets if each.shards]
            if not filled:
                result.notes.append(f"database {database!r}: the backup contains no points of it")
                continue
            rights = rights_in(server, message, database)
            name = name_for(server, database, chosen.id, replace=replace)
            works = begin(server, message, name, chosen.id, filled)
            let_in(server, name, rights)
            fill(chosen, server, works, progress)
            for work in works:
                check(chosen, server, work)
            end(server, works, name, chosen.id, result)
    return result


def database_of(bucket: Bucket) -> str:
    return bucket.name.partition("/")[0]


def policy_of(bucket: Bucket) -> str:
    return bucket.name.partition("/")[2]


def prove(chosen: Chosen, buckets: list[Bucket], progress: Progress) -> None:
    """Read every file that is to be restored. Raise Damaged."""
    for path in (path for bucket in buckets for path in bucket.paths):
        for piece in chosen.read(path):
            progress(len(piece))


def name_for(server: Server1, database: str, backup_id: str, *, replace: bool) -> str:
    """Return what a database is to be called; nothing but an earlier run's work has that name then.

    Raise BackupFault where every name is taken.
    """
    beside, mark = f"{database}-restored-{backup_id}", f"restoring-{backup_id}"
    there = policies(server)
    if database not in there or mark in there[database]:
        return database
    if replace or is_empty(server, database):
        server.query(f"DROP DATABASE {quoted(database)}")
        return database
    if beside in there and mark not in there[beside]:
        raise BackupFault(
            f"{server.name}: this backup was restored before, and is there as database {beside!r}"
        )
    return beside


def policies(server: Server1) -> dict[str, set[str]]:
    """Return the retention policies of each database."""
    found: dict[str, set[str]] = {}
    for each in metastore.buckets(server.metastore()):
        database, _, policy = each["bucketName"].partition("/")
        found.setdefault(database, set()).add(policy)
    return found


def is_empty(server: Server1, database: str) -> bool:
    return "series" not in server.query(f"SHOW MEASUREMENTS ON {quoted(database)} LIMIT 1")


def rights_in(server: Server1, message: bytes, database: str) -> dict[str, str]:
    """Return what each user of the server may do in a database, now or else in the backup."""
    backed_up = metastore.users(message)
    return {
        user: right
        for user, rights in metastore.users(server.metastore()).items()
        if (right := rights.get(database) or backed_up.get(user, {}).get(database))
    }


def begin(
    server: Server1, message: bytes, name: str, backup_id: str, buckets: list[Bucket]
) -> list[Work]:
    """Make the database to fill, or find that of an earlier run with all its shards."""
    resumed = name in policies(server)
    if resumed and not all(shards_of(server, name, each) for each in buckets):
        server.query(f"DROP DATABASE {quoted(name)}")
        resumed = False
    if not resumed:
        server.make_database(message, database_of(buckets[0]), name)
        mark = f"{quoted(f'restoring-{backup_id}')} ON {quoted(name)}"
        server.query(f"CREATE RETENTION POLICY {mark} DURATION 1h REPLICATION 1")
    works = []
    for bucket in buckets:
        called = f"{name}/{policy_of(bucket)}"
        shards = shards_of(server, name, bucket)
        works.append(Work(bucket, "", called, called, shards, resumed))
    return works


def shards_of(server: Server1, name: str, bucket: Bucket) -> dict[int, int]:
    """Return the ids that the shards of a bucket have in database *name*; none where one lacks."""
    called = f"{name}/{policy_of(bucket)}"
    there = listed(metastore.buckets(server.metastore()))
    new = {each.start: each.id for each in there if each.bucket == called}
    if not all(each.start in new for each in bucket.shards):
        return {}
    return {each.id: new[each.start] for each in bucket.shards}


def end(server: Server1, works: list[Work], name: str, backup_id: str, result: Refilled) -> None:
    """Compare what is there with the backup, take the mark away and tell what is where."""
    for work in works:
        result.notes += compare(work)
        result.points[work.name] = sum(work.found.values())
    server.query(f"DROP RETENTION POLICY {quoted(f'restoring-{backup_id}')} ON {quoted(name)}")
    database = database_of(works[0].bucket)
    beside = f"{database}-restored-{backup_id}"
    if name == beside:
        result.notes.append(
            f"database {database!r} holds data and stays as it is: the backup is beside it, as "
            f"database {name!r}. Either have it take that one's place: run this again with "
            f"--replace, which deletes what {database!r} holds (what came since the backup comes "
            "again out of the journal). Or use it where it is: in config.yaml, bucket: "
            f"{works[0].name}"
        )
    elif beside in policies(server):
        server.query(f"DROP DATABASE {quoted(beside)}")


def let_in(server: Server1, name: str, rights: Mapping[str, str]) -> None:
    """Let those use a database who could before: InfluxDB forgets that with a database."""
    for user, right in rights.items():
        server.query(f"GRANT {right} ON {quoted(name)} TO {quoted(user)}")


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
