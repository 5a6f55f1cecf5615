"""The last ten minutes of each device's main figure, in memory: a point every ten seconds."""

from collections import deque
from collections.abc import Callable, Iterable

from collector.contract.page import DeviceNow

EVERY_MS = 10_000
MOST = 60
MOST_DEVICES = 1000
Key = tuple[str, str]


class Sparks:
    """Keeps points; one thread adds, any thread reads what it was given."""

    def __init__(self) -> None:
        self.points: dict[Key, deque[tuple[int, float]]] = {}
        self.shown: dict[Key, tuple[tuple[int, float], ...]] = {}
        self.names: dict[Key, str] = {}
        self.slot = 0

    def is_due(self, now_ms: float) -> bool:
        return round(now_ms) // EVERY_MS != self.slot

    def add(
        self, devices: Iterable[DeviceNow], main_of: Callable[[DeviceNow], str], now_ms: float
    ) -> None:
        """Add a point of each device that has a value now; what is too old goes."""
        self.slot = round(now_ms) // EVERY_MS
        at_ms = self.slot * EVERY_MS
        for each in devices:
            key = each.kind, each.device
            name = main_of(each)
            if not name or (key not in self.points and len(self.points) >= MOST_DEVICES):
                continue
            if self.names.get(key) != name:
                self.names[key] = name
                self.points[key] = deque(maxlen=MOST)
            self.points[key].append((at_ms, each.values[name]))
        for key, points in self.points.items():
            while points and not 0 <= at_ms - points[0][0] < MOST * EVERY_MS:
                points.popleft()
            self.shown[key] = tuple(points)

    def of(self, kind: str, device: str) -> tuple[tuple[int, float], ...]:
        return self.shown.get((kind, device), ())
