"""The newest values of each device in a hash, and its history in a stream that is kept short.

A stream takes an entry only behind its last one, and an entry's number is the time of its reading.
So the stream is asked for its last number first, and what it has by then is not sent again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collector.lines.redis import Answer, Refusal, Word
from collector.outputs.redis.rows import Row, row_of
from collector.outputs.redis.server import Server

ID = re.compile(rb"([0-9]{1,15})-[0-9]{1,20}")
TIME = re.compile(rb"[0-9]{1,15}")
LATE = "too late for the stream {key}: it has newer ones, and takes none before them"
OTHER = "the stream {key} has another reading of that time"


@dataclass
class Place:
    """What the server holds of one device: the newest of its stream, and of its hash."""

    key: str
    stream_ms: int
    hash_ms: int
    values: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def stream(self) -> str:
        return f"{self.key}:history"


class Streams:
    """Keys ``PREFIX:KIND:DEVICE`` and ``PREFIX:KIND:DEVICE:history``, the latter with *keep*."""

    def __init__(self, prefix: str, keep: int, tags: Mapping[str, str]) -> None:
        self.prefix = prefix
        self.keep = keep
        self.tags = [word.encode() for pair in tags.items() for word in pair]
        self.places: dict[tuple[str, str], Place] = {}

    def forget(self) -> None:
        """Ask again before the next write."""
        self.places.clear()

    def newest_ms(self, server: Server) -> int | None:  # noqa: ARG002  of all devices there is none
        return None

    def write(self, server: Server, batch: Sequence[bytes]) -> dict[int, str]:
        """Store *batch*; return the reason for each reading that can't be stored any more."""
        rows = [row_of(line) for line in batch]
        self.look(server, dict.fromkeys((row.kind, row.device) for row in rows))
        commands: list[Sequence[Word]] = []
        past = []
        for number, row in enumerate(rows):
            place = self.places[row.kind, row.device]
            if row.at_ms >= place.hash_ms:
                place.hash_ms = row.at_ms
                place.values.update(row.fields)
            if self.keep and row.at_ms > place.stream_ms:
                place.stream_ms = row.at_ms
                commands.append(self.entry(place, row))
            elif self.keep:
                past.append(number)
        for place in self.places.values():
            if place.values:
                words = [word for pair in place.values.items() for word in pair]
                time: list[Word] = ["time", place.hash_ms]
                commands.append(["HSET", place.key, *words, *time, *self.tags])
                place.values = {}
        server.transact(commands)
        return self.refused(server, {number: rows[number] for number in past})

    def entry(self, place: Place, row: Row) -> list[Word]:
        words = [word for pair in row.fields for word in pair]
        return ["XADD", place.stream, "MAXLEN", "~", self.keep, f"{row.at_ms}-0", *words]

    def look(self, server: Server, wanted: Iterable[tuple[str, str]]) -> None:
        """Ask how far the server is with each device, unless that is known."""
        new = {
            each: f"{self.prefix}:{each[0]}:{each[1]}" for each in wanted if each not in self.places
        }
        times = server.look([("HGET", key, "time") for key in new.values()])
        heads: list[Answer] = [None] * len(new)
        if self.keep:
            heads = server.ask_some([("XINFO", "STREAM", f"{key}:history") for key in new.values()])
            heads = [None if is_missing(each) else each for each in heads]
            server.check(heads)
        for (each, key), time, head in zip(new.items(), times, heads, strict=True):
            self.places[each] = Place(key, last_of(head), time_in(time))

    def refused(self, server: Server, past: Mapping[int, Row]) -> dict[int, str]:
        """Return those of *past* that the streams do not have, each with the reason."""
        places = {number: self.places[row.kind, row.device] for number, row in past.items()}
        ids = {number: f"{row.at_ms}-0" for number, row in past.items()}
        found = server.look(
            [("XRANGE", places[number].stream, each, each) for number, each in ids.items()]
        )
        reasons = {}
        for (number, row), entry in zip(past.items(), found, strict=True):
            match entry:
                case [[_, list() as words]] if pairs(words) == dict(row.fields):
                    continue
                case [_]:
                    reason = OTHER
                case _:
                    reason = LATE
            reasons[number] = reason.format(key=places[number].stream)
        return reasons


def is_missing(answer: Answer) -> bool:
    return isinstance(answer, Refusal) and "no such key" in answer


def last_of(answer: Answer) -> int:
    """Return the time of the last entry that a stream ever had; -1 where it had none."""
    words = answer if isinstance(answer, list) else []
    names = words[::2]
    if b"last-generated-id" in names:
        number = words[2 * names.index(b"last-generated-id") + 1 :][:1]
        if number and isinstance(number[0], bytes) and (match := ID.fullmatch(number[0])):
            return int(match[1])
    return -1


def time_in(answer: Answer) -> int:
    return int(answer) if isinstance(answer, bytes) and TIME.fullmatch(answer) else -1


def pairs(words: Sequence[Answer]) -> dict[bytes, bytes]:
    plain = [word if isinstance(word, bytes) else b"" for word in words]
    return dict(zip(plain[::2], plain[1::2], strict=False))
