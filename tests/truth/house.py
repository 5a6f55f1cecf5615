"""The simulated house with a battery in it: what has flowed up to an instant, in whole micro-Wh.

The battery takes from what would be fed in and gives to what would be bought, at a current that
stands still between two instants. So its charge is a sum of whole numbers, and known exactly.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from collector.sources.simulated.curve import energy_until
from collector.sources.simulated.house import House, draw

DAY_S = 86_400
PARTS = ("import", "export", "solar", "heat_pump")
HEAT = 35  # tenths of what the heat pump draws
CAPACITY = 200 * 3_600_000 * 100  # hundredths of mA·s in 200 Ah
EFFICIENCY = 95
MOST_MA, TAIL_MA = 40_000, 2_000
# What 1 mA is for 1 s, in half micro-Wh: at 48.6 V, and at 54 V when the bank is full.
LOW_V, FULL_V, PER_LOW, PER_FULL = 48.6, 54.0, 27, 30


@dataclass
class Flowed:
    """Instant *at_ms*: what has flowed up to it, and the powers and currents from it on.

    *missing* is what the battery lacks, in hundredths of mA·s; *until* is the next instant.
    """

    at_ms: int
    until_ms: int
    energy: dict[str, int]
    power: dict[str, float]
    current_ma: int
    voltage: float
    missing: int


def instants(first, days, zone_day, every_s):
    """Yield the instants at which the house is read: a local day, and seconds since its midnight.

    The last but one is the midnight at which the last day ends.
    """
    for number in range(days):
        day = zone_day(first + timedelta(days=number))
        at_s = 0
        while at_s < day.length_s:
            yield day, at_s
            at_s += every_s(day, at_s)
    day = zone_day(first + timedelta(days=days))
    yield day, 0
    yield day, every_s(day, 0)


class Energies:
    """What the parts of the house came to, at instants that rise."""

    def __init__(self, seed):
        self.house = House(seed)
        self.before = dict.fromkeys(PARTS, 0.0)
        self.newest = dict.fromkeys(PARTS, 0)
        self.day, self.curves = None, {}

    def at(self, day, at_s):
        if day != self.day:
            if self.day is not None:
                for name in PARTS:
                    self.before[name] += self.curves[name].energy_wh[-1]
            self.day, self.curves = day, draw(day)
        for name in PARTS:
            wh = self.before[name] + energy_until(self.curves[name], at_s)
            self.newest[name] = max(self.newest[name], round(wh * 1e6))
        return dict(self.newest)


class Battery:
    """A bank of 200 Ah that begins nearly full."""

    def __init__(self):
        self.missing = CAPACITY // 50
        self.charged = self.discharged = 0

    def plan(self, spare, wanted, took_s):
        """Return the current in mA of the next interval, what it charges and what it gives."""
        if spare > 0:
            if self.missing == 0:
                current, per = TAIL_MA, PER_FULL
            else:
                current = min(2 * spare // (PER_LOW * took_s), MOST_MA) // 2 * 2
                per = PER_LOW
            charged = current * took_s * per // 2
            return (current, charged, 0) if current >= 100 and charged <= spare else (0, 0, 0)
        current = min(2 * wanted // (PER_LOW * took_s), MOST_MA) // 2 * 2
        if current < 100 or self.missing > CAPACITY * 8 // 10:
            return 0, 0, 0
        return -current, 0, current * took_s * PER_LOW // 2

    def flow(self, current, took_s):
        if current < 0:
            self.missing -= 100 * current * took_s
        else:
            self.missing = max(self.missing - EFFICIENCY * current * took_s, 0)


def flowing(seed, first: date, days, every_s):
    """Yield what has flowed at each instant of some days, the midnight at their end with it."""
    energies, battery = Energies(seed), Battery()
    times = (
        (round((day.midnight + at_s) * 1000), energies.at(day, at_s))
        for day, at_s in instants(first, days, energies.house.day, every_s)
    )
    for (at_ms, now), (until_ms, then) in pairwise(times):
        took_s = (until_ms - at_ms) // 1000
        rise = {name: then[name] - now[name] for name in PARTS}
        current, charged, given = battery.plan(rise["export"], rise["import"], took_s)
        energy = {
            "import": now["import"] - battery.discharged,
            "export": now["export"] - battery.charged,
            "solar": now["solar"],
            "heat_pump": now["heat_pump"],
            "heat": now["heat_pump"] * HEAT // 10,
            "charged": battery.charged,
            "discharged": battery.discharged,
        }
        watts = {
            "mains": rise["import"] - given - rise["export"] + charged,
            "solar": rise["solar"],
            "heat_pump": rise["heat_pump"],
            "battery": charged - given,
        }
        power = {name: round(each * 0.0036 / took_s, 1) for name, each in watts.items()}
        voltage = FULL_V if battery.missing == 0 and current == TAIL_MA else LOW_V
        yield Flowed(at_ms, until_ms, energy, power, current, voltage, battery.missing)
        battery.charged += charged
        battery.discharged += given
        battery.flow(current, took_s)
