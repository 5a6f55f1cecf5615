"""Two clocks: the monotonic one drives the grid, the wall clock dates what was read.

A Pi has no clock battery: until the kernel says that its clock is synchronised, readings are
stamped with monotonic time and cannot be delivered. ``Clock.frame`` answers
what a reading's time is counted in just now. All times are in milliseconds.
"""

import contextlib
import ctypes
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from collector import files

log = logging.getLogger(__name__)

# Slewing moves both clocks alike; only a step changes their distance. Reading both is not atomic,
# so a distance counts as changed only beyond what a preempted thread could make of it.
STEP_MS = 50
CALM_AFTER_MS = 3_600_000
AHEAD_MS = 1_000  # more than the times of readings are rounded

TIME_ERROR = 5  # <sys/timex.h>
TIMEX_BYTES = 256  # larger than struct timex on any machine
TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")


@dataclass(frozen=True)
class Frame:
    """What times are counted in: wall clock = monotonic + *offset_ms*; *dated* if it is trusted.

    In a frame that is not dated the offset is 0, so its times are monotonic ones.
    """

    offset_ms: int
    dated: bool


class Clock:
    """The machine's clocks. *trust* is 'always', or 'synchronised' to wait for the kernel's word.

    *mark* is a file that remembers that this boot's clock was right once: a network that goes
    away later must not hold readings back again.
    """

    def __init__(self, trust: str = "always", mark: Path | None = None) -> None:
        self.trust = trust
        self.mark = mark
        self.boot = boot_id()
        self.lock = threading.Lock()
        self.steps = 0
        self.stepped_ms = self.monotonic_ms()
        self._frame = Frame(0, dated=False)

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1e6

    def wall_ms(self) -> float:
        return time.time_ns() / 1e6

    def synchronised(self) -> bool:
        return kernel_synchronised()

    def wait(self, until_ms: float, stop: threading.Event) -> bool:
        """Sleep until the monotonic time *until_ms*; return True at once when *stop* is set."""
        while (left_s := (until_ms - self.monotonic_ms()) / 1000) > 0:
            if stop.wait(left_s):
                return True
        return stop.is_set()

    def frame(self) -> Frame:
        """Return the frame that holds now, noticing that the clock became right or was stepped."""
        with self.lock:
            if not self._frame.dated and not self.is_trusted():
                return self._frame
            if self._frame.dated and abs(self.distance_ms()[1] - self._frame.offset_ms) < STEP_MS:
                return self._frame
            offset_ms = self.offset_ms()
            change_ms = offset_ms - self._frame.offset_ms
            if not self._frame.dated:
                self._frame = Frame(offset_ms, dated=True)
            elif abs(change_ms) > STEP_MS:
                self.steps += 1
                self.stepped_ms = self.monotonic_ms()
                log.warning("the clock was stepped by %+.3f s", change_ms / 1000)
                self._frame = Frame(offset_ms, dated=True)
            return self._frame

    def is_calm(self) -> bool:
        """Has the clock been right without a step for so long that ages can be believed?"""
        return self.frame().dated and self.monotonic_ms() - self.stepped_ms > CALM_AFTER_MS

    def offset_ms(self) -> int:
        """Measure the distance of the two clocks, from the least disturbed of three tries."""
        return round(min(self.distance_ms() for _ in range(3))[1])

    def distance_ms(self) -> tuple[float, float]:
        """Return by how much this may be wrong, and the distance of the two clocks."""
        before, wall, after = self.monotonic_ms(), self.wall_ms(), self.monotonic_ms()
        return after - before, wall - (before + after) / 2

    def is_trusted(self) -> bool:
        if self.trust == "always" or self.was_trusted():
            return True
        if not self.synchronised():
            return False
        log.info("the clock is synchronised")
        if self.mark is not None:
            with contextlib.suppress(OSError):  # a full disk: then it is asked for anew
                self.mark.write_text(self.boot, encoding="ascii")
        return True

    def was_trusted(self) -> bool:
        try:
            return self.mark is not None and files.read(self.mark) == self.boot.encode()
        except OSError:
            return False


def boot_id() -> str:
    """Return the kernel's random name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def kernel_synchronised() -> bool:
    """Ask the kernel (adjtimex, man 2) whether something keeps its clock right.

    In a sandbox that denies the call, systemd-timesyncd's mark has to do.
    """
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    state = ctypes.CDLL(None).adjtimex(timex)
    return TIMESYNCD_MARK.exists() if state < 0 else bool(state != TIME_ERROR)


def next_slot(now_ms: float, interval_ms: int) -> int:
    """Return the first full multiple of *interval_ms* after *now_ms*."""
    return (int(now_ms // interval_ms) + 1) * interval_ms


def utc(at_ms: float) -> str:
    """Write a time as people and machines read it: 2026-01-31T23:59:59.000Z."""
    seconds, ms = divmod(int(at_ms), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ms:03d}Z"


def utc_minute(at_ms: float) -> str:
    """Write a time to the minute: 2026-01-31 23:59 UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at_ms // 1000))


def is_later(at_ms: int, other_ms: int, now_ms: float) -> bool:
    """Was *at_ms* after *other_ms*, or is that of before the clock was set back?"""
    return at_ms >= other_ms or at_ms <= now_ms < other_ms
