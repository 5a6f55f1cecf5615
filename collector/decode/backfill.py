"""What is still missing of a history that is asked for in pieces, and what has been told of it.

For sources whose readings have times of their own. A ``Span`` is from its first to before its last,
in milliseconds since 1970 UTC. Far sides correct what they have said, so the newest days are asked
for again and again: of those it is remembered what was told, and only what is new is told.

It is remembered in a file that is replaced whole, in the source's own folder. Where that file is
lost or damaged everything is asked for and told again, which outputs do not mind.
"""

import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from collector import files
from collector.decode.once import Once
from collector.reading import Reading, encode

log = logging.getLogger(__name__)

Span = tuple[int, int]


@dataclass(frozen=True)
class Progress:
    """The spans that are there, in order and apart, and a checksum of what was told by place.

    *of* says what it is the history of: of anything else nothing is known.
    """

    of: str
    spans: tuple[Span, ...] = ()
    told: Mapping[str, int] = field(default_factory=dict)


def missing(wanted: Span, spans: Iterable[Span]) -> list[Span]:
    """Return the parts of *wanted* that none of *spans* covers, oldest first."""
    first, last = wanted
    found = []
    for begin, end in sorted(spans):
        if begin > first:
            found.append((first, min(begin, last)))
        first = max(first, end)
        if first >= last:
            break
    found.append((first, last))
    return [each for each in found if each[0] < each[1]]


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same time in the fewest spans, oldest first."""
    done: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if done and begin <= done[-1][1]:
            done[-1] = (done[-1][0], max(end, done[-1][1]))
        else:
            done.append((begin, end))
    return tuple(done)


def next_window(wanted: Span, spans: Iterable[Span], longest_ms: int) -> Span | None:
    """Return the newest missing part of *wanted*, of at most *longest_ms*; None where all is there.

    Its start lies on a multiple of *longest_ms*, or where the missing part begins.
    """
    parts = missing(wanted, spans)
    if not parts:
        return None
    first, last = parts[-1]
    return max(first, (last - 1) // longest_ms * longest_ms), last


def news(progress: Progress, readings: Iterable[Reading]) -> list[Reading]:
    """Return those of *readings* that have not been told just so."""
    return [each for each in readings if progress.told.get(place(each)) != checksum(each)]


def after(
    progress: Progress, spans: Iterable[Span], readings: Iterable[Reading], since_ms: int
) -> Progress:
    """Return the progress when *spans* are there and *readings* told.

    What was told is remembered from *since_ms* on: nothing older is asked for again.
    """
    told = dict(progress.told) | {place(each): checksum(each) for each in readings}
    kept = {name: number for name, number in told.items() if time_of(name) >= since_ms}
    return Progress(progress.of, joined([*progress.spans, *spans]), kept)


def place(reading: Reading) -> str:
    return f"{reading.device} {reading.at_ms}"


def time_of(name: str) -> int:
    return int(name.rpartition(" ")[2])


def checksum(reading: Reading) -> int:
    return zlib.crc32(encode(reading))


def load(file: Path, of: str) -> Progress:
    """Return what *file* remembers of the history *of*; nothing where it can't be read."""
    with suppress(OSError):
        return unpack(files.read(file), of)
    return Progress(of)


def save(file: Path, progress: Progress) -> None:
    """Replace *file*, whole or not at all. Raise OSError.

    It is not forced onto the disk: an old one only makes some readings appear twice.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    files.replace(file, pack(progress), durable=False)


def pack(progress: Progress) -> bytes:
    body = {"of": progress.of, "spans": progress.spans, "told": dict(progress.told)}
    return json.dumps(body).encode()


def unpack(data: bytes, of: str) -> Progress:
    """Read what ``pack`` wrote; for anything else, and of another history, nothing is known."""
    try:
        body = json.loads(data)
        if body["of"] != of:
            return Progress(of)
        told = {str(name): int(number) for name, number in body["told"].items()}
        sorted(map(time_of, told))
        return Progress(of, joined(span(*each) for each in body["spans"]), told)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return Progress(of)


def span(begin: int, end: int) -> Span:
    return int(begin), int(end)


class Memory:
    """The progress of the source *name* in *file*: what a read returns counts once it is kept.

    It is written down when the next read begins, as the journal may by then have forced what it
    was given onto the disk. One whose reading was not journalled is forgotten.
    """

    def __init__(self, name: str, file: Path, of: str) -> None:
        self.name = name
        self.file = file
        self.of = of
        self.once = Once(log)
        self.progress: Progress | None = None
        self.returned: Progress | None = None
        self.is_journalled = False

    def begin(self) -> Progress:
        """Return the progress that a read begins with."""
        if self.progress is None:
            self.progress = load(self.file, self.of)
        if self.returned is not None and self.is_journalled:
            self.progress = self.returned
            try:
                save(self.file, self.progress)
            except OSError as error:
                reason = f"{self.file} cannot be written: {error.strerror}"
                self.once.warning("file", f"{self.name}: {reason}")
            else:
                self.once.warning("file", "")
        self.returned, self.is_journalled = None, False
        return self.progress

    def end(self, progress: Progress) -> None:
        """Remember what holds once all that the read returns is journalled."""
        self.returned = progress

    def journalled(self) -> None:
        self.is_journalled = True
