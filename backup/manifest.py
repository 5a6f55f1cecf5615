"""A manifest: what one backup holds. It is written last, so a backup without one does not exist.

Paths in a backup:

    influxdb/kv, influxdb/sql, influxdb/buckets.json     metadata, as InfluxDB 2 hands it out
    influxdb/meta, influxdb/buckets.json                 metadata of InfluxDB 1
    influxdb/shards/BUCKET/SHARD/NAME.tsm                the files of one shard
    config/NAME                                          the folder of the configuration
    secrets/all.json                                     only in encrypted backups
    grafana/grafana.db                                   a consistent copy of Grafana's database
    ledger/ledger.sqlite                                 a consistent copy of the ledger
    ledger/installation                                  the word that tells this house from others
    journal/NAME                                         closed segments of the journal's log

A manifest is not encrypted, and tells the SHA-256 of each file: by it a password that someone chose
could be guessed. So all secrets are one file, with a salt: {"salt": TEXT, "secrets": {NAME: TEXT}}.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from backup.paths import HASH, ID, check_path
from collector.contract.documents import parsed
from collector.errors import Damaged

FORMAT = 2  # in 1 there was neither digest nor signature
SECRETS = "secrets/all.json"
TSM = ("points", "fingerprint", "first", "last")
AHEAD = timedelta(days=1)
MOST_BYTES = 32 << 20  # of a manifest: ten years of a house have 3 MB


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
    *signature* is that of ``body_of`` by the key *signed_by* (``backup.signing``), both in hex.
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
    signed_by: str | None = None
    signature: str | None = None

    @property
    def objects(self) -> dict[str, int]:
        """Each object it names, with its size in bytes."""
        return {file.object: file.stored for file in self.files.values()}

    @property
    def stored(self) -> int:
        return sum(self.objects.values())


def new_id(now: datetime, previous: str | None) -> str:
    """Name a backup by its time, and after *previous*, also when the clock was set back a bit.

    One that is dated more than a day ahead had a wrong clock, and is not followed into its future.
    """
    moment = now.astimezone(UTC)
    if previous is not None and time_of(previous) - moment <= AHEAD:
        moment = max(moment, time_of(previous) + timedelta(seconds=1))
    return f"{moment:%Y%m%dT%H%M%SZ}"


def is_id(text: object) -> bool:
    """Return whether *text* names a backup: a time that there is, such as 20261120T193000Z."""
    if not (isinstance(text, str) and ID.fullmatch(text)):
        return False
    try:
        return bool(time_of(text))
    except ValueError:
        return False


def time_of(backup_id: str) -> datetime:
    return datetime.strptime(backup_id, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def epoch_of(backup_id: str) -> str:
    """Return the month whose objects a backup shares in a store that forgets by month: 2026-11."""
    return f"{backup_id[:4]}-{backup_id[4:6]}"


def encode(manifest: Manifest) -> bytes:
    body = document_of(manifest)
    head = {"format": FORMAT, "digest": digest_of(body), "signature": manifest.signature}
    return json.dumps({**head, **body}, indent=1).encode() + b"\n"


def document_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a digest and a signature cover: all but themselves."""
    document = {"format": FORMAT, **asdict(manifest)}
    del document["signature"]
    for file in document["files"].values():
        if file["tsm"] is None:
            del file["tsm"]
    return document


def body_of(document: Mapping[str, Any]) -> bytes:
    """Return the one form in which a document is hashed, whatever blanks it was written with."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def digest_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(body_of(document)).hexdigest()


def decode(data: bytes) -> Manifest:
    """Read a manifest. Raise Damaged where it is none, or one of a newer program."""
    try:
        document = parsed(data)
        if document["format"] not in (1, FORMAT):
            msg = f"this backup has format {document['format']!r}, and this program reads {FORMAT}"
            raise Damaged(f"{msg}: it was made by a newer one; upgrade first")
        signature = checked_body(document) if document["format"] == FORMAT else None
        del document["format"]
        files = {
            check_path(path): read_file(entry) for path, entry in document.pop("files").items()
        }
        for name in ("encrypted_to", "notes"):
            document[name] = tuple(texts(document[name]))
        manifest = Manifest(files=files, signature=signature, **document)
        check_types(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        msg = f"the manifest is not valid: {error}"
        raise Damaged(msg) from error
    return manifest


def checked_body(document: dict[str, Any]) -> str | None:
    """Leave in *document* what its digest covers; return the signature. Raise ValueError."""
    digest, signature = document.pop("digest"), document.pop("signature")
    if digest_of(document) != digest:
        raise ValueError("its content is not that of its digest")
    if signature is not None:
        texts([signature])
    return str(signature) if signature else None


def check_types(manifest: Manifest) -> None:
    """Raise ValueError where a field is not of its form."""
    if not is_id(manifest.id):
        raise ValueError(f"its id is {manifest.id!r}")
    texts([manifest.taken_at, manifest.program, manifest.site])
    texts(
        [
            each
            for each in (manifest.previous, manifest.influxdb, manifest.signed_by)
            if each is not None
        ]
    )
    for days in manifest.counts.values():
        whole_numbers(days.values())
    hints = manifest.hints
    if hints:
        texts([hints["server"], hints["swept_at"]])
        datetime.fromisoformat(hints["swept_at"]).astimezone(UTC)
        if not all(isinstance(each, list) for each in hints["shards"].values()):
            raise ValueError("its hints are not lists")


def texts(values: Any) -> list[str]:
    if not (isinstance(values, list) and all(isinstance(each, str) for each in values)):
        raise ValueError(f"{values!r} are not texts")
    return values


def whole_numbers(values: Iterable[Any]) -> tuple[int, ...]:
    found = tuple(values)
    if not all(type(each) is int for each in found):
        raise ValueError(f"{found!r} are not whole numbers")
    return found


def read_file(entry: dict[str, Any]) -> File:
    tsm = whole_numbers(entry["tsm"]) if entry.get("tsm") else None
    file = File(**{**entry, "tsm": tsm})
    if not HASH.fullmatch(file.object) or not HASH.fullmatch(file.sha256):
        msg = f"{file.object!r} is not a SHA-256"
        raise ValueError(msg)
    if min(whole_numbers([file.size, file.stored])) < 0 or (tsm and len(tsm) != len(TSM)):
        raise ValueError(f"{entry!r} is not a file")
    return file
