"""A cursor: how far an output has got in the journal, in a small file of its own."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cursor:
    """How far an output has got: the next number it needs, and the newest time it has stored."""

    number: int
    newest_ms: int = 0


def cursor_file(folder: Path, output: str) -> Path:
    return folder / "cursors" / output


def read_cursor(folder: Path, output: str) -> Cursor:
    """Read a cursor; one that is missing or damaged begins with the oldest reading kept."""
    try:
        text, crc = cursor_file(folder, output).read_bytes().split(b"#")
        if int(crc) != zlib.crc32(text):
            return Cursor(0)
        number, newest_ms = text.split()
    except (FileNotFoundError, ValueError):
        return Cursor(0)
    return Cursor(int(number), int(newest_ms))


def write_cursor(folder: Path, output: str, cursor: Cursor) -> None:
    """Overwrite a cursor in place: within one sector, so a power cut leaves the old or the new.

    Not forced onto the disk: an old cursor only sends some readings again, and forcing it would
    double what is written to the card.
    """
    file = cursor_file(folder, output)
    file.parent.mkdir(exist_ok=True)
    text = b"%020d %020d " % (cursor.number, cursor.newest_ms)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.pwrite(descriptor, b"%s#%010d\n" % (text, zlib.crc32(text)), 0)
    finally:
        os.close(descriptor)
