"""Hours in which only urgent alerts are sent, by the clock of the house."""

from datetime import datetime
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000


class Quiet:
    """The hours that *text* names, such as 22:00-07:00; none where it is empty."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        self.zone = zone
        begin, _, end = text.partition("-")
        self.begin, self.end = minutes(begin), minutes(end)
        self.minute, self.was = -1, False

    def holds(self, at_ms: int) -> bool:
        if self.begin == self.end:
            return False
        if at_ms // MINUTE_MS != self.minute:
            self.minute = at_ms // MINUTE_MS
            now = datetime.fromtimestamp(at_ms / 1000, self.zone)
            at = now.hour * 60 + now.minute
            inside = self.begin <= at < self.end
            over_midnight = self.begin > self.end and (at >= self.begin or at < self.end)
            self.was = inside or over_midnight
        return self.was


def minutes(text: str) -> int:
    hours, _, rest = text.partition(":")
    return int(hours) * 60 + int(rest) if rest else 0
