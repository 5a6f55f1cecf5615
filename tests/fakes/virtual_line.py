"""A serial port in a time of its own, where an hour passes at once and nothing is by chance."""

from contextlib import contextmanager
from itertools import takewhile

import minimalmodbus
import pytest

import collector.sources.modbus.rtu_line
from collector.lines.serial import TICK_S


class VirtualTime:
    """Stands in for the module ``time``."""

    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        return self.now_s

    def sleep(self, duration_s):
        self.now_s += max(duration_s, 0.0)


class VirtualPort:
    """A port whose far end is *slave*: it is given a request and the time, and returns arrivals.

    An arrival is (time, bytes), never before the one that came before.
    """

    def __init__(self, time, slave):
        self.time = time
        self.slave = slave
        self.arrivals = []

    @property
    def in_waiting(self):
        there = takewhile(lambda arrival: arrival[0] <= self.time.now_s, self.arrivals)
        return sum(len(data) for _, data in there)

    def write(self, request):
        self.arrivals += self.slave(request, self.time.now_s)

    def read(self, size):
        end_s = self.time.now_s + TICK_S
        data = b""
        while len(data) < size and self.arrivals and self.arrivals[0][0] <= end_s:
            at_s, arrived = self.arrivals.pop(0)
            self.time.now_s = max(self.time.now_s, at_s)
            data += arrived
        if len(data) > size:
            self.arrivals.insert(0, (self.time.now_s, data[size:]))
        elif len(data) < size:
            self.time.now_s = end_s
        return data[:size]

    def close(self):
        self.arrivals.clear()


@contextmanager
def virtual_time():
    time = VirtualTime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collector.sources.modbus.rtu_line, "time", time)
        patch.setattr(minimalmodbus, "time", time)
        patch.setattr(minimalmodbus, "_latest_read_times", {})
        yield time
