"""A cursor: how far an output has got in the journal, in a small file of its own."""

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from collector import files
from collector.journal.disk import Disk
from collector.journal.places import need_file, need_folder


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
        text, crc = files.read(cursor_file(folder, output)).split(b"#")
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
    need_folder(file.parent)
    text = b"%020d %020d " % (cursor.number, cursor.newest_ms)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.pwrite(descriptor, b"%s#%010d\n" % (text, zlib.crc32(text)), 0)
    finally:
        os.close(descriptor)


class Cursors(dict[str, Cursor]):
    """The cursor of each output by its name, here and on disk."""

    def __init__(self, disk: Disk, names: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(names, Cursor(0)))
        self.disk = disk

    def read(self) -> None:
        for name in self:
            with self.disk.using(f"cursors/{name}"):
                need_file(cursor_file(self.disk.folder, name))
                self[name] = read_cursor(self.disk.folder, name)

    def put(self, name: str, cursor: Cursor) -> None:
        """Set a cursor. A power cut may forget the last ones, as does a disk that fails."""
        self[name] = cursor
        with self.disk.using(f"cursors/{name}"):
            write_cursor(self.disk.folder, name, cursor)

    @property
    def furthest(self) -> int:
        """Return the highest number that any output needs next: what is new begins there."""
        return max((cursor.number for cursor in self.values()), default=1) or 1
