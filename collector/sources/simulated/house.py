"""A believable house whose every figure is known exactly.

Power is an unbroken line of straight pieces, so each energy is a sum of trapezoids and no figure
depends on how often anyone looks: whatever is stored, rolled up, drawn or billed later can be
checked against ``House.at`` and ``House.energy``. All of it follows from the seed and time zone.
"""

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from collector.sources.simulated.appliances import PARTS, Day
from collector.sources.simulated.curve import (
    Curve,
    above_zero,
    cut_at_zero,
    energy_until,
    extremes,
    power_at,
    through,
    weighted_sum,
)

BUILT = date(2026, 1, 1)
REACTIVE = {name: part.reactive for name, part in PARTS.items() if part.reactive}
T1_HOURS = (7, 22)  # when a new WE-515 changes its tariff (V514); T2 counts the night
DAYS_AT_HAND = 3  # of other days only the sums are kept: a year of corners would fill 100 MB

GRID_V, GRID_OHM, GRID_HZ = 230.0, 0.25, 50.0
VOLTAGE_WAVES = ((86400, 2.5), (1777, 1.2), (47, 0.3))  # (period in s, volts)
FREQUENCY_WAVES = ((613, 0.02), (97, 0.012))  # (period in s, hertz)


def wave(t: float, waves: tuple[tuple[int, float], ...]) -> float:
    return sum(height * math.sin(2 * math.pi * t / period_s) for period_s, height in waves)


def draw(day: Day) -> dict[str, Curve]:
    """Return the curves of one day: each part, and what they come to at the grid.

    ``net`` is what the house draws (below 0 W where it feeds in), ``import`` and ``export`` are
    its two sides.
    """
    parts = {}
    for name, part in PARTS.items():
        corners = part.corners(day)
        whole = corners and corners[0][0] == 0
        parts[name] = corners if whole else [(0.0, 0.0), *corners, (day.length_s, 0.0)]
    net = cut_at_zero(weighted_sum((parts[name], part.sign) for name, part in PARTS.items()))
    sides = {
        "net": net,
        "import": above_zero(net),
        "export": above_zero(net, sign=-1),
    }
    return {name: through(corners) for name, corners in (parts | sides).items()}


def flowed(day: Day, curves: dict[str, Curve], second: float) -> dict[str, float]:
    """Return the Wh (or varh) of each counter from midnight to *second*."""
    counters = energies(curves, second)
    counters["reactive"] = reactive(counters)
    begin, end = (day.clock(hour) for hour in T1_HOURS)
    untils: dict[str, Callable[[float], float]] = {
        "import": partial(energy_until, curves["import"]),
        "reactive": lambda second: reactive(
            {name: energy_until(curves[name], second) for name in REACTIVE}
        ),
    }
    for name, until in untils.items():
        counters[f"{name}_t1"] = until(min(max(second, begin), end)) - until(begin)
        counters[f"{name}_t2"] = until(min(second, begin)) + until(max(second, end)) - until(end)
    return counters


def energies(curves: dict[str, Curve], second: float) -> dict[str, float]:
    """Return the Wh of each part, and of both sides of the grid, from midnight to *second*."""
    return {name: energy_until(curve, second) for name, curve in curves.items() if name != "net"}


def reactive(parts: dict[str, float]) -> float:
    """Return the var (or varh) that go with the W (or Wh) of *parts*."""
    return sum(factor * parts[name] for name, factor in REACTIVE.items())


def add(sums: dict[str, float], more: dict[str, float]) -> dict[str, float]:
    return {name: sums.get(name, 0.0) + wh for name, wh in more.items()}


class House:
    """A house that stands in *timezone* and whose counters began on the day *built*.

    Instants are seconds since 1970 UTC; one before the house was built raises ValueError.
    """

    def __init__(self, seed: int = 1, timezone: str = "Europe/Rome", built: date = BUILT) -> None:
        self.seed = seed
        self.zone = ZoneInfo(timezone)
        self.built = built
        self._curves = lru_cache(DAYS_AT_HAND)(draw)
        self._sums: list[dict[str, float]] = [{}]

    def day(self, day: date) -> Day:
        """Return one local day; its ``midnight`` is the instant at which it begins."""
        return Day(self.seed, self.zone, day)

    def powers(self, t: float) -> dict[str, float]:
        """Return the power of each part in W, and ``net``, ``import``, ``export``, ``reactive``."""
        day, second = self._moment(t)
        powers = {name: power_at(curve, second) for name, curve in self._curves(day).items()}
        return powers | {"reactive": reactive(powers)}

    def counters(self, t: float) -> dict[str, float]:
        """Return the energy in Wh (or varh) since the house was built.

        There is one of each part, of ``import``, ``export`` and ``reactive``, and by the local
        time of day ``import_t1``, ``import_t2``, ``reactive_t1`` and ``reactive_t2``.
        """
        day, second = self._moment(t)
        return add(self._before(day), flowed(day, self._curves(day), second))

    def energies(self, t: float) -> dict[str, float]:
        """Return those of ``counters`` that are in Wh and count at any time of day, sooner."""
        day, second = self._moment(t)
        before = self._before(day)
        return {
            name: before.get(name, 0.0) + wh
            for name, wh in energies(self._curves(day), second).items()
        }

    def extremes(self, start: float, end: float) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest power in W of each part, and ``net``, of a local day.

        *end* is not after the midnight that follows *start*.
        """
        day, second = self._moment(start)
        until = end - day.midnight
        return {name: extremes(curve, second, until) for name, curve in self._curves(day).items()}

    def voltage(self, t: float, net: float) -> float:
        """Return the voltage at *t* while the house draws *net* W from the grid."""
        return GRID_V + wave(t + self.seed, VOLTAGE_WAVES) - GRID_OHM * net / GRID_V

    def energy(self, start: float, end: float) -> dict[str, float]:
        """Return the exact energy in Wh (or varh) of each counter from *start* to *end*."""
        before, after = self.counters(start), self.counters(end)
        return {name: after[name] - before[name] for name in after}

    def at(self, t: float) -> dict[str, float]:
        """Return what the meter at the grid shows, by the names and units of the catalogue.

        ``active_energy`` is ∫max(P, 0), what was drawn: V514 gives the WE-515 no register for
        what is fed in, so ``active_energy_export``, ∫max(-P, 0), is for meters that have one.
        ``active_energy_t1`` (07:00 to 22:00) and ``_t2`` are its parts by tariff, t3 and t4 are
        not in use; ``reactive_energy`` is ∫Q, and so are its parts.
        """
        powers, counters = self.powers(t), self.counters(t)
        active, reactive = powers["net"], powers["reactive"]
        apparent = math.hypot(active, reactive)
        voltage = self.voltage(t, active)
        return {
            "voltage": voltage,
            "current": apparent / voltage,
            "frequency": GRID_HZ + wave(t, FREQUENCY_WAVES),
            "active_power": active,
            "reactive_power": reactive,
            "apparent_power": apparent,
            "power_factor": active / apparent,
            "active_energy": counters["import"],
            "active_energy_import": counters["import"],
            "active_energy_export": counters["export"],
            "active_energy_t1": counters["import_t1"],
            "active_energy_t2": counters["import_t2"],
            "active_energy_t3": 0.0,
            "active_energy_t4": 0.0,
            "reactive_energy": counters["reactive"],
            "reactive_energy_t1": counters["reactive_t1"],
            "reactive_energy_t2": counters["reactive_t2"],
            "reactive_energy_t3": 0.0,
            "reactive_energy_t4": 0.0,
        }

    def _moment(self, t: float) -> tuple[Day, float]:
        day = self.day(datetime.fromtimestamp(t, self.zone).date())
        return day, max(t - day.midnight, 0.0)

    def _before(self, day: Day) -> dict[str, float]:
        """Return the counters at the beginning of *day*, adding up the days not yet added."""
        number = (day.date - self.built).days
        if number < 0:
            msg = f"the house was built on {self.built}, after {day.date}"
            raise ValueError(msg)
        while len(self._sums) <= number:
            last = self.day(self.built + timedelta(days=len(self._sums) - 1))
            self._sums.append(add(self._sums[-1], flowed(last, self._curves(last), last.length_s)))
        return self._sums[number]
