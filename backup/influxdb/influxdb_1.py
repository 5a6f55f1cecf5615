"""What backups and restorations ask of InfluxDB 1, as a server like that of InfluxDB 2.

Its command ``influxd backup -portable`` speaks with a port of its own, 8088, and so does this: it
takes no program, no container's rights and no password. The port answers with what was asked for
and hangs up; where something goes wrong it hangs up earlier, and InfluxDB's log has the reason
(influxdb 1.8.10: services/snapshotter; 1.6.7 does the same). Points are counted over HTTP, which
takes a user's name and password.
"""

import base64
import itertools
import json
import socket
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import urlsplit

from backup.influxdb import archive, metastore
from backup.influxdb.archive import Metadata, Part, Stream
from backup.influxdb.buckets import listed
from backup.influxdb.influxdb_2 import WAIT_S, Gone, Hints, Server
from backup.paths import at_most
from backup.stores.folder import from_here
from collector.errors import BackupFault
from collector.lines.reason import why

PORT = 8088
CONNECT_S = 20.0
HEADER = 3  # what makes of a connection one for backups
SHARD, META, META_UPDATE, SHARD_UPDATE = 0, 1, 6, 7
CHUNK = 1 << 16
MOST_BYTES = 64 << 20  # of what InfluxDB knows of its databases: ten years have 1 MB
# Until 1.7 InfluxDB hands out nothing while it writes memory to its card.
PAUSES_S = (2, 5, 10)
# In the order of influxdb.HINTS.
HINTS = [
    ("shard", "writePointsOk"),
    ("shard", "writeReq"),
    ("shard", "diskBytes"),
    ("tsm1_filestore", "numFiles"),
    ("tsm1_filestore", "diskBytes"),
]


def connect(url: str, token: str) -> Server:
    """Return InfluxDB 1 or 2, whichever answers at *url*. Raise BackupFault."""
    server = Server(url, token)
    return Server1(url, token) if is_1(server.ping()) else server


def is_1(version: str | None) -> bool:
    """Tell whether a version, such as 1.8.10, is one of InfluxDB 1."""
    return (version or "").startswith("1.")


class Server1(Server):
    """InfluxDB 1 at *url*; the token is ``name:password``, and *port* the one for backups."""

    key = "the name:password of an admin"

    def __init__(self, url: str, token: str, port: int = 0) -> None:
        super().__init__(url, token)
        self.place = (urlsplit(url).hostname or "", port or PORT)

    @property
    def authorization(self) -> str:
        return f"Basic {base64.b64encode(self.token.encode()).decode()}"

    def version(self) -> str:
        return self.ping()

    def is_new(self) -> bool:
        return False  # it has no setup: whoever may not use it is refused

    def hints(self) -> Hints | None:
        """Return hints of what has changed; None where the server keeps them to itself."""
        try:
            variables = self.document("GET", "/debug/vars")
            started = str(variables["system"]["started"])
        except (Gone, LookupError, TypeError):
            return None
        shards: dict[str, list[float]] = {}
        for each in filter(lambda each: isinstance(each, dict), variables.values()):
            for at, (name, figure) in enumerate(HINTS):
                if each.get("name") == name:
                    hints = shards.setdefault(each["tags"]["id"], [0.0] * len(HINTS))
                    hints[at] = float(each["values"].get(figure, 0))
        return Hints(started, shards)

    def metadata(self, spool: IO[bytes]) -> Metadata:
        """Write what InfluxDB knows of its databases into *spool*, and list them."""
        message = self.metastore()
        spool.write(message)
        return Metadata({"meta": Part(0, len(message))}, metastore.buckets(message))

    def metastore(self) -> bytes:
        answer = b"".join(at_most(MOST_BYTES, self.call(META, request())))
        return metastore.open_answer(self.name, answer)

    def shard(self, shard: int) -> Generator[tuple[str, int, Iterator[bytes]], None, None]:
        """Yield name, size and bytes of each file of a shard. Raise Gone where it is dropped."""
        for pause_s in (*PAUSES_S, None):
            pieces = self.call(SHARD, request(ShardID=shard))
            if first := next(pieces, b""):
                break
            if all(each.id != shard for each in listed(metastore.buckets(self.metastore()))):
                raise Gone(f"{self.name} has no shard {shard}")
            if pause_s is None:
                raise BackupFault(f"{self.name} hands out nothing of shard {shard}: see its log")
            time.sleep(pause_s)
        stream = Stream(f"{self.name}: shard {shard}", itertools.chain([first], pieces))
        yield from archive.members(stream)

    def counts(
        self,
        bucket_id: str,
        org_id: str,  # noqa: ARG002  there are none here
        start: datetime,
        end: datetime,
    ) -> dict[str, int]:
        """Return how many points a bucket holds per UTC day, from *start* until before *end*."""
        database, _, policy = bucket_id.partition("/")
        span = f"time >= {start.timestamp():.0f}s AND time < {end.timestamp() * 1e6:.0f}u"
        query = f"SELECT count(*) FROM /.*/ WHERE {span} GROUP BY time(1d)"  # noqa: S608  times only
        fields = {"db": database, "rp": policy, "epoch": "s", "q": query}
        result = self.document("POST", "/query", {k: v for k, v in fields.items() if v})
        try:
            (answer,) = result["results"]
            if "error" in answer:
                kind = Gone if "not found" in answer["error"] else BackupFault
                raise kind(f"{self.name}: the points of {bucket_id!r}: {answer['error']}")
            found: dict[str, int] = {}
            for series in answer.get("series", []):
                for second, *values in series["values"]:
                    day = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d}"
                    found[day] = found.get(day, 0) + sum(filter(None, values))
        except (LookupError, TypeError, ValueError) as error:
            raise BackupFault(f"{self.name}: no counts of {bucket_id!r}: {error}") from error
        return {day: points for day, points in found.items() if points}

    def query(self, influxql: str) -> dict[str, Any]:
        """Have a statement done; return its result. Raise BackupFault."""
        (result,) = self.document("POST", "/query", {"q": influxql})["results"]
        if "error" in result:
            raise BackupFault(f"{self.name}: {influxql}: {result['error']}")
        return dict(result)

    def make_database(self, message: bytes, database: str, name: str) -> None:
        """Make a database called *name* with the shards, still empty, that *database* has.

        *message* tells of them, and there must be some. No database of that *name* may exist.
        """
        asked = request(BackupDatabase=database, RestoreDatabase=name, UploadSize=len(message))
        answer = b"".join(at_most(MOST_BYTES, self.call(META_UPDATE, [*asked, message])))
        shards = int.from_bytes(answer[8:16])  # none of which it tells where it has failed
        if int.from_bytes(answer[:8]) != metastore.MAGIC or not shards:
            raise BackupFault(f"{self.name} has not made database {name!r}: see its log")

    def fill_shard(self, shard: int, files: Iterable[tuple[str, int, Iterable[bytes]]]) -> None:
        """Give a shard its files, each as name, size and bytes. It proves nothing: count after."""
        there = listed(metastore.buckets(self.metastore()))
        folder = next((f"{each.bucket}/{shard}" for each in there if each.id == shard), None)
        if folder is None:
            raise Gone(f"{self.name} has no shard {shard}")
        named = ((f"{folder}/{name}", size, chunks) for name, size, chunks in files)
        sent = itertools.chain([shard.to_bytes(8)], archive.tar(named))
        for _ in self.call(SHARD_UPDATE, sent):  # it says nothing, and hangs up when it has it
            pass

    def call(self, kind: int, sent: Iterable[bytes]) -> Iterator[bytes]:
        """Ask at the backup port, and yield the answer. Raise BackupFault."""
        with self.reaching():
            line = socket.create_connection(self.place, CONNECT_S)
        with line:
            line.settimeout(WAIT_S)
            for chunk in from_here(itertools.chain([bytes([HEADER, kind])], sent)):
                with self.reaching():
                    line.sendall(chunk)
            while True:
                with self.reaching():
                    piece = line.recv(CHUNK)
                if not piece:
                    return
                yield piece

    @contextmanager
    def reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupFault(
                f"{self.name}: its port for backups, {self.place[0]}:{self.place[1]}, does not "
                f"answer: {why(error)} ('bind-address' in its configuration; docker-compose.yml "
                "opens it to this computer)"
            ) from error


def request(**fields: Any) -> list[bytes]:
    """Return a request to the backup port, with the end of line that it waits for."""
    return [json.dumps(fields).encode() + b"\n"]
