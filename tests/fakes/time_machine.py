"""A clock whose hands the tests move."""

import threading

from collector.clock import Clock


class FakeClock(Clock):
    """Time stands still until something waits for it, then jumps there."""

    def __init__(self, trust="always", mark=None, wall_ms=1_763_654_400_000.0):
        self.now_ms = 5_000.0
        self.offset = wall_ms - self.now_ms
        self.right = True
        super().__init__(trust, mark)

    def monotonic_ms(self):
        return self.now_ms

    def wall_ms(self):
        return self.now_ms + self.offset

    def synchronised(self):
        return self.right

    def wait(self, until_ms, stop):
        self.now_ms = max(self.now_ms, until_ms)
        return stop.is_set()

    def pass_ms(self, duration_ms):
        self.now_ms += duration_ms

    def step(self, seconds):
        self.offset += seconds * 1000


class Turns(threading.Event):
    """An event that is set by itself after *count* looks at it: ends a loop after some turns."""

    def __init__(self, count):
        super().__init__()
        self.left = count

    def is_set(self):
        self.left -= 1
        if self.left < 0:
            self.set()
        return super().is_set()
