"""Rows in a Redis server, each with its time, and which of them have been read before."""

import json
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from collector import files
from collector.decode.fields import Field, parse
from collector.lines.redis import Answer
from collector.reading import LATEST_MS

EARLIEST_MS = 946_684_800_000  # 2000: a clock that was never set
DAY_MS = 86_400_000
MILLISECONDS_FROM = 10**11  # as seconds the year 5138, as milliseconds 1973
TIME = re.compile(r"[1-9]\d{8,12}", re.ASCII)
ID = re.compile(rb"(\d{1,15})-\d{1,20}")
LARGEST_FILE = 10_000_000  # of times, before they are packed


@dataclass
class Progress:
    """What was read: the last ID of each stream, and of each series the times of its rows."""

    ids: dict[str, str] = field(default_factory=dict)
    seen: dict[str, frozenset[int]] = field(default_factory=dict)

    def copy(self) -> "Progress":
        return Progress(dict(self.ids), dict(self.seen))


def pack(progress: Progress) -> bytes:
    """Return *progress* for a file. Times are written as steps: nearly all are alike. Pure."""
    steps = {}
    for key, seen in progress.seen.items():
        times = sorted(seen)
        steps[key] = times[:1] + [after - before for before, after in pairwise(times)]
    return zlib.compress(json.dumps({"ids": progress.ids, "seen": steps}).encode())


def unpack(data: bytes) -> Progress:
    """Read what ``pack`` wrote; nothing was read where it is anything else. Pure."""
    with suppress(ValueError, zlib.error, AttributeError, TypeError, RecursionError):
        whole = zlib.decompressobj().decompress(data, LARGEST_FILE)
        found = json.loads(whole)
        seen = {str(key): frozenset(accumulate(steps)) for key, steps in found["seen"].items()}
        ids = {str(key): str(each) for key, each in found["ids"].items()}
        good = all(ID.fullmatch(each.encode()) for each in ids.values())
        if good and all(type(each) is int for times in seen.values() for each in times):
            return Progress(ids, seen)
    return Progress()


def load(file: Path) -> bytes:
    """Return what was saved; nothing where that cannot be read."""
    try:
        return files.read(file)
    except OSError:
        return b""


def save(file: Path, data: bytes) -> None:
    """Replace *file*. Not forced onto the disk: what is older only reads again. Raise OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.replace(file, data, durable=False)


def times(keys: Iterable[str]) -> frozenset[int]:
    """Return those of the keys of a hash that are times, as they stand there. Pure."""
    return frozenset(int(key) for key in keys if TIME.fullmatch(key))


def in_ms(time: int) -> int:
    return time if time >= MILLISECONDS_FROM else 1000 * time


def is_likely(row_ms: int, now_ms: int) -> bool:
    """Can a row be of that time? While our own clock is not right, it is not asked. Pure."""
    latest_ms = now_ms + DAY_MS if now_ms > EARLIEST_MS else LATEST_MS
    return EARLIEST_MS <= row_ms < latest_ms


def documents(names: Iterable[str], values: Answer) -> dict[str, Any]:
    """Return what stands under each name, leaving out what is not there. Pure."""
    found = values if isinstance(values, list) else []
    return {
        name: parse(value)
        for name, value in zip(names, found, strict=False)
        if isinstance(value, bytes)
    }


def entries(answer: Answer) -> list[tuple[str, int, dict[str, Any]]]:
    """Return ID, time in ms and document of each row of a stream. Pure, never raises."""
    found = []
    for each in answer if isinstance(answer, list) else []:
        match each:
            case [bytes() as number, list() as pairs] if parts := ID.fullmatch(number):
                names = [
                    name.decode(errors="replace") if isinstance(name, bytes) else ""
                    for name in pairs[::2]
                ]
                document = documents(names, pairs[1::2])
                found.append((number.decode(), int(parts[1]), document))
    return found


def of_stream(answer: Answer) -> list[tuple[str, int, dict[str, Any]]]:
    """Return the rows in the answer to XREAD of one stream. Pure, never raises."""
    match answer:
        case [[_, list() as rows]]:
            return entries(rows)
    return []


def columns(fields: Iterable[Field]) -> list[str]:
    """Return the keys of a hash that *fields* may stand under: path, or first part of it. Pure."""
    paths = [each.path for each in fields]
    return list(dict.fromkeys([*paths, *(path.split(".")[0] for path in paths)]))
