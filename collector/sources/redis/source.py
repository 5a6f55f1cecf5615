"""Rows that others write into a Redis or Valkey server, each read once, at its own time.

What was read is remembered in the source's own folder, once it is journalled. After a power cut the
rows of the last two minutes are read again, which outputs do not mind. Nothing is ever written to
the server.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from collector.contract import BadOption, Context, SourceOptions
from collector.decode.fields import (
    Field,
    Mapped,
    check_names,
    decode,
    device_name,
    fields_of,
    raw_rows,
)
from collector.decode.once import Once
from collector.errors import DeviceRefused
from collector.lines.redis import ANSWER_S, RedisLine
from collector.lines.tcp import CONNECT_S
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds
from collector.secrets import Secret
from collector.sources.redis import rows as redis_rows
from collector.sources.redis.rows import Progress, is_likely

log = logging.getLogger(__name__)

MOST_NEW = 5000  # rows at one read; a backlog takes several
READ_S = 15.0
AT_ONCE = 200
MOST_ROWS = 100_000  # of one series; 28 hours by the second, and 10 MB of memory
MOST_MEMBERS = 100  # each is a series of its own in every database
SAVE_EVERY_S = 60.0  # spares the card
Row = tuple[str, int, Any]
TYPES = {"hash": ("hash",), "stream": ("stream",), "series": ("set", "hash")}


@dataclass(frozen=True, kw_only=True)
class Device(Mapped):
    """What one key of the server holds."""

    key: str = option("its key in the server", example="vemonitor")
    layout: Literal["hash", "stream", "series"] = option(
        "'hash': a field for each quantity, read as it stands; 'stream': rows that XADD adds; "
        "'series': a hash of rows in JSON by their time in seconds since 1970, or a set of the "
        "keys of such hashes (HmapTimeSeries of vemonitor), of which each is a device NAME.KEY",
        example="series",
    )


@dataclass(frozen=True, kw_only=True)
class RedisOptions(SourceOptions):
    """Rows that other programs write into a Redis or Valkey server."""

    line: str = option("tcp://HOST:PORT of the server", example="tcp://127.0.0.1:6379")
    database: int = option("number of the database", example=3, default=0, low=0, high=10_000)
    user: str = option("name of a login, if the server has several", example="monitor", default="")
    password: Secret | None = option(
        "password of the server or of that login", example="!secret redis-password", default=None
    )
    devices: dict[str, Device] = option(
        "the devices by name",
        example={
            "battery": {
                "key": "vemonitor_bmv",
                "layout": "series",
                "kind": "battery",
                "quantities": {"battery_voltage": "V"},
            }
        },
    )
    every: Seconds = option(
        "interval of the search for new rows, aligned to the clock",
        example="10s",
        default=Seconds(10),
        low=0.2,
    )


class Redis:
    """Reads from one server."""

    Options: ClassVar[type] = RedisOptions
    patience_s = CONNECT_S + 2 * ANSWER_S + READ_S

    def __init__(self, name: str, options: RedisOptions, context: Context) -> None:
        self.name = name
        self.options = options
        try:
            self.redis = RedisLine(options.line)
        except ValueError as error:
            raise BadOption("line", f"{error}, where PORT is 6379") from error
        if options.read:
            raise BadOption("read", "a row is read once and whole; leave 'read' out")
        check_names(options.devices)
        self.fields: dict[str, tuple[Field, ...]] = {}
        for each, device in options.devices.items():
            self.fields[each] = fields_of(device, f"devices.{each}")
        every = [field for fields in self.fields.values() for field in fields]
        if not every:
            raise BadOption("devices", "no quantity is configured: nothing would be read")
        self.quantities = {each.quantity: None for each in every}.keys()
        self.line = f"{options.line} {name}"  # a connection of its own
        self.file = context.state_dir / "read"
        self.kept: Progress | None = None
        self.returned: Progress | None = None
        self.is_journalled = False
        self.saved = self.older = b""
        self.saved_s = 0.0
        self.room = 0
        self.once = Once(log)

    def open(self) -> None:
        """Connect, and log in. Raise ReadFault, SecretMissing."""
        if self.redis.is_open:
            return
        secret = self.options.password
        password = secret.value() if secret else ""
        try:
            self.redis.open(self.options.user, password, self.options.database)
        except DeviceRefused as error:
            mend = f"mend 'user' or the secret {secret.name!r}" if secret else "give 'password'"
            raise DeviceRefused(f"{error}; {mend}, or 'database'") from error

    def close(self) -> None:
        """Hang up, and remember what is kept."""
        self.redis.close()
        if self.kept is not None and self.is_journalled:
            self.save(redis_rows.pack(self.kept))

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Return the rows that are new, oldest first of each device. Raise ReadFault."""
        self.open()
        progress, self.room = self.progress(), MOST_NEW
        self.redis.latest_s = time.monotonic() + READ_S
        readings, refused = [], {}
        for name, device in self.options.devices.items():
            try:
                for device_of, row_ms, document in self.rows(name, device, progress, at_ms):
                    if values := decode(self.fields[name], document):
                        readings.append(Reading(device.kind, device_of, row_ms, values))
            except DeviceRefused as error:
                refused[name] = str(error)
        for name in self.options.devices:
            self.tell(name, refused.get(name, ""))
        if len(refused) == len(self.options.devices):
            raise DeviceRefused(next(iter(refused.values())))
        self.returned = progress
        return readings

    def journalled(self) -> None:
        """Remember what the last read returned as read."""
        self.kept, self.is_journalled = self.returned, True

    def progress(self) -> Progress:
        """Return what is read by now, for this read to go on from."""
        if self.kept is None:
            self.saved = self.older = redis_rows.load(self.file)
            self.kept, self.saved_s = redis_rows.unpack(self.saved), time.monotonic()
        if time.monotonic() - self.saved_s > SAVE_EVERY_S:
            # What was read a minute ago has reached the disk by now, in the journal.
            self.save(self.older)
            self.older, self.saved_s = redis_rows.pack(self.kept), time.monotonic()
        return self.kept.copy()

    def save(self, data: bytes) -> None:
        if data == self.saved:
            return
        try:
            redis_rows.save(self.file, data)
            self.saved = data
        except OSError as error:
            reason = f"{self.file} cannot be written: {error.strerror}"
            self.tell("file", f"{reason}; after a restart rows are read again")

    def rows(self, name: str, device: Device, progress: Progress, at_ms: int) -> Iterator[Row]:
        """Yield device, time in ms and document of what is new. Raise ReadFault."""
        kind = self.kind_of(name, device)
        if kind == "none":
            self.tell(f"no {name}", f"{name}: there is no key {device.key!r} in the server yet")
        elif device.layout == "hash":
            names = redis_rows.columns(self.fields[name])
            yield name, at_ms, self.columns(device.key, names)
        elif device.layout == "stream":
            yield from self.stream(name, device.key, progress, at_ms)
        else:
            for key, device_of in self.series(name, device.key, kind).items():
                yield from self.rows_of_series(device_of, key, progress, at_ms)

    def kind_of(self, name: str, device: Device) -> str:
        """Return what Redis calls what the key holds. Raise ReadFault where that is another."""
        answer = self.redis.ask("TYPE", device.key)
        kind = answer.decode(errors="replace") if isinstance(answer, bytes) else ""
        if kind not in ("none", *TYPES[device.layout]):
            raise DeviceRefused(f"{name}: the key {device.key!r} is a {kind}: mend 'layout'")
        return kind

    def columns(self, key: str, names: list[str]) -> dict[str, Any]:
        return redis_rows.documents(names, self.redis.ask("HMGET", key, *names))

    def stream(self, name: str, key: str, progress: Progress, at_ms: int) -> Iterator[Row]:
        last = progress.ids.get(key, "0-0")
        while self.room > 0:
            answer = self.redis.ask("XREAD", "COUNT", AT_ONCE, "STREAMS", key, last)
            rows = redis_rows.of_stream(answer)
            if not rows:
                return
            last = progress.ids[key] = rows[-1][0]
            self.room -= len(rows)
            yield from self.likely(
                [(name, row_ms, document) for _, row_ms, document in rows], at_ms
            )

    def series(self, name: str, key: str, kind: str) -> dict[str, str]:
        """Return the device of each hash that *key* names. Raise ReadFault."""
        if kind == "hash":
            return {key: name}
        count = self.redis.count("SCARD", key)
        if count > MOST_MEMBERS:
            raise DeviceRefused(f"{name}: {key!r} has {count} members; at most {MOST_MEMBERS}")
        keys = sorted(self.redis.texts("SMEMBERS", key))
        return {each: device_name(name, [each.removeprefix(f"{key}_")]) for each in keys}

    def rows_of_series(
        self, device_of: str, key: str, progress: Progress, at_ms: int
    ) -> Iterator[Row]:
        count = self.redis.count("HLEN", key)
        if count > MOST_ROWS:
            raise DeviceRefused(f"{device_of}: {key!r} has {count} rows; at most {MOST_ROWS}")
        there = redis_rows.times(self.redis.texts("HKEYS", key))
        before = progress.seen.get(key, frozenset())
        new = sorted(there - before)[: max(self.room, 0)]
        self.room -= len(new)
        for first in range(0, len(new), AT_ONCE):
            some = new[first : first + AT_ONCE]
            found = self.columns(key, [str(each) for each in some]).items()
            yield from self.likely(
                [(device_of, redis_rows.in_ms(int(text)), each) for text, each in found], at_ms
            )
        progress.seen[key] = (before & there) | frozenset(new)

    def likely(self, rows: list[Row], at_ms: int) -> Iterator[Row]:
        """Yield the rows whose times can be true."""
        for row in rows:
            if is_likely(row[1], at_ms):
                yield row
            else:
                self.tell(f"time {row[0]}", f"{row[0]}: rows of times that cannot be are left out")

    def read_raw(self) -> list[dict[str, Any]]:
        """Return every field of the newest row of each device, and what it means."""
        self.open()
        found: dict[str, tuple[str, Any]] = {}
        for name, device in self.options.devices.items():
            for label, document in self.newest(name, device):
                found[label] = (name, document)
        return [
            row
            for label, (name, document) in found.items()
            for row in raw_rows(label, self.fields[name], document, name)
        ]

    def newest(self, name: str, device: Device) -> Iterator[tuple[str, Any]]:
        """Yield where the newest rows stand, and what is in them. Raise ReadFault."""
        kind = self.kind_of(name, device)
        if device.layout == "hash":
            names = self.redis.texts("HKEYS", device.key)
            yield device.key, self.columns(device.key, names) if names else {}
        elif device.layout == "stream":
            answer = self.redis.ask("XREVRANGE", device.key, "+", "-", "COUNT", 1)
            for number, _, document in redis_rows.entries(answer):
                yield f"{device.key} {number}", document
        elif kind != "none":
            for key in self.series(name, device.key, kind):
                newest = max(redis_rows.times(self.redis.texts("HKEYS", key)), default=0)
                for text, document in self.columns(key, [str(newest)]).items():
                    yield f"{key} {text}", document

    def tell(self, topic: str, text: str) -> None:
        self.once.warning(topic, text and f"{self.name}: {text}")
