"""What the journal notes beside the readings, one JSON object a line: losses and dead letters."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from collector.clock import utc
from collector.files import open_file
from collector.journal.places import need_folder

# Some 30,000 refused readings: enough to see what is wrong, and no danger to the disk.
LOSSES = "losses.jsonl"
DEAD_LETTERS_BYTES = 10_000_000
LONGEST_LINE = 1 << 20
LARGEST = 1 << 53


def letters_file(output: str) -> str:
    """Return where, in the journal, is what *output* refused."""
    return f"dead-letters/{output}.jsonl"


def losses(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what was lost so far: cause, readings, and where known at, first, last, undelivered."""
    for entry in read_json(folder / LOSSES):
        match entry:
            case {"cause": str(), "readings": int(count)} if is_number(count) and has_time(entry):
                yield entry


def dead_letters(folder: Path, output: str) -> Iterator[dict[str, Any]]:
    """Yield what *output* refused: at, reason, reading."""
    yield from read_json(folder / letters_file(output))


def is_number(number: int) -> bool:
    """Return whether *number* can count readings; ``true`` and what a flipped bit makes cannot."""
    return number is not True and 0 <= number < LARGEST


def has_time(entry: Mapping[str, Any]) -> bool:
    """Return whether the time of *entry* makes sense, where it has one."""
    with suppress(ValueError, TypeError):
        return "at" not in entry or datetime.fromisoformat(entry["at"]).tzinfo is not None
    return False


def append_dead_letters(folder: Path, output: str, reasons: Mapping[bytes, str]) -> int:
    """Note refused readings with their reasons; return how many no longer fit. Raise OSError."""
    file = folder / letters_file(output)
    left = len(reasons)
    for line, reason in reasons.items():
        if file.exists() and file.stat().st_size > DEAD_LETTERS_BYTES:
            break
        append_json(file, {"reason": reason, "reading": line.decode("ascii")})
        left -= 1
    return left


def take_dead_letters(folder: Path, output: str) -> Path:
    """Put the list of what *output* refused aside, so that new ones begin another; return it."""
    file = folder / letters_file(output)
    return file.rename(file.with_suffix(".resent"))


def append_json(file: Path, entry: dict[str, Any]) -> None:
    """Append a line; one that a power cut has torn before it is ended first. Raise OSError."""
    need_folder(file.parent)
    entry = {"at": utc(time.time() * 1000), **entry}
    with file.open("ab+") as lines:
        if lines.tell():
            lines.seek(-1, os.SEEK_END)
        is_torn = lines.read(1) not in (b"", b"\n")
        lines.write(b"\n" * is_torn + json.dumps(entry).encode() + b"\n")


def read_json(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file with one a line, stepping over lines that are none."""
    try:
        lines = open_file(file)
    except FileNotFoundError:
        return
    with lines:
        while line := lines.readline(LONGEST_LINE):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry
