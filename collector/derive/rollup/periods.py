"""Where minutes, hours and days begin and end; days and hours are those of the house's clock."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from collector.contract.rolled import PERIODS
from collector.ledger.sums import By, next_start, start

MINUTE_MS = 60_000
MINUTE, HOUR, DAY = PERIODS
BY: dict[str, By] = {HOUR: "hour", DAY: "day"}


@dataclass(frozen=True, slots=True)
class Span:
    """A period, its times in ms UTC: *end* is the first that is outside."""

    begin: int
    end: int


class Calendar:
    """Finds the period that holds a time. Most times asked for are in the one found last."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.last = {period: Span(0, 0) for period in BY}

    def span(self, period: str, at: int) -> Span:
        if period == MINUTE:
            begin = at // MINUTE_MS * MINUTE_MS
            return Span(begin, begin + MINUTE_MS)
        last = self.last[period]
        if not last.begin <= at < last.end:
            first = start(at, BY[period], self.zone)
            after = next_start(first, BY[period])
            last = Span(round(first.timestamp() * 1000), round(after.timestamp() * 1000))
            self.last[period] = last
        return last
