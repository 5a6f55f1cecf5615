"""A backup as a folder that the stock command ``influx restore`` takes, with the other files.

    FOLDER/STAMP.manifest            written last; its names lead into the folder beside it
    FOLDER/influxdb/STAMP.bolt.gz …  InfluxDB's own databases, and a tar of each shard
    FOLDER/config grafana journal secrets    a file for each secret

The layout is that of influx 2.8.0 (influx-cli: internal/backup_restore/manifest.go), and for
InfluxDB 1 that of ``influxd restore -portable`` (influxdb 1.8.10: cmd/influxd/backup_util).
"""

import fcntl
import gzip
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from backup.chosen import Chosen
from backup.influxdb import metastore
from backup.influxdb.archive import tar
from backup.influxdb.buckets import SHARDS
from backup.influxdb.metastore import is_1
from backup.influxdb.restore import Bucket, ahead, buckets_of, require_room
from backup.influxdb.shards import KV, META, SQL
from backup.manifest import SECRETS, File
from backup.pack import pieces
from backup.progress import Progress
from backup.stores.folder import full, make_folder, sync_folder
from collector import files
from collector.errors import BackupFault

MARK = ".restoring"  # as long as this is there, what lies beside it is half-made
FOLDERS = ("influxdb", "config", "grafana", "journal", "secrets")
LEVEL = 1  # a TSM file is compressed already
GZIP = 1  # as a manifest's 'compression'


def write_stock(chosen: Chosen, folder: Path, now: datetime, progress: Progress) -> list[str]:
    """Write a backup into *folder*, and return notes on what was left out.

    Raise BackupFault: nothing remains then of what was written.
    """
    progress.total = sum(file.size for file in chosen.manifest.files.values())
    with half_made(folder):
        require_room(folder, progress.total)
        try:
            others = [path for path in chosen.manifest.files if not path.startswith("influxdb/")]
            for path in others:
                if path != SECRETS:
                    write(folder / path, chosen.read(path), progress)
            for name, content in chosen.secrets().items():
                write(folder / "secrets" / name, [content], progress)
            buckets, notes = buckets_of(chosen, now)
            if buckets:
                lay_down = write_influxdb_1 if is_1(chosen.manifest.influxdb) else write_influxdb
                lay_down(chosen, folder, buckets, progress)
        except OSError as error:
            raise full(error, folder) from error
    return notes


@contextmanager
def half_made(folder: Path) -> Iterator[None]:
    """Hold an empty *folder* while it is filled, and empty it again where that fails.

    Raise BackupFault where something else is in it.
    """
    mark = folder / MARK
    if folder.exists() and not folder.is_dir():
        raise BackupFault(f"{folder} is no folder")
    if folder.is_dir() and any(folder.iterdir()) and not mark.exists():
        raise BackupFault(f"{folder} is not empty: give a folder that is, or a new one")
    made = not folder.exists()
    make_folder(folder)
    with mark.open("wb") as door:
        try:
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFault(f"another restoration into {folder} is at work") from None
        try:
            clear(folder)
            yield
        except BaseException:
            clear(folder)
            mark.unlink()
            if made:
                folder.rmdir()
            raise
        sync_folder(folder)
        mark.unlink()


def clear(folder: Path) -> None:
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in folder.glob("*.manifest*"):
        file.unlink()


def write_influxdb(chosen: Chosen, folder: Path, buckets: list[Bucket], progress: Progress) -> None:
    """Write InfluxDB's files, and last the manifest, by which ``influx restore`` finds them."""
    stamp = f"influxdb/{chosen.id}"
    document: dict[str, Any] = {"manifestVersion": 2}
    for path, key, end in ((KV, "kv", "bolt"), (SQL, "sql", "sqlite")):
        document[key] = write_gz(folder, f"{stamp}.{end}.gz", chosen.read(path), progress)
    written = write_shards(chosen, folder, buckets, f"{stamp}.", progress)
    document["buckets"] = [entry_of(bucket, written) for bucket in buckets]
    write_manifest(chosen, folder, document)


def write_influxdb_1(
    chosen: Chosen, folder: Path, buckets: list[Bucket], progress: Progress
) -> None:
    """Write InfluxDB 1's files, and last the manifest, by which ``influxd restore`` finds them."""
    stamp = f"influxdb/{chosen.id}"
    message = chosen.whole(META)
    write(folder / f"{stamp}.meta", [metastore.portable(message)], progress)
    written = write_shards(chosen, folder, buckets, f"{stamp}.s", progress)
    files = []
    for shard in (shard for bucket in buckets for shard in bucket.shards):
        database, _, policy = shard.bucket.partition("/")
        place = {"database": database, "policy": policy, "shardID": shard.id}
        files.append({**place, **written[shard.id], "lastModified": 0})
    meta = {"fileName": f"{stamp}.meta", "size": len(message)}
    write_manifest(chosen, folder, {"meta": meta, "limited": False, "files": files})


def write_shards(
    chosen: Chosen, folder: Path, buckets: list[Bucket], stamp: str, progress: Progress
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


def write_manifest(chosen: Chosen, folder: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2)
    files.replace(folder / f"{chosen.id}.manifest", text.encode(), give=True)


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


def write_gz(
    folder: Path, name: str, chunks: Iterable[bytes], progress: Progress
) -> dict[str, Any]:
    """Write a compressed file, and return what the manifest says of it."""
    file = folder / name
    make_folder(file.parent)
    with file.open("xb") as opened, gzip.GzipFile("", "wb", LEVEL, opened) as packed:
        for chunk in chunks:
            packed.write(chunk)
            progress(len(chunk))
    return {"fileName": name, "size": file.stat().st_size, "compression": GZIP}


def write(file: Path, chunks: Iterable[bytes], progress: Progress) -> None:
    """Write a file for its owner only: it may be a secret."""
    make_folder(file.parent)
    file.touch(mode=0o600)
    with file.open("wb") as opened:
        for chunk in chunks:
            opened.write(chunk)
            progress(len(chunk))
