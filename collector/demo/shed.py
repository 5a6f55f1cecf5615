"""The shed beside the house: panels, a charger, a battery and what they feed, off the grid.

At every instant the power of the panels is what the shed uses and what goes into the battery. It
has the house's weather. While the battery is not full the charger takes all that the sun gives,
then only what the shed uses. Like the house's, every energy is the exact integral of its power.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from collector.sources.simulated.appliances import SWITCHING_S, Day, solar, steps
from collector.sources.simulated.curve import (
    SECONDS_PER_HOUR,
    Corners,
    Curve,
    above_zero,
    cut_at_zero,
    energy_until,
    power_at,
    through,
    weighted_sum,
)
from collector.sources.simulated.house import DAYS_AT_HAND, House, add

SOLAR_SHARE = 0.2  # of what the panels on the house's roof have
CAPACITY_WH, NOMINAL_V = 1280.0, 25.6
EMPTY_V, FULL_V, BATTERY_OHM = 24.6, 26.6, 0.02
LOWEST_V, HIGHEST_V = 24.3, 27.3
PANEL_V = 36.0
STANDBY_W, LAMP_W, PUMP_W = 12.0, 40.0, 180.0
PUMP_HOURS = (7.5, 12.5, 17.5)
OFF, BULK, FLOAT = 0.0, 3.0, 5.0
LIMITED, TRACKING = 1.0, 2.0
NO_INPUT_POWER = 1.0
DAYS_IN_HISTORY = 365
LONGEST_TO_GO_S = 14_400 * 60  # ten days; a monitor calls longer endless
COUNTERS = ("panels", "load", "charged", "discharged")


@dataclass(frozen=True)
class ShedDay:
    """One day: power curves in W, and what the battery lacks in Wh at seconds since midnight."""

    curves: dict[str, Curve]
    lacking: Corners


@dataclass(frozen=True)
class Past:
    """What has been until the beginning of a day; energies in Wh, instants in s since 1970 UTC."""

    sums: dict[str, float]
    lacks_wh: float
    deepest_wh: float
    left_full: float
    times_full: int


def whole_day(day: Day, corners: Corners) -> Corners:
    return [(0.0, 0.0), *corners, (day.length_s, 0.0)]


def load(day: Day) -> Corners:
    """Draw what the shed uses: standby, a lamp in the evening, a pump for the garden."""
    rng = day.rng("shed")
    tenths = range(1, int(day.length_s / 600))
    standby = [(tenth * 600.0, STANDBY_W + rng.uniform(-2, 2)) for tenth in tenths]
    lamp = steps(day.clock(rng.uniform(18, 20)), ((rng.uniform(60, 180), LAMP_W),))
    pumped: Corners = []
    for hour in PUMP_HOURS:
        pumped += steps(day.clock(hour + rng.uniform(-0.3, 0.3)), ((10, PUMP_W),))
    ends = (0.0, STANDBY_W), (day.length_s, STANDBY_W)
    parts = [[ends[0], *standby, ends[1]], whole_day(day, lamp), whole_day(day, pumped)]
    return weighted_sum((each, 1.0) for each in parts)


def into_battery(surplus: Corners, lacks_wh: float) -> tuple[Corners, Corners]:
    """Return the power into the battery, and what it lacks in Wh, at the same seconds.

    *surplus* is what the sun gives above what is used, cut at zero.
    """
    power, lacking = [surplus[0]], [(surplus[0][0], lacks_wh)]

    def go_to(second: float, watts: float) -> None:
        before_s, before_w = power[-1]
        if second > before_s:
            gained_wh = (before_w + watts) / 2 * (second - before_s) / SECONDS_PER_HOUR
            power.append((second, watts))
            lacking.append((second, lacking[-1][1] - gained_wh))

    for (start_s, start_w), (end_s, end_w) in pairwise(surplus):
        if max(start_w, end_w) > 0:
            full_s = when_filled(start_s, start_w, end_s, end_w, lacking[-1][1])
            if full_s < end_s:
                slope = (end_w - start_w) / (end_s - start_s)
                if lacking[-1][1] > 0:
                    go_to(full_s, start_w + slope * (full_s - start_s))
                go_to(min(full_s + SWITCHING_S, end_s), 0.0)
                go_to(end_s, 0.0)
                continue
        go_to(end_s, end_w)
    return power, lacking


def when_filled(
    start_s: float, start_w: float, end_s: float, end_w: float, lacks_wh: float
) -> float:
    """Return when power that runs straight has brought *lacks_wh*; infinity if not by then."""
    if lacks_wh <= 0:
        return start_s
    if (start_w + end_w) / 2 * (end_s - start_s) / SECONDS_PER_HOUR <= lacks_wh:
        return math.inf
    slope = (end_w - start_w) / (end_s - start_s)
    lacks_ws = lacks_wh * SECONDS_PER_HOUR
    return start_s + 2 * lacks_ws / (start_w + math.sqrt(start_w**2 + 2 * slope * lacks_ws))


def draw(day: Day, lacks_wh: float) -> ShedDay:
    """Draw a day that begins with a battery that lacks *lacks_wh*."""
    used = load(day)
    sun = weighted_sum([(whole_day(day, solar(day)), SOLAR_SHARE)])
    surplus = cut_at_zero(weighted_sum([(sun, 1.0), (used, -1.0)]))
    battery, lacking = into_battery(surplus, lacks_wh)
    panels = weighted_sum([(used, 1.0), (battery, 1.0)])
    curves = {
        "panels": above_zero(panels),
        "load": used,
        "battery": battery,
        "charged": above_zero(battery),
        "discharged": above_zero(battery, sign=-1),
    }
    return ShedDay({name: through(corners) for name, corners in curves.items()}, lacking)


class Shed:
    """What stands beside *house*; its battery was full when the house was built.

    Instants are seconds since 1970 UTC; one before the house was built raises ValueError.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        begin = house.day(house.built).midnight
        self._pasts = [Past(dict.fromkeys(COUNTERS, 0.0), 0.0, 0.0, begin, 0)]
        self._drawn = lru_cache(DAYS_AT_HAND)(self._draw)

    def powers(self, t: float) -> dict[str, float]:
        """Return the power in W of ``panels``, ``load``, ``battery`` and its two sides."""
        number, second = self._moment(t)
        return {name: power_at(each, second) for name, each in self._drawn(number).curves.items()}

    def counters(self, t: float) -> dict[str, float]:
        """Return the energy in Wh since the house was built, by ``COUNTERS``."""
        number, second = self._moment(t)
        return add(self._past(number).sums, flowed(self._drawn(number), second))

    def monitor(self, t: float) -> dict[str, float]:
        """Return what a battery monitor shows, by the names and units of the catalogue."""
        number, second = self._moment(t)
        past, today, counters = self._past(number), self._drawn(number), self.counters(t)
        lacks_wh = counters["discharged"] - counters["charged"]
        power = power_at(today.curves["battery"], second)
        left_s = (CAPACITY_WH - lacks_wh) / -power * SECONDS_PER_HOUR if power < 0 else math.inf
        left_full = last_full(today, second)
        midnight = self._day(number).midnight
        full_s = past.left_full if left_full is None else midnight + left_full
        volts = voltage(power, lacks_wh)
        shown = {
            "battery_voltage": volts,
            "battery_current": power / volts,
            "battery_power": power,
            "state_of_charge": min(100 * (1 - lacks_wh / CAPACITY_WH), 100),
            "consumed_charge": min(-lacks_wh / NOMINAL_V, 0),
            "last_discharge": min(-lacks_wh / NOMINAL_V, 0),
            "deepest_discharge": -max(past.deepest_wh, lacks_wh) / NOMINAL_V,
            "average_discharge": -past.deepest_wh / 2 / NOMINAL_V,
            "charge_cycles": counters["discharged"] // CAPACITY_WH,
            "discharged_charge": counters["discharged"] / NOMINAL_V,
            "discharged_energy": counters["discharged"],
            "charged_energy": counters["charged"],
            "battery_voltage_min": LOWEST_V,
            "battery_voltage_max": HIGHEST_V,
            "time_since_full_charge": t - full_s,
            "synchronisations": past.times_full + times_full(today, second),
        }
        return shown | ({"time_to_go": left_s} if left_s < LONGEST_TO_GO_S else {})

    def charger(self, t: float) -> dict[str, float]:
        """Return what the solar charger shows, by the names and units of the catalogue."""
        number, second = self._moment(t)
        powers, counters = self.powers(t), self.counters(t)
        volts = voltage(powers["battery"], counters["discharged"] - counters["charged"])
        sun, filling = powers["panels"] > 0, powers["battery"] > 0
        before, today = self._drawn(max(number - 1, 0)), self._drawn(number)
        begin = self._past(number).sums["panels"]
        earlier = self._past(max(number - 1, 0)).sums["panels"]
        return {
            "battery_voltage": volts,
            "battery_current": powers["battery"] / volts,
            "panel_voltage": PANEL_V - powers["panels"] / 200 if sun else 0.0,
            "panel_power": powers["panels"],
            "charger_state": (BULK if filling else FLOAT) if sun else OFF,
            "tracker_state": (TRACKING if filling else LIMITED) if sun else OFF,
            "off_reason": 0.0 if sun else NO_INPUT_POWER,
            "load_current": powers["load"] / volts,
            "yield_total": counters["panels"],
            "yield_today": counters["panels"] - begin,
            "yield_yesterday": begin - earlier,
            "panel_power_max_today": most(today.curves["panels"], second),
            "panel_power_max_yesterday": most(before.curves["panels"], math.inf) if number else 0.0,
            "day_sequence": number % DAYS_IN_HISTORY,
        }

    def _moment(self, t: float) -> tuple[int, float]:
        date = datetime.fromtimestamp(t, self.house.zone).date()
        number = (date - self.house.built).days
        if number < 0:
            msg = f"the shed was built on {self.house.built}, after {date}"
            raise ValueError(msg)
        return number, max(t - self._day(number).midnight, 0.0)

    def _day(self, number: int) -> Day:
        return self.house.day(self.house.built + timedelta(days=number))

    def _draw(self, number: int) -> ShedDay:
        return draw(self._day(number), self._past(number).lacks_wh)

    def _past(self, number: int) -> Past:
        """Return what had been when the day began, adding the days not yet added."""
        while len(self._pasts) <= number:
            past, day = self._pasts[-1], self._day(len(self._pasts) - 1)
            drawn = draw(day, past.lacks_wh)
            sums = add(past.sums, flowed(drawn, day.length_s))
            left_full = last_full(drawn, day.length_s)
            self._pasts.append(
                Past(
                    sums,
                    sums["discharged"] - sums["charged"],
                    max(past.deepest_wh, *(lacks_wh for _, lacks_wh in drawn.lacking)),
                    past.left_full if left_full is None else day.midnight + left_full,
                    past.times_full + times_full(drawn, day.length_s),
                )
            )
        return self._pasts[number]


def flowed(day: ShedDay, second: float) -> dict[str, float]:
    return {name: energy_until(day.curves[name], second) for name in COUNTERS}


def voltage(power: float, lacks_wh: float) -> float:
    """Return the voltage at which *power* goes through the battery's resistance."""
    at_rest = EMPTY_V + (FULL_V - EMPTY_V) * (1 - lacks_wh / CAPACITY_WH)
    return (at_rest + math.sqrt(at_rest**2 + 4 * BATTERY_OHM * power)) / 2


def last_full(day: ShedDay, second: float) -> float | None:
    """Return when, not after *second*, the battery was last seen to lack nothing."""
    full = [at_s for at_s, lacks_wh in day.lacking if lacks_wh <= 0]
    after = bisect_right(full, second)
    if not after:
        return None
    still = after < len(full) and power_at(day.curves["battery"], second) == 0
    return second if still else full[after - 1]


def times_full(day: ShedDay, second: float) -> int:
    pairs = pairwise(day.lacking)
    return sum(before > 0 >= after and at_s <= second for (_, before), (at_s, after) in pairs)


def most(curve: Curve, second: float) -> float:
    """Return the largest power at a corner until *second*."""
    return max(curve.watts[: bisect_right(curve.seconds, second)])
