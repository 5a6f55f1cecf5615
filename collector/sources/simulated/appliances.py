"""What the simulated house is made of: each part's power over one local day, as corners.

A corner is (seconds since local midnight, watts); between corners power runs straight. Every part
but the base load is 0 W at both midnights, and the base load has the same value at each, so that
days drawn one by one join without a step. A day depends on nothing but the seed and its date.
"""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from collector.sources.simulated.curve import Corners

Programme = Iterable[tuple[float, float]]  # (minutes, watts), one after the other

HOUR_S = 3600.0
MINUTE_S = 60.0
SWITCHING_S = 1.0  # nothing switches in no time: power stays one unbroken line

BASE_W = 150.0
SOLAR_PEAK_W = 4200.0
SUNSHINE = {"clear": (0.96, 1.0), "cloudy": (0.2, 1.0), "overcast": (0.08, 0.25)}
KETTLE_HOURS = ((6.6, 7.6, 0.95), (10.0, 11.5, 0.4), (15.5, 17.0, 0.6), (20.6, 21.8, 0.5))
COOKER: Programme = ((9, 2300), (2, 0), (2, 2300), (3, 0), (2, 2300), (4, 0), (2, 2300), (6, 900))
WASHING: Programme = (
    *((3, 60), (16, 2050), (12, 180), (6, 240), (12, 150), (5, 60), (9, 190)),
    *((5, 60), (9, 190), (2, 320), (2, 480), (6, 560), (2, 15)),
)
# Mean °C of the year and its swing; above HEATING_BELOW_C the heat pump makes hot water only.
MEAN_C, SWING_C, HEATING_BELOW_C = 12.0, 10.0, 16.0
HEATING_W_PER_C = 65.0
HEAT_PUMP_W, HOT_WATER_W = 1500.0, 2100.0


@dataclass(frozen=True)
class Day:
    """One local day of the house that *seed* names; instants in it are seconds since midnight."""

    seed: int
    zone: ZoneInfo
    date: date

    @cached_property
    def midnight(self) -> float:
        """Return the instant at which the day begins, in seconds since 1970 UTC."""
        return datetime.combine(self.date, time(), self.zone).timestamp()

    @cached_property
    def length_s(self) -> float:
        """Return 24 h, or what is left where clocks change."""
        return Day(self.seed, self.zone, self.date + timedelta(days=1)).midnight - self.midnight

    @cached_property
    def noon_s(self) -> float:
        """Return when the sun is highest: at 12 o'clock of standard time."""
        noon = datetime.combine(self.date, time(12), self.zone)
        return self.clock(12) + (noon.dst() or timedelta()).total_seconds()

    @cached_property
    def daylight_s(self) -> float:
        """Return the time from sunrise to sunset, as at 45° north."""
        declination = -math.cos(2 * math.pi * (self.date.timetuple().tm_yday + 10) / 365.25)
        return (12.2 + 3.3 * declination) * HOUR_S

    @cached_property
    def warmth(self) -> float:
        """Return the season: -1 in the coldest days of January, 1 in July."""
        return -math.cos(2 * math.pi * (self.date.timetuple().tm_yday - 20) / 365.25)

    def clock(self, hour: float) -> float:
        """Return when the clock on the wall shows *hour*."""
        wall = datetime.combine(self.date, time()) + timedelta(hours=hour)
        return wall.replace(tzinfo=self.zone).timestamp() - self.midnight

    def rng(self, part: str) -> random.Random:
        """Return the random numbers of one part, the same at every call."""
        return random.Random(f"{self.seed} {part} {self.date}")  # noqa: S311  a house, no secret


def steps(start_s: float, programme: Programme) -> Corners:
    """Return the corners of a *programme* begun at *start_s*, from 0 W and back to 0 W."""
    corners, level = [], 0.0
    for minutes, watts in programme:
        corners += [(start_s, level), (start_s + SWITCHING_S, float(watts))]
        start_s, level = start_s + minutes * MINUTE_S, watts
    return [*corners, (start_s, level), (start_s + SWITCHING_S, 0.0)]


def base(day: Day) -> Corners:
    """Draw what is always on, router, standby and freezer: more by day than by night."""
    rng = day.rng("base")
    corners = [(0.0, BASE_W)]
    for tenth in range(1, int(day.length_s / 600)):
        wakefulness = math.sin(math.pi * tenth * 600 / day.length_s)
        corners.append((tenth * 600.0, BASE_W + 60 * wakefulness + rng.uniform(-25, 25)))
    return [*corners, (day.length_s, BASE_W)]


def fridge(day: Day) -> Corners:
    """Draw a compressor that starts with a jolt and runs for a quarter to a third of the time."""
    rng = day.rng("fridge")
    corners: Corners = []
    start_s = rng.uniform(1, 35) * MINUTE_S
    while start_s < day.length_s - 25 * MINUTE_S:
        run_min = rng.uniform(11, 17)
        corners += steps(start_s, ((0.05, 480), (run_min, rng.uniform(80, 95))))
        start_s += (run_min + rng.uniform(25, 42)) * MINUTE_S
    return corners


def kettle(day: Day) -> Corners:
    """Draw two kilowatts for some minutes, at the hours of coffee and tea."""
    rng = day.rng("kettle")
    corners: Corners = []
    for earliest, latest, likely in KETTLE_HOURS:
        hour, minutes, wish = rng.uniform(earliest, latest), rng.uniform(1.5, 4), rng.random()
        if wish < likely:
            corners += steps(day.clock(hour), ((minutes, 2000),))
    return corners


def cooker(day: Day) -> Corners:
    """Draw dinner: an oven that heats up and then holds its temperature."""
    rng = day.rng("cooker")
    hour, wish = rng.uniform(18.3, 19.8), rng.random()
    return steps(day.clock(hour), COOKER) if wish < 0.65 else []  # noqa: PLR2004  2 days of 3


def washing_machine(day: Day) -> Corners:
    """Draw one wash on some days, more often at the weekend."""
    rng = day.rng("washing_machine")
    hour, wish = rng.uniform(8.5, 16), rng.random()
    likely = 0.7 if day.date.isoweekday() > 5 else 0.3  # noqa: PLR2004  Saturday, Sunday
    return steps(day.clock(hour), WASHING) if wish < likely else []


def lights(day: Day) -> Corners:
    """Draw the lamps from dusk to bedtime, and on dark mornings from waking to sunrise."""
    rng = day.rng("lights")
    dawn_s, dusk_s = day.noon_s - day.daylight_s / 2, day.noon_s + day.daylight_s / 2
    corners: Corners = []
    for on_s, off_s in (
        (day.clock(rng.uniform(6.2, 6.8)), dawn_s),
        (dusk_s, day.clock(rng.uniform(22.4, 23.7))),
    ):
        spells = int((off_s - on_s) / (25 * MINUTE_S))
        corners += steps(on_s, [(25, rng.uniform(45, 190)) for _ in range(spells)])
    return corners


def mean_outside_c(day: Day, rng: random.Random) -> float:
    """Return the mean °C of a day, whose *rng* is that of the heat pump."""
    return MEAN_C + SWING_C * day.warmth + rng.uniform(-4, 4)


def heat_pump(day: Day) -> Corners:
    """Draw runs that are longer the colder it is; the one at midday makes hot water."""
    rng = day.rng("heat_pump")
    outside_c = mean_outside_c(day, rng)
    share = min(max(0.0, HEATING_BELOW_C - outside_c) * HEATING_W_PER_C / HEAT_PUMP_W, 0.85)
    corners: Corners = []
    start_s, hot_water_s = rng.uniform(5, 40) * MINUTE_S, day.clock(13)
    while start_s < day.length_s - 90 * MINUTE_S:
        period_s = rng.uniform(55, 85) * MINUTE_S
        hot_water = start_s <= hot_water_s < start_s + period_s
        run_s, peak_w = (2400.0, HOT_WATER_W) if hot_water else (period_s * share, HEAT_PUMP_W)
        if run_s > 5 * MINUTE_S:
            end_s = start_s + run_s
            corners += [(start_s, 0.0), (start_s + 90, peak_w * 1.1)]
            corners += [(end_s - 30, peak_w * 0.9), (end_s, 0.0)]
        start_s += period_s
    return corners


def solar(day: Day) -> Corners:
    """Draw what the panels make, above 0 W; clouds pass on some days and stay on others."""
    rng = day.rng("solar")
    sky = rng.choices(list(SUNSHINE), weights=(5 + 2 * day.warmth, 4, 2 - day.warmth))[0]
    peak_w = SOLAR_PEAK_W * (0.68 + 0.32 * day.warmth)
    sunrise_s = day.noon_s - day.daylight_s / 2
    count = int(day.daylight_s / (5 * MINUTE_S))
    corners = [(sunrise_s, 0.0)]
    for number in range(1, count):
        clear_w = peak_w * math.sin(math.pi * number / count) ** 1.3
        at_s = sunrise_s + day.daylight_s * number / count
        corners.append((at_s, clear_w * rng.uniform(*SUNSHINE[sky])))
    return [*corners, (sunrise_s + day.daylight_s, 0.0)]


@dataclass(frozen=True)
class Part:
    """A part of the house: its corners, and the ratio of its reactive to its active power.

    A ratio that never changes keeps reactive power as straight between corners as active power.
    *sign* is -1 for what feeds the house.
    """

    corners: Callable[[Day], Corners]
    reactive: float = 0.0
    sign: int = 1


PARTS = {
    "base": Part(base, 0.45),
    "fridge": Part(fridge, 0.75),
    "kettle": Part(kettle),
    "cooker": Part(cooker),
    "washing_machine": Part(washing_machine, 0.25),
    "lights": Part(lights, 0.1),
    "heat_pump": Part(heat_pump, 0.3),
    "solar": Part(solar, sign=-1),
}
