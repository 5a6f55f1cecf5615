"""What the journal notes beside the readings, one JSON object a line: losses and dead letters."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from collector.clock import utc

# Some 30,000 refused readings: enough to see what is wrong, and no danger to the disk.
DEAD_LETTERS_BYTES = 10_000_000


def losses(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what was lost so far: cause, readings, and where known first, last, undelivered."""
    yield from read_json(folder / "losses.jsonl")


def dead_letters(folder: Path, output: str) -> Iterator[dict[str, Any]]:
    """Yield what *output* refused: at, reason, reading."""
    yield from read_json(folder / "dead-letters" / f"{output}.jsonl")


def append_dead_letters(folder: Path, output: str, reasons: Mapping[bytes, str]) -> int:
    """Note refused readings with their reasons; return how many no longer fit. Raise OSError."""
    file = folder / "dead-letters" / f"{output}.jsonl"
    left = len(reasons)
    for line, reason in reasons.items():
        if file.exists() and file.stat().st_size > DEAD_LETTERS_BYTES:
            break
        append_json(file, {"reason": reason, "reading": line.decode("ascii")})
        left -= 1
    return left


def take_dead_letters(folder: Path, output: str) -> Path:
    """Put the list of what *output* refused aside, so that new ones begin another; return it."""
    file = folder / "dead-letters" / f"{output}.jsonl"
    return file.rename(file.with_suffix(".resent"))


def append_json(file: Path, entry: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    entry = {"at": utc(time.time() * 1000), **entry}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")


def read_json(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file with one a line, stepping over lines that are none."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
