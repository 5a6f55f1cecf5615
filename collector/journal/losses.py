"""What was lost: counted by cause, told once, and written down for those who ask later."""

import logging
import threading
from collections import Counter
from pathlib import Path

from collector.journal.notes import LOSSES, append_json, losses

log = logging.getLogger(__name__)

FILE = LOSSES


class Losses:
    """The losses of the journal in *folder*: *ever* of all runs and *lately* of this one, by cause.

    Readings are named by their numbers, so that one found missing twice counts once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.ever: Counter[str] = Counter()
        self.lately: Counter[str] = Counter()
        self.lost: list[tuple[int, int]] = []
        self.unwritten: list[dict[str, object]] = []

    def read(self) -> None:
        """Learn what earlier runs wrote down; entries that make no sense are stepped over."""
        for loss in losses(self.folder):
            self.ever[loss["cause"]] += loss["readings"]
            match loss:
                case {"first": int(first), "last": int(last)}:
                    self.lost.append((first, last))

    def forget_from(self, number: int) -> None:
        """Take *number* and all after it for not lost: the next readings get these numbers."""
        self.lost = [(first, min(last, number - 1)) for first, last in self.lost if first < number]

    def tell(self, cause: str, first: int, last: int, lacking: dict[str, int]) -> None:
        """Tell that the readings *first* to *last* are gone; *lacking* says who needed how many."""
        with self.lock:
            gaps = [(first, last)]
            for earlier in self.lost:
                gaps = [left for gap in gaps for left in without(gap, earlier)]
            self.lost += gaps
        for start, end in gaps:
            self.count(cause, end - start + 1, first=start, last=end, undelivered=lacking)

    def count(self, cause: str, readings: int, **details: object) -> None:
        """Count a loss, say it in the log, and write it down as soon as the disk takes it."""
        log.warning("journal: %d readings lost: %s", readings, cause)
        with self.lock:
            self.ever[cause] += readings
            self.lately[cause] += readings
            self.unwritten.append({"cause": cause, "readings": readings, **details})
        self.write()

    def count_quietly(self, cause: str, readings: int) -> None:
        """Count a loss that goes on, as one with what was lost before it."""
        with self.lock:
            self.ever[cause] += readings
            self.lately[cause] += readings
            if self.unwritten and self.unwritten[-1]["cause"] == cause:
                readings += int(str(self.unwritten.pop()["readings"]))
            self.unwritten.append({"cause": cause, "readings": readings})

    def write(self) -> None:
        """Write down what is not written yet; on a full disk it waits."""
        with self.lock:
            while self.unwritten:
                try:
                    append_json(self.folder / FILE, self.unwritten[0])
                except OSError:
                    return
                self.unwritten.pop(0)


def without(gap: tuple[int, int], earlier: tuple[int, int]) -> list[tuple[int, int]]:
    """Return what is left of *gap* beside *earlier*, both from the first to the last number."""
    before = (gap[0], min(gap[1], earlier[0] - 1))
    after = (max(gap[0], earlier[1] + 1), gap[1])
    return [each for each in (before, after) if each[0] <= each[1]]
