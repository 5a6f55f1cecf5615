"""What rules compare and no device measures: habits of a house, and restarts of the collector.

All of it follows from readings in their order, with the time that they carry.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import fmean, median, stdev
from typing import Any
from zoneinfo import ZoneInfo

from collector.quantity import Quantity
from collector.reading import Reading

QUARTER_MS = 900_000
HOUR_MS = 3_600_000
NIGHT = range(1, 5)  # hours in which a house sleeps
QUARTERS_OF_NIGHT = 12  # of 16: fewer tell too little
NIGHTS_KEPT = 59  # eight weeks, and the three nights that are compared with them
NIGHTS_COMPARED = 3
NIGHTS_NEEDED = 17
LEAST_BASE_W = 5.0  # a fifth of less is nothing
DAYS_KEPT = 12
DAYS_NEEDED = 4
LEAST_SPREAD = 0.05  # of the mean: days that are all alike make no small one remarkable
SETTLED_MS = 300_000  # of a quarter: what begins it says little about its mean
LONGEST_STEP_MS = 300_000
MOST_DEVICES = 32
ENERGIES = ("active_energy_import", "active_energy")

FIGURES: Mapping[str, Quantity] = {
    each.name: each
    for each in (
        Quantity("restarts", "", "state", "starts of the collector within an hour", 0, 1e6),
        Quantity(
            "base_load_rise",
            "%",
            "gauge",
            "by how much the lowest load of each of the last three nights is above the usual one",
            -100,
            1e6,
        ),
        Quantity(
            "day_excess",
            "",
            "gauge",
            "by how many standard deviations yesterday's energy is above the same weekday's",
            -1e6,
            1e6,
        ),
        Quantity(
            "quarter_forecast",
            "W",
            "gauge",
            "mean power of this quarter of an hour, if it ends as it is now",
            -250_000,
            250_000,
        ),
        Quantity(
            "month_peak",
            "W",
            "gauge",
            "largest mean power of a quarter of an hour in this month, from its second day on",
            -250_000,
            250_000,
        ),
    )
}


class Restarts:
    """Counts starts of the collector: its running time falls."""

    def __init__(self) -> None:
        self.running_s = 0.0
        self.at_ms: list[int] = []

    def take(self, reading: Reading) -> dict[str, float]:
        running_s = reading.values.get("running_time")
        if running_s is None:
            return {}
        if running_s < self.running_s:
            self.at_ms.append(reading.at_ms)
        self.running_s = running_s
        self.at_ms = [each for each in self.at_ms if reading.at_ms - each < HOUR_MS]
        return {"restarts": float(len(self.at_ms))}

    def state(self) -> Any:
        return [self.running_s, self.at_ms]

    def restore(self, state: Any) -> None:
        self.running_s, self.at_ms = float(state[0]), [int(each) for each in state[1]]


class Habits:
    """What one meter usually measures: at night, and on each day of the week."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.quarter = 0
        self.hour, self.day = -1, ""
        self.sum, self.count = 0.0, 0
        self.night: list[float] = []
        self.nights: list[float] = []
        self.energy = self.day_began = -1.0
        self.energy_ms = 0
        self.days: dict[str, list[float]] = {}
        self.shown: dict[str, float] = {}

    def take(self, reading: Reading) -> dict[str, float]:
        power = reading.values.get("active_power")
        energy = None
        for name in reversed(ENERGIES):
            energy = reading.values.get(name, energy)
        if reading.at_ms // QUARTER_MS > self.quarter:
            self.begin_quarter(reading.at_ms)
        if power is not None:
            self.sum, self.count = self.sum + power, self.count + 1
        if energy is not None:
            if self.energy < 0 or energy < self.energy:
                self.day_began = -1.0  # it begins here, or went backwards: no whole day
            self.energy, self.energy_ms = energy, reading.at_ms
        return self.shown

    def begin_quarter(self, at_ms: int) -> None:
        was, self.quarter = self.quarter, at_ms // QUARTER_MS
        if self.hour in NIGHT and self.count:
            self.night.append(self.sum / self.count)
        self.sum, self.count = 0.0, 0
        now = datetime.fromtimestamp(at_ms / 1000, self.zone)
        self.hour = now.hour
        if self.hour not in NIGHT and self.night:
            self.end_night()
        day = now.date().isoformat()
        if day != self.day:
            self.end_day(now, whole=self.quarter - was <= HOUR_MS // QUARTER_MS)
            self.day = day

    def end_night(self) -> None:
        if len(self.night) >= QUARTERS_OF_NIGHT:
            self.nights = [*self.nights, min(self.night)][-NIGHTS_KEPT:]
            if len(self.nights) >= NIGHTS_NEEDED:
                usual = max(median(self.nights[:-NIGHTS_COMPARED]), LEAST_BASE_W)
                least = min(self.nights[-NIGHTS_COMPARED:])
                self.shown["base_load_rise"] = 100 * (least / usual - 1)
        self.night = []

    def end_day(self, now: datetime, *, whole: bool) -> None:
        """Close the day before *now*, where it was *whole*."""
        weekday = str((now - timedelta(days=1)).weekday())
        self.shown.pop("day_excess", None)
        if self.day_began >= 0 and self.energy >= 0 and whole:
            used = self.energy - self.day_began
            before = self.days.setdefault(weekday, [])
            if len(before) >= DAYS_NEEDED:
                mean = fmean(before)
                spread = max(stdev(before), LEAST_SPREAD * abs(mean), 1.0)
                self.shown["day_excess"] = (used - mean) / spread
            self.days[weekday] = [*before, used][-DAYS_KEPT:]
        self.day_began = self.energy if whole else -1.0

    def state(self) -> Any:
        return {each: value for each, value in vars(self).items() if each != "zone"}

    def restore(self, state: Any) -> None:
        vars(self).update({each: state[each] for each in self.state()})


class Peaks:
    """Mean power of quarters of an hour, and the largest of the month."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.quarter = self.at_ms = 0
        self.power = self.work = 0.0
        self.covered_ms = 0
        self.month, self.month_day = "", 0
        self.peak = -1.0

    def take(self, reading: Reading) -> dict[str, float]:
        power = reading.values.get("active_power")
        if power is None:
            return {}
        quarter = reading.at_ms // QUARTER_MS
        step_ms = min(reading.at_ms - self.at_ms, LONGEST_STEP_MS)
        if quarter > self.quarter:
            self.end_quarter(reading.at_ms)
            step_ms = min(step_ms, reading.at_ms - quarter * QUARTER_MS)
            self.quarter = quarter
        self.work += self.power * step_ms
        self.covered_ms += step_ms
        self.power, self.at_ms = power, reading.at_ms
        shown = {}
        gone_ms = reading.at_ms - quarter * QUARTER_MS
        if gone_ms >= SETTLED_MS and self.covered_ms > gone_ms / 2:
            mean = self.work / self.covered_ms
            left_ms = QUARTER_MS - gone_ms
            shown["quarter_forecast"] = (mean * gone_ms + power * left_ms) / QUARTER_MS
        if self.month_day > 1 and self.peak >= 0:
            shown["month_peak"] = self.peak
        return shown

    def end_quarter(self, at_ms: int) -> None:
        if self.covered_ms > QUARTER_MS / 2:
            self.peak = max(self.peak, self.work / self.covered_ms)
        self.work, self.covered_ms = 0.0, 0
        now = datetime.fromtimestamp(at_ms / 1000, self.zone)
        month = f"{now.year}-{now.month}"
        if month != self.month:
            self.month, self.peak = month, -1.0
        self.month_day = now.day

    def state(self) -> Any:
        return {each: value for each, value in vars(self).items() if each != "zone"}

    def restore(self, state: Any) -> None:
        vars(self).update({each: state[each] for each in self.state()})


class Figures:
    """Computes what is compared besides the values of readings."""

    def __init__(self, zone: ZoneInfo, peak_of: str) -> None:
        self.zone = zone
        self.peak_of = peak_of
        self.restarts = Restarts()
        self.peaks = Peaks(zone)
        self.habits: dict[str, Habits] = {}

    def take(self, reading: Reading) -> dict[str, float]:
        """Return what is known of the device of *reading* with it."""
        if reading.kind == "collector":
            return self.restarts.take(reading) if reading.device == "collector" else {}
        if reading.kind != "electricity":
            return {}
        shown = {}
        if reading.device in self.habits or len(self.habits) < MOST_DEVICES:
            habits = self.habits.setdefault(reading.device, Habits(self.zone))
            shown = dict(habits.take(reading))
        if reading.device == self.peak_of:
            shown |= self.peaks.take(reading)
        return shown

    def state(self) -> Any:
        return {
            "restarts": self.restarts.state(),
            "peaks": self.peaks.state(),
            "habits": {name: each.state() for name, each in self.habits.items()},
        }

    def restore(self, state: Any) -> None:
        self.restarts.restore(state["restarts"])
        self.peaks.restore(state["peaks"])
        for name, each in state["habits"].items():
            self.habits[name] = Habits(self.zone)
            self.habits[name].restore(each)
