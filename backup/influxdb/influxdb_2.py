"""What backups and restorations ask of InfluxDB 2, over HTTP.

``200 OK`` proves nothing here (see ``archive``), nor does it when a shard is restored: the
server swallows the engine's error (influxdb 2.9.1: tsdb/shard.go), so whoever restores compares
counts. Reading a backup and restoring one take the operator token.
"""

import csv
import io
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO, Any, NamedTuple
from urllib.parse import urlencode

from backup.influxdb import archive
from backup.influxdb.archive import Metadata, Stream
from backup.stores.folder import from_here
from collector.contract.documents import parsed
from collector.errors import BackupFault, ReadFault
from collector.lines import http
from collector.lines.http_answer import Answer, Limits

WAIT_S = 300.0  # a Pi counts a week of seconds, or writes down what it has in memory
LIMITS = Limits(connect_s=20.0, wait_s=WAIT_S, answer_s=60.0 + WAIT_S, most_bytes=8 << 20)
QUOTED_CHARACTERS = 300
PAGE = 100  # buckets, the most that InfluxDB lists at once
HINTS = (
    "storage_shard_write_count",
    "storage_shard_write_sum",
    "storage_tsm_files_total",
    "storage_tsm_files_disk_bytes",
)
DISK_SIZE = HINTS.index("storage_tsm_files_disk_bytes")
# InfluxDB counts so a tenth as long as by InfluxQL, and in whichever organisation a bucket is.
COUNT = """from(bucketID: "%s") |> range(%s)
|> aggregateWindow(every: 1d, fn: count, createEmpty: false, timeSrc: "_start")
|> group(columns: ["_time"]) |> sum()"""
METRIC = re.compile(rf'^({"|".join(HINTS)}){{[^}}]*\bid="(\d+)"[^}}]*}} (\S+)$', re.MULTILINE)


class Gone(BackupFault):
    """What was asked for is not there (any more)."""


class Refused(BackupFault):
    """What is given does not let us in, or not this far."""


class Failed(BackupFault):
    """InfluxDB has failed, and says no more than that."""


class Hints(NamedTuple):
    """What the server says of its shards without reading them.

    *started* tells one run of the server from another; *shards* has, by a shard's id, figures
    that change when it is written to, and when its files do.
    """

    started: str
    shards: dict[str, list[float]]


class Made(NamedTuple):
    """A bucket that was made for restoring: its id, and the new id of each shard by the old."""

    id: str
    shards: dict[int, int]


class Server:
    """InfluxDB 2 at *url*. Where it does not answer as it should, a method raises BackupFault."""

    key = "the operator token"

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.name = f"InfluxDB at {self.url}"
        if not (token and token.isascii() and token.isprintable()):
            raise BackupFault(f"{self.name}: the token is empty or not one line of plain letters")
        self.token = token
        try:
            self.line = http.Server(self.url, "it", LIMITS)
        except ValueError as error:
            raise BackupFault(f"{self.name}: {error}") from error

    @property
    def authorization(self) -> str:
        return f"Token {self.token}"

    def version(self) -> str:
        """Return the version, such as 2.9.1. Raise BackupFault where it is not an InfluxDB 2."""
        version = str(self.document("GET", "/health").get("version", "")).removeprefix("v")
        if not version.startswith("2."):
            what = f"is {version!r}" if version else "does not report its version"
            raise BackupFault(f"{self.name} {what}: InfluxDB 2 is wanted")
        return version

    def ping(self) -> str:
        """Return the version in a header, perhaps none. Raise BackupFault where it is away."""
        with self.got("GET", "/ping") as answer:
            return answer.headers.get("X-Influxdb-Version", "")

    def is_new(self) -> bool:
        """Tell whether it has no user yet. Raise BackupFault where it is not an InfluxDB 2."""
        self.version()
        return bool(self.document("GET", "/api/v2/setup").get("allowed"))

    def hints(self) -> Hints | None:
        """Return hints of what has changed; None where the server keeps them to itself."""
        try:
            started = str(self.document("GET", "/ready").get("started"))
            with self.got("GET", "/metrics") as answer:
                text = self.whole(answer)
        except Gone:
            return None
        shards: dict[str, list[float]] = {}
        for name, shard, value in METRIC.findall(text):
            shards.setdefault(shard, [0.0] * len(HINTS))[HINTS.index(name)] += float(value)
        return Hints(started, shards)

    def metadata(self, spool: IO[bytes]) -> Metadata:
        """Write InfluxDB's own databases and the list of buckets into *spool*."""
        path = "/api/v2/backup/metadata"
        with self.got("GET", path) as answer:
            kind = answer.headers.get("Content-Type", "")
            boundary = kind.partition("boundary=")[2].strip('"').encode()
            return archive.metadata(self.stream(answer, path), boundary, spool)

    def shard(self, shard: int) -> Generator[tuple[str, int, Iterator[bytes]], None, None]:
        """Yield name, size and bytes of each file of a shard. Raise Gone where it is dropped.

        Before that, the server writes what it has in memory of this shard into one more file.
        """
        path = f"/api/v2/backup/shards/{shard}"
        with self.got("GET", path) as answer:
            yield from archive.members(self.stream(answer, path))

    def counts(self, bucket_id: str, org_id: str, start: datetime, end: datetime) -> dict[str, int]:
        """Return how many points a bucket holds per UTC day, from *start* until before *end*.

        A point is a value of one field. Raise Gone where the organisation has no such bucket.
        """
        span = ", ".join(
            f"{name}: {at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
            for name, at in (("start", start), ("stop", end))
        )
        query = {"query": COUNT % (bucket_id, span), "dialect": {"annotations": []}}
        body = [json.dumps(query).encode()]
        path = "/api/v2/query"
        with self.got("POST", path, {"orgID": org_id}, body, "application/json") as answer:
            table = self.whole(answer)
        try:
            return points_by_day(table.strip())
        except (LookupError, TypeError, ValueError) as error:
            what = table.strip()[-QUOTED_CHARACTERS:]
            raise BackupFault(f"{self.name}: no counts of bucket {bucket_id}: {what!r}") from error

    def organisation(self, name: str) -> str:
        """Return the id of an organisation, which is made where it is not there."""
        with suppress(Gone):
            return str(self.document("GET", "/api/v2/orgs", {"org": name})["orgs"][0]["id"])
        return str(self.document("POST", "/api/v2/orgs", body={"name": name})["id"])

    def buckets(self, org_id: str) -> dict[str, str]:
        """Return the ids of an organisation's buckets by their names."""
        found: dict[str, str] = {}
        while True:
            fields = {"orgID": org_id, "limit": str(PAGE), "offset": str(len(found))}
            page = self.document("GET", "/api/v2/buckets", fields)["buckets"]
            found |= {each["name"]: each["id"] for each in page}
            if len(page) < PAGE:
                return found

    def make_bucket(self, entry: Mapping[str, Any]) -> Made:
        """Make a bucket with all its shards, still empty, as an entry of buckets.json tells.

        The entry's organizationID and bucketName are taken, and may have been changed; a bucket
        of that name must not exist.
        """
        made = self.document("POST", "/api/v2/restore/bucketMetadata", body=entry)
        return Made(made["id"], {each["oldId"]: each["newId"] for each in made["shardMappings"]})

    def fill_shard(self, shard: int, files: Iterable[tuple[str, int, Iterable[bytes]]]) -> None:
        """Give a shard its files, each as name, size and bytes. It proves nothing: count after."""
        path = f"/api/v2/restore/shards/{shard}"
        with self.got("POST", path, None, archive.tar(files)) as answer:
            self.whole(answer)

    def rename_bucket(self, bucket_id: str, name: str) -> None:
        self.document("PATCH", f"/api/v2/buckets/{bucket_id}", body={"name": name})

    def delete_bucket(self, bucket_id: str) -> None:
        with self.got("DELETE", f"/api/v2/buckets/{bucket_id}") as answer:
            self.whole(answer)

    def document(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a request and return the JSON object that is answered."""
        packed = [] if body is None else [json.dumps(body).encode()]
        with self.got(method, path, fields, packed, "application/json") as answer:
            text = self.whole(answer)
        try:
            document = parsed(text)
        except ValueError as error:
            raise BackupFault(f"{self.name}: {path} answers no JSON: {error}") from error
        if not isinstance(document, dict):
            raise BackupFault(f"{self.name}: {path} did not answer with a JSON object")
        return document

    @contextmanager
    def got(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        body: Iterable[bytes] = (),
        kind: str = "application/octet-stream",
    ) -> Iterator[Answer]:
        """Send a request that must succeed. Raise Gone for 404, BackupFault for other refusals."""
        headers = {"Authorization": self.authorization, "Accept-Encoding": "identity"}
        if body:
            headers["Content-Type"] = kind
        target = f"{path}?{urlencode(fields)}" if fields else path
        try:
            answer = self.line.begin(method, target, headers, from_here(body) if body else ())
        except ReadFault as error:
            raise self.away(error) from error
        try:
            if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                raise refusal(f"{self.name}: {path}", answer.status, self.whole(answer), self.key)
            yield answer
        finally:
            answer.close()

    def whole(self, answer: Answer) -> str:
        try:
            answer.read()
        except ReadFault as error:
            raise self.away(error) from error
        return answer.text

    def stream(self, answer: Answer, path: str) -> Stream:
        def pieces() -> Iterator[bytes]:
            try:
                yield from answer.pieces()
            except ReadFault as error:
                raise self.away(error) from error

        return Stream(f"{self.name}: {path}", pieces())

    def away(self, error: ReadFault) -> BackupFault:
        return BackupFault(f"{self.name} does not answer: {error}")


def points_by_day(table: str) -> dict[str, int]:
    """Read what COUNT answers. Raise LookupError, TypeError, ValueError."""
    found: dict[str, int] = {}
    rows = csv.DictReader(io.StringIO(table))
    if rows.fieldnames and "_value" not in rows.fieldnames:
        raise ValueError(rows.fieldnames)
    for row in rows:
        day = row["_time"][: len("2026-11-20")]
        found[day] = found.get(day, 0) + int(row["_value"])
    return found


def refusal(asked: str, status: int, text: str, key: str) -> BackupFault:
    """Say why the server refuses, in its own words."""
    with suppress(ValueError, LookupError, TypeError):
        text = str(parsed(text)["message"])
    what = f"{asked} answers {status} {text.strip()[:QUOTED_CHARACTERS]!r}"
    if status == HTTPStatus.NOT_FOUND:
        return Gone(what)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Refused(f"{what}: this takes {key}, and what is given is not that")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failed(what)
    return BackupFault(what)
