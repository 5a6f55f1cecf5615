"""A manifest: what one backup holds. It is written last, so a backup without one does not exist.

Paths in a backup:

    influxdb/kv, influxdb/sql, influxdb/buckets.json     metadata, as InfluxDB 2 hands it out
    influxdb/meta, influxdb/buckets.json                 metadata of InfluxDB 1
    influxdb/shards/BUCKET/SHARD/NAME.tsm                the files of one shard
    config/NAME                                          the folder of the configuration
    secrets/all.json                                     only in encrypted backups
    grafana/grafana.db                                   a consistent copy of Grafana's database
    journal/NAME                                         closed segments of the journal's log

A manifest is not encrypted, and tells the SHA-256 of each file: by it a password that someone chose
could be guessed. So all secrets are one file, with a salt: {"salt": TEXT, "secrets": {NAME: TEXT}}.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from collector.errors import Damaged

FORMAT = 1
SECRETS = "secrets/all.json"
ID = re.compile(r"\d{8}T\d{6}Z")
HASH = re.compile(r"[0-9a-f]{64}")
PATH = re.compile(r"(?!.*(^|/)\.\.?(/|$))[^/\0]+(/[^/\0]+)*")


@dataclass(frozen=True)
class File:
    """One file of a backup: *size* and *sha256* of what it was, *object* that holds it.

    The object's name is the SHA-256 of its own bytes, of which there are *stored*: the file's,
    compressed, and encrypted where the backup is. *tsm* tells what a TSM file holds
    (``backup.influxdb.tsm.Summary``), for the files of a shard.
    """

    size: int
    sha256: str
    object: str
    stored: int
    tsm: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Manifest:
    """One backup. Times are ISO 8601 in UTC; *counts* are points per bucket and UTC day.

    *notes* says in sentences what was left out and why. *influxdb* is the server's version, and
    *hints* what it said of each shard, by which the next backup sees what has not changed.
    """

    id: str
    previous: str | None
    taken_at: str
    program: str
    site: str
    influxdb: str | None = None
    encrypted_to: tuple[str, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hints: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def objects(self) -> dict[str, int]:
        """Each object it names, with its size in bytes."""
        return {file.object: file.stored for file in self.files.values()}

    @property
    def stored(self) -> int:
        return sum(self.objects.values())


def new_id(now: datetime, previous: str | None) -> str:
    """Name a backup by its time, and always after *previous*, also when the clock was set back."""
    moment = now.astimezone(UTC)
    if previous is not None:
        moment = max(moment, time_of(previous) + timedelta(seconds=1))
    return f"{moment:%Y%m%dT%H%M%SZ}"


def time_of(backup_id: str) -> datetime:
    return datetime.strptime(backup_id, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def epoch_of(backup_id: str) -> str:
    """Return the month whose objects a backup shares in a store that forgets by month: 2026-11."""
    return f"{backup_id[:4]}-{backup_id[4:6]}"


def encode(manifest: Manifest) -> bytes:
    document = {"format": FORMAT, **asdict(manifest)}
    for file in document["files"].values():
        if file["tsm"] is None:
            del file["tsm"]
    return json.dumps(document, indent=1).encode() + b"\n"


def decode(data: bytes) -> Manifest:
    """Read a manifest. Raise Damaged where it is none, or one of a newer program."""
    try:
        document = json.loads(data)
        made_by = document.pop("format")
        if made_by != FORMAT:
            msg = f"this backup has format {made_by!r}, and this program reads {FORMAT}"
            raise Damaged(f"{msg}: it was made by a newer one; upgrade first")
        files = {
            check_path(path): read_file(entry) for path, entry in document.pop("files").items()
        }
        for name in ("encrypted_to", "notes"):
            document[name] = tuple(document[name])
        manifest = Manifest(files=files, **document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"the manifest is not valid: {error}"
        raise Damaged(msg) from error
    if not ID.fullmatch(manifest.id):
        msg = f"the manifest's id is {manifest.id!r}"
        raise Damaged(msg)
    return manifest


def check_path(path: str) -> str:
    """Return *path* where it stays inside a folder. Raise ValueError."""
    if not PATH.fullmatch(path):
        msg = f"{path!r} is not a valid path in a backup"
        raise ValueError(msg)
    return path


def read_file(entry: dict[str, Any]) -> File:
    file = File(**{**entry, "tsm": tuple(entry["tsm"]) if entry.get("tsm") else None})
    if not HASH.fullmatch(file.object) or not HASH.fullmatch(file.sha256):
        msg = f"{file.object!r} is not a SHA-256"
        raise ValueError(msg)
    return file
