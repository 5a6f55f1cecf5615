"""What a derivation has remembered, and of which reading on: its cursor, whole or not at all.

derivations/NAME/NUMBER-TIME    a snapshot: the next number it needs, when it was written

Snapshots are written every few minutes and not forced onto the disk. A damaged one is passed over
for the one before it. So that a replay can begin long ago, the first of every six hours is kept as
long as the readings after it.
"""

import re
import threading
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from collector import files
from collector.journal.places import delete, need_file, need_folder

NAME = re.compile(r"(\d{16})-(\d{13})")
KEPT_EVERY_MS = 6 * 3_600_000
LARGEST_BYTES = 1 << 20

REWOUND = "rewound"  # an empty file: this derivation has begun before


@dataclass(frozen=True)
class Snapshot:
    """A derivation before reading *number*; *state* is its JSON, empty where it begins.

    What it has made of the readings from *number* on is in the journal from the number *end* on.
    """

    number: int = 0
    end: int = 0
    state: str = ""


class Snapshots:
    """The snapshots in *folder*, of one derivation; *current* is the one to go on from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.current = Snapshot()

    @property
    def is_new(self) -> bool:
        """Has it never begun? A run that was killed leaves an empty folder."""
        return not self.paths() and not (self.folder / REWOUND).exists()

    def read(self) -> None:
        """Find the newest whole snapshot; without one the derivation begins with the oldest.

        Raise OSError.
        """
        need_folder(self.folder.parent)
        for path in self.folder.glob(".*.new"):  # of a run that was killed
            delete(path)
            need_file(path)
        whole = filter(None, (read(path) for path in reversed(self.paths())))
        self.current = next(whole, Snapshot())

    def paths(self) -> list[Path]:
        """Return the files of all snapshots, oldest reading first."""
        entries = self.folder.iterdir() if self.folder.is_dir() else []
        return sorted(each for each in entries if NAME.fullmatch(each.name) and each.is_file())

    def begin(self, number: int, at_ms: float) -> None:
        """Let a new derivation begin at *number*, for good. Raise OSError."""
        self.current = Snapshot(number, number)
        write(self.folder, self.current, at_ms, durable=True)
        for folder in (self.folder.parent, self.folder.parent.parent):
            files.sync_folder(folder)

    def put(self, snapshot: Snapshot, before: Snapshot, at_ms: float, first_number: int) -> bool:
        """Go on from *snapshot*, unless the derivation was rewound since *before*. Raise OSError.

        What is no longer needed is deleted, as is what is from before *first_number*.
        """
        with self.lock:
            if self.current is not before:
                return False
            write(self.folder, snapshot, at_ms, durable=False)
            self.current = snapshot
            for path in unneeded(self.paths(), first_number):
                path.unlink(missing_ok=True)
            return True

    def rewind(self, number: int) -> Snapshot:
        """Go back to the newest snapshot at or before *number*, or else to no state at all.

        Raise OSError.
        """
        with self.lock:
            if self.folder.is_dir():
                (self.folder / REWOUND).touch()  # without a snapshot it is not new
            for path in reversed(self.paths()):
                if number_of(path) > number:
                    path.unlink()
            self.read()
            # Also where nothing moved: what is going on must notice, and begin here again.
            self.current = Snapshot(self.current.number, self.current.end, self.current.state)
            return self.current


def number_of(path: Path) -> int:
    return int(path.name[:16])


def unneeded(paths: list[Path], first_number: int) -> list[Path]:
    """Return those of *paths* that may go; the newest two stay, in case one is damaged."""
    old = [each for each in paths[:-2] if number_of(each) < first_number]
    kept = paths[len(old) :]
    spans = [int(each.name[17:]) // KEPT_EVERY_MS for each in kept]
    return old + [
        path
        for path, (before, span) in zip(kept[1:-2], pairwise(spans[:-2]), strict=True)
        if span == before
    ]


def write(folder: Path, snapshot: Snapshot, at_ms: float, *, durable: bool) -> None:
    need_folder(folder)
    text = f"{snapshot.end} {snapshot.state}".encode()
    path = folder / f"{snapshot.number:016d}-{max(round(at_ms), 0):013d}"
    files.replace(path, b"%s#%010d\n" % (text, zlib.crc32(text)), mode=0o640, durable=durable)


def read(path: Path) -> Snapshot | None:
    """Read a snapshot; None where it is damaged."""
    try:
        with files.open_file(path) as file:
            text, _, crc = file.read(LARGEST_BYTES + 100).rpartition(b"#")
        if int(crc) != zlib.crc32(text):
            return None
        end, _, state = text.decode().partition(" ")
        return Snapshot(number_of(path), int(end), state)
    except (OSError, ValueError):
        return None
