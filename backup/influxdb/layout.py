"""The files of InfluxDB as its own command restores them, below FOLDER/influxdb.

FOLDER is handed over opened, as its descriptor.

The layout is that of influx 2.8.0 (influx-cli: internal/backup_restore/manifest.go), and for
InfluxDB 1 that of ``influxd restore -portable`` (influxdb 1.8.10: cmd/influxd/backup_util).
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from backup.chosen import Chosen
from backup.influxdb import metastore
from backup.influxdb.archive import tar
from backup.influxdb.buckets import SHARDS
from backup.influxdb.restore import Bucket, ahead
from backup.influxdb.shards import KV, META, SQL
from backup.manifest import File
from backup.pack import pieces
from backup.paths import new_file
from backup.progress import Progress
from collector.files import replace

LEVEL = 1  # a TSM file is compressed already
GZIP = 1  # as a manifest's 'compression'


def write_influxdb_2(
    chosen: Chosen, folder: int, buckets: list[Bucket], progress: Progress
) -> None:
    """Write InfluxDB's files, and last the manifest, by which ``influx restore`` finds them."""
    stamp = f"influxdb/{chosen.id}"
    document: dict[str, Any] = {"manifestVersion": 2}
    for path, key, end in ((KV, "kv", "bolt"), (SQL, "sql", "sqlite")):
        document[key] = write_gz(folder, f"{stamp}.{end}.gz", chosen.read(path), progress)
    written = write_shards(chosen, folder, buckets, f"{stamp}.", progress)
    document["buckets"] = [entry_of(bucket, written) for bucket in buckets]
    write_manifest(chosen, folder, document)


def write_influxdb_1(
    chosen: Chosen, folder: int, buckets: list[Bucket], progress: Progress
) -> None:
    """Write InfluxDB 1's files, and last the manifest, by which ``influxd restore`` finds them."""
    stamp = f"influxdb/{chosen.id}"
    message = chosen.whole(META)
    write(folder, f"{stamp}.meta", [metastore.portable(message)], progress)
    written = write_shards(chosen, folder, buckets, f"{stamp}.s", progress)
    files = []
    for shard in (shard for bucket in buckets for shard in bucket.shards):
        database, _, policy = shard.bucket.partition("/")
        place = {"database": database, "policy": policy, "shardID": shard.id}
        files.append({**place, **written[shard.id], "lastModified": 0})
    meta = {"fileName": f"{stamp}.meta", "size": len(message)}
    write_manifest(chosen, folder, {"meta": meta, "limited": False, "files": files})


def write_shards(
    chosen: Chosen, folder: int, buckets: list[Bucket], stamp: str, progress: Progress
) -> dict[int, dict[str, Any]]:
    """Write a tar of each shard, and return what the manifest says of it."""
    with closing(ahead(chosen, (path for each in buckets for path in each.paths))) as spools:
        return {
            shard.id: write_gz(
                folder, f"{stamp}{shard.id}.tar.gz", tar(members(files, spools)), progress
            )
            for bucket in buckets
            for shard, files in bucket.shards.items()
        }


def write_manifest(chosen: Chosen, folder: int, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2)
    replace(Path(f"{chosen.id}.manifest"), text.encode(), give=True, folder=folder)


def members(
    files: dict[str, File], spools: Iterator[IO[bytes]]
) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield the files of a shard as members of a tar; *spools* are the next ones."""
    for path, file in files.items():
        with next(spools) as spool:
            yield path.removeprefix(f"{SHARDS}/"), file.size, pieces(spool)


def entry_of(bucket: Bucket, written: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return a bucket as the manifest tells it: with the file of each shard."""
    for policy in bucket.entry["retentionPolicies"]:
        for group in policy["shardGroups"]:
            group["shards"] = [{**each, **written[each["id"]]} for each in group["shards"]]
    return bucket.entry


def write_gz(folder: int, path: str, chunks: Iterable[bytes], progress: Progress) -> dict[str, Any]:
    """Write a compressed file, and return what the manifest says of it."""
    with new_file(folder, path) as file:
        with gzip.GzipFile("", "wb", LEVEL, file) as packed:
            for chunk in chunks:
                packed.write(chunk)
                progress(len(chunk))
        size = file.tell()
    return {"fileName": path, "size": size, "compression": GZIP}


def write(folder: int, path: str, chunks: Iterable[bytes], progress: Progress) -> None:
    """Write a file for its owner only: it may be a secret."""
    with new_file(folder, path, 0o600) as file:
        for chunk in chunks:
            file.write(chunk)
            progress(len(chunk))
