"""Local days: how cold each was, and what the heat pump did in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from collector.derive.heat_pump.counters import Pace

LEAST_MS = 20 * 3_600_000  # a day of which less is known is missing
# Temperatures of a weather service come up to so much later than those of a thermometer.
LATE_MS = 3 * 3_600_000
MOST_DAYS = 4000  # of silence, after which days are no longer counted one by one


@dataclass
class Day:
    """The sums of one day: temperature in °C·ms, energy in Wh, times in ms."""

    degrees: float = 0.0
    degrees_ms: int = 0
    known_ms: int = 0
    run_ms: int = 0
    defrost_ms: int = 0
    heat: float = 0.0
    electricity: float = 0.0
    cooling: float = 0.0
    heating: float = 0.0
    starts: int = 0
    runs: int = 0
    runs_ms: int = 0
    shortest_ms: int = 0

    @property
    def mean_c(self) -> float | None:
        return self.degrees / self.degrees_ms if self.degrees_ms >= LEAST_MS else None

    @property
    def is_whole(self) -> bool:
        return self.known_ms >= LEAST_MS

    def add_run(self, length_ms: int) -> None:
        self.runs += 1
        self.runs_ms += length_ms
        self.shortest_ms = min(self.shortest_ms or length_ms, length_ms)

    def figures(self) -> dict[str, float]:
        """Return what is known of a day, under the names of the catalogue."""
        made: dict[str, float] = {}
        if self.mean_c is not None:
            made["daily_outside_temperature"] = self.mean_c
        if not self.is_whole:
            return made
        made |= {
            "daily_energy": self.electricity,
            "daily_heat": self.heat,
            "daily_starts": self.starts,
            "daily_run_time": self.run_ms / 1000,
        }
        used = self.electricity - self.cooling
        if used > 0:
            made["daily_performance"] = self.heat / used
        if self.runs:
            made["daily_mean_run"] = self.runs_ms / self.runs / 1000
            made["daily_shortest_run"] = self.shortest_ms / 1000
        if self.run_ms:
            made["daily_defrost_share"] = 100 * self.defrost_ms / self.run_ms
        return made


@dataclass
class Days:
    """The days that are not over yet, by date, and which is closed next."""

    open: dict[str, Day] = field(default_factory=dict)
    next: str = ""
    newest_ms: int = 0
    temperature: float = 0.0
    pace: Pace = field(default_factory=Pace)

    def at(self, at_ms: int, zone: ZoneInfo) -> Day:
        """Return the day that is not over at *at_ms*; one that is closed already counts no more."""
        name = date_of(at_ms, zone).isoformat()
        self.next = self.next or name
        return self.open.setdefault(name, Day()) if name >= self.next else Day()

    def until(self, at_ms: int, zone: ZoneInfo) -> Day:
        """Return the day that what lasted until *at_ms* belongs to: at midnight the one before."""
        return self.at(at_ms - 1, zone) if self.next else self.at(at_ms, zone)

    def hear_temperature(self, temperature: float, at_ms: int, zone: ZoneInfo) -> None:
        """Take a temperature outside; the one before held until now, but over no gap."""
        if at_ms <= self.pace.at_ms:
            return
        begin_ms = at_ms - self.pace.step(at_ms)
        while begin_ms < at_ms:
            until_ms = min(at_ms, midnight_ms(date_of(begin_ms, zone) + timedelta(1), zone))
            day = self.at(begin_ms, zone)
            day.degrees += self.temperature * (until_ms - begin_ms)
            day.degrees_ms += until_ms - begin_ms
            begin_ms = until_ms
        self.temperature = temperature

    def over(self, at_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, Day]]:
        """Yield the days that are over at *at_ms*, each with its begin; an unheard one is empty."""
        self.newest_ms = max(self.newest_ms, at_ms)
        for _ in range(MOST_DAYS):
            if not self.next:
                return
            current = date.fromisoformat(self.next)
            following = current + timedelta(1)
            if self.newest_ms < midnight_ms(following, zone) + LATE_MS:
                return
            day = self.open.pop(self.next, Day())
            self.next = following.isoformat()
            yield midnight_ms(current, zone), day
        self.next, self.open = date_of(self.newest_ms, zone).isoformat(), {}


def date_of(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """Return when *day* begins."""
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
