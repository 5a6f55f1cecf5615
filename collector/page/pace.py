"""How work that takes long leaves room for the rest of the collector, which shares a processor.

While Python runs one thread, no other runs, and one that waits is let in after 5 ms only. So long
work rests after every 2 ms, and no more than one runs at a time.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from collector.page.answer import Refused

WORK_S = 0.002
REST_S = 0.0003
MOST = 4
AGAIN_S = 2


class Pace:
    """Called often within long work: rests where it is time to."""

    def __init__(self) -> None:
        self.until_s = time.monotonic() + WORK_S

    def __call__(self) -> None:
        if time.monotonic() >= self.until_s:
            time.sleep(REST_S)
            self.until_s = time.monotonic() + WORK_S


class Turns:
    """Lets one work at a time, and no more than *most* wait or work."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.room = threading.BoundedSemaphore(most)
        self.working = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn. Raise Refused where there are too many already."""
        if not self.room.acquire(blocking=False):
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self.most} other requests are being answered; ask again in {AGAIN_S} s",
                ("Retry-After", str(AGAIN_S)),
            )
        try:
            with self.working:
                yield
        finally:
            self.room.release()

    @contextmanager
    def own(self) -> Iterator[None]:
        """Wait for the page's own turn, which nobody asked for."""
        with self.working:
            yield
