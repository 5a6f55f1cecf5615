"""The values of now: the newest of every quantity of each device, until it is too old.

A value is of now for three times its interval, at least for 5 s. The interval is what the
configuration says, or what the last readings show where they come more seldom: a device behind a
broker, a derivation. A device that comes back after an hour is not believed for three.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from collector.clock import AHEAD_MS, Clock, is_later
from collector.contract.page import DeviceNow
from collector.reading import Reading
from collector.run.status import UNDATED_MS

INTERVALS = 3
LEAST_MS = 5_000
NOTHING: Mapping[str, int] = {}


@dataclass(slots=True)
class Value:
    """The newest value of a quantity, and how long before it the ones before were taken."""

    value: float
    at_ms: int
    interval_ms: int
    gap_ms: int = 0
    gap_before_ms: int = 0

    def put(self, value: float, at_ms: int) -> None:
        if at_ms != self.at_ms:
            self.gap_before_ms, self.gap_ms = self.gap_ms, at_ms - self.at_ms
        self.value, self.at_ms = value, at_ms

    @property
    def lasts_ms(self) -> int:
        usual_ms = min(self.gap_ms, self.gap_before_ms or self.gap_ms)
        return max(INTERVALS * max(self.interval_ms, usual_ms), LEAST_MS)


@dataclass(slots=True)
class Device:
    """What is known of a device; *heard_ms* is monotonic, when something last came of it."""

    source: str
    label: str
    at_ms: int = 0
    heard_ms: float = 0
    values: dict[str, Value] = field(default_factory=dict)


class Now:
    """Hears every reading as it is journalled; any thread may ask it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.devices: dict[tuple[str, str], Device] = {}

    def hear(
        self,
        source: str,
        labels: Mapping[str, str],
        readings: Iterable[Reading],
        intervals_ms: Mapping[str, int] = NOTHING,
    ) -> None:
        """Take what *source* has read; *labels* are by device, with the source's own under ''."""
        heard_ms = self.clock.monotonic_ms()
        now_ms = heard_ms + self.clock.frame().offset_ms + AHEAD_MS
        with self.lock:
            for reading in sorted(readings, key=attrgetter("at_ms")):
                key = reading.kind, reading.device
                if (device := self.devices.get(key)) is None:
                    label = labels.get(reading.device, labels.get("", ""))
                    device = self.devices[key] = Device(source, label)
                device.heard_ms = heard_ms
                if is_later(reading.at_ms, device.at_ms, now_ms):
                    device.at_ms = reading.at_ms
                take(device.values, reading, intervals_ms, now_ms)

    def show(self) -> list[DeviceNow]:
        """Return every device that was heard since the start, with its values of now."""
        monotonic_ms = self.clock.monotonic_ms()
        now_ms = self.clock.wall_ms()
        booted_ms = round(now_ms - monotonic_ms)
        with self.lock:
            return [
                DeviceNow(
                    kind=kind,
                    device=name,
                    label=device.label,
                    source=device.source,
                    at_ms=dated(device.at_ms, booted_ms),
                    values=fresh(device, monotonic_ms - device.heard_ms, now_ms, booted_ms),
                )
                for (kind, name), device in self.devices.items()
            ]


def take(
    values: dict[str, Value], reading: Reading, intervals_ms: Mapping[str, int], now_ms: float
) -> None:
    for quantity, number in reading.values.items():
        known = values.get(quantity)
        if known is None:
            values[quantity] = Value(number, reading.at_ms, intervals_ms.get(quantity, 0))
        elif is_later(reading.at_ms, known.at_ms, now_ms):
            known.put(number, reading.at_ms)


def fresh(device: Device, silent_ms: float, now_ms: float, booted_ms: int) -> dict[str, float]:
    """Return the values of now: both the reading and its arrival must be new enough."""
    surely_ms = now_ms - LEAST_MS if silent_ms <= LEAST_MS else float("inf")
    return {
        quantity: each.value
        for quantity, each in device.values.items()
        # The first is quick, and decides for most.
        if surely_ms <= each.at_ms
        or each.lasts_ms >= max(silent_ms, now_ms - dated(each.at_ms, booted_ms))
    }


def dated(at_ms: int, booted_ms: int) -> int:
    """Return a time in UTC: from before the clock was right, it counts from the boot."""
    return at_ms + booted_ms if at_ms < UNDATED_MS else at_ms
