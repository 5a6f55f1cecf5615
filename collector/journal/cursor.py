"""A cursor: how far an output has got in the journal, in a small file of its own."""

import errno
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def unless_full() -> Iterator[None]:
    """Let what can wait fail on a full disk; any other OSError goes up."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise


@dataclass(frozen=True)
class Cursor:
    """How far an output has got: the next number it needs, and the newest time it has stored.

    *passed_ms* is the newest time that it has got past, stored or not; it isn't kept on disk.
    """

    number: int
    newest_ms: int = 0
    passed_ms: int = 0


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


class Cursors(dict[str, Cursor]):
    """The cursor of each output by its name, here and on disk."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(names, Cursor(0)))
        self.folder = folder

    def read(self) -> None:
        for name in self:
            self[name] = read_cursor(self.folder, name)

    def put(self, name: str, cursor: Cursor) -> None:
        """Set a cursor. A power cut may forget the last ones, and a full disk does."""
        self[name] = cursor
        with unless_full():
            write_cursor(self.folder, name, cursor)

    @property
    def furthest(self) -> int:
        """Return the highest number that any output needs next: what is new begins there."""
        return max((cursor.number for cursor in self.values()), default=1) or 1
