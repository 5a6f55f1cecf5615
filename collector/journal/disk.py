"""What the disk does not take: said once, known to the status, and no end of measuring."""

import errno
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FAILING = (errno.EIO, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.EUCLEAN, errno.ETIMEDOUT)
SAY_AGAIN_AFTER_S = 3600  # of a disk that fails and works by turns


class Disk:
    """How the disk of *folder* is: *faults* has the reason for each place that it does not take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.faults: dict[str, str] = {}
        self.logged_s: dict[str, float] = {}

    @contextmanager
    def using(self, place: str) -> Iterator[None]:
        """Let the use of *place*, a name in the folder, fail: it is said once."""
        try:
            yield
        except OSError as error:
            self.fails(place, error)
        else:
            self.works(place)

    def fails(self, place: str, error: OSError) -> None:
        reason = f"{error.strerror or error}{advice(error.errno)}"
        with self.lock:
            was_known = place in self.faults
            self.faults[place] = reason
            now_s = time.monotonic()
            is_new = now_s - self.logged_s.get(place, -SAY_AGAIN_AFTER_S) >= SAY_AGAIN_AFTER_S
            if not was_known and is_new:
                self.logged_s[place] = now_s
        if not was_known and is_new:
            log.error("%s: %s; measuring goes on", self.folder / place, reason)

    def works(self, place: str) -> None:
        if not self.faults:  # nearly always
            return
        with self.lock:
            if self.faults.pop(place, None) is None:
                return
        log.info("%s: works again", self.folder / place)


def advice(number: int | None) -> str:
    """Return what to do about an error of the disk."""
    if number in FULL:
        return ": make room on the disk"
    return ": back up now and replace the card or disk" if number in FAILING else ""
