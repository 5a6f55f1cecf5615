"""A house of some days: what its sources read, and what is true of it."""

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain as joined

from collector.reading import Reading
from tests.truth.chain import ROME
from tests.truth.house import Flowed, flowing
from tests.truth.meter import Meter

BUILT = date(2026, 1, 1)
CLOCK_CHANGES = (date(2026, 3, 29), date(2026, 10, 25))
EVERY_S = 300
MINUTE_DAYS = 40  # one day of so many is read each minute
HOUR_S, HOUR_MS, DAY_MS = 3_600, 3_600_000, 86_400_000
MODULUS_WH = 1_000_000
WH = 1_000_000
ROLES = {"mains": "grid", "roof": "solar", "shed": "battery", "heat": "heat_pump"}
OPTIONS = {
    "energy": {
        "type": "energy",
        "devices": {"roof": {"rolls_over_at": {"yield_total": MODULUS_WH}}},
    },
    "bank": {
        "type": "battery_bank",
        "device": "shed",
        "chemistry": "lifepo4",
        "capacity": 200,
        "cells": 15,
        "exponent": 1.0,
        "charge_efficiency": 95,
        "charged_voltage": 52.5,
    },
    "pump": {"type": "heat_pump", "device": "pump", "meter": "heat", "boundary": "H3"},
    "rollup": {"type": "rollup", "kinds": ["energy"]},
}
ALL_OPTIONS = {
    **OPTIONS,
    "rollup": {"type": "rollup", "kinds": ["electricity", "energy"]},
    "flows": {"type": "flows", "every": "60s"},
}
SMALL = ["false_zeros", "false_zeros", "spike", "jitter", "missed", "twice", "late"]
RESETS = ["reset", "reset_in_gap", "replaced_untold", "replaced_told"]
ALL = [*SMALL, *SMALL, "gap", "gap", *RESETS]
# What is looked at afterwards; of the kinds that have no names, everything.
WANTED: dict[str, tuple[str, ...]] = {
    "battery_bank": (
        *("state_of_charge", "state_of_charge_quality", "charged_energy", "discharged_energy"),
        "time_since_full_charge",
    ),
    "heat_pump_performance": (
        *("heat_energy", "active_energy", "daily_energy", "daily_heat", "daily_starts"),
        *("daily_run_time", "daily_outside_temperature"),
    ),
    "counter_event": (),
    "energy_1h": (),
    "energy_1d": (),
}
HAPPENINGS = {
    "mains": ALL,
    "roof": [*SMALL, "gap"],
    "shed": [*SMALL, "gap"],
    "heat": ALL,
    "pump": [*SMALL, *SMALL, "gap", "reset"],
}


def meters(seed, happenings, every_hours):
    """Return the five devices of the house, by the part of it that they count."""
    units = {
        "mains": {"active_energy_import": WH // 10, "active_energy_export": WH // 10},
        "roof": {"yield_total": WH},
        "shed": {"charged_energy": WH // 10, "discharged_energy": WH // 10},
        "heat": {"active_energy": 10 * WH},
        "pump": {"heat_energy": 100 * WH},
    }
    kinds = {"mains": "electricity", "roof": "solar", "shed": "battery", "heat": "electricity"}
    return {
        name: Meter(
            *(seed, name, kinds.get(name, "heatpump"), each, happenings[name], every_hours),
            modulus=MODULUS_WH if name == "roof" else None,
        )
        for name, each in units.items()
    }


COUNTED = {
    "active_energy_import": "import",
    "active_energy_export": "export",
    "yield_total": "solar",
    "charged_energy": "charged",
    "discharged_energy": "discharged",
    "active_energy": "heat_pump",
    "heat_energy": "heat",
}


def outside_c(at_ms):
    """Return a temperature that changes with the hour and the month."""
    local = datetime.fromtimestamp(at_ms / 1000, ROME)
    return float(12 - 9 * (abs(local.month - 7) < 3) + (local.hour - 12) // 3)


def gauges(flowed):
    power = flowed.power
    is_on = power["heat_pump"] > 0
    return {
        "mains": {"active_power": power["mains"]},
        "roof": {"panel_power": power["solar"]},
        "shed": {
            "battery_power": power["battery"],
            "battery_voltage": flowed.voltage,
            "battery_current": flowed.current_ma / 1000,
        },
        "heat": {"active_power": power["heat_pump"]},
        "pump": {
            "heat_power": power["heat_pump"] * 3.5,
            "operating_mode": 0.0 if is_on else 5.0,
            "compressor1_on": float(is_on),
            "outside_temperature": outside_c(flowed.at_ms),
        },
    }


@dataclass
class Truth:
    """What is true: the meters, and what was read and flowed at each instant."""

    seed: int
    begin_ms: int = 0
    end_ms: int = 0
    meters: dict[str, Meter] = field(default_factory=dict)
    flowed: list[Flowed] = field(default_factory=list)
    read: list[tuple[bool, ...]] = field(
        default_factory=list
    )  # of each instant the devices that were heard

    def is_late(self, device, period):
        """Tell whether a reading of a device came late in or around a period."""
        return any(
            period.begin_ms - HOUR_MS <= at_ms < period.end_ms + HOUR_MS
            for at_ms in self.meters[device].late_ms
        )


def begin_of(day):
    """Return the midnight with which a local day begins, in ms."""
    return datetime.combine(day, datetime.min.time(), ROME).timestamp() * 1000


def every_s(days, seconds_days=()):
    """Return how often the house is read on a day, and within it."""

    def every(day, at_s):
        number = (day.date - BUILT).days
        if day.date in seconds_days and 2 * HOUR_S - 300 <= at_s < 2 * HOUR_S + 300:
            return 1  # around the hour that is there twice, or not at all
        return 60 if number % MINUTE_DAYS == MINUTE_DAYS // 2 or days < MINUTE_DAYS else EVERY_S

    return every


def live(truth, first, days, every, calm_days):
    """Yield what the sources read at each instant, and note in *truth* what is true."""
    chance = random.Random(f"{truth.seed} house")
    calm_from_ms = begin_of(first + timedelta(days - calm_days))
    asleep = 0
    hour = 0
    for flowed in flowing(truth.seed, first, days, every):
        truth.begin_ms = truth.begin_ms or flowed.at_ms
        truth.end_ms = flowed.at_ms
        shows = gauges(flowed)
        asleep = asleep + 1 if not flowed.power["solar"] else 0
        made = []
        for name, meter in truth.meters.items():
            energy = {each: flowed.energy[COUNTED[each]] for each in meter.units}
            made.append(
                meter.take(
                    *(flowed.at_ms, energy, shows[name]),
                    is_calm=flowed.at_ms >= calm_from_ms,
                    is_asleep=name == "roof" and asleep > 3,
                )
            )
        truth.flowed.append(flowed)
        truth.read.append(tuple(bool(each) for each in made))
        if chance.random() < 0.1:
            made[:3] = chance.sample(made[:3], 3)
        readings = list(joined.from_iterable(made))
        if flowed.at_ms // HOUR_MS != hour:
            hour = flowed.at_ms // HOUR_MS
            readings.append(Reading("collector", "collector", flowed.at_ms, {"journal_size": 1.0}))
        yield readings


def run(
    it,
    seed,
    first,
    days,
    every,
    *,
    happenings=HAPPENINGS,
    every_hours=20,
    kill_every=3,
    calm_days=4,
):
    """Let a house live in a chain *it*; return its truth.

    It is killed once in *kill_every* batches, of some hours to two days each.
    """
    truth = Truth(seed, meters=meters(seed, happenings, every_hours))
    chance = random.Random(f"{seed} kills")
    batch, size = [], 0
    for readings in live(truth, first, days, every, calm_days):
        batch += readings
        if len(batch) < size:
            continue
        size = chance.randrange(60, 3000)
        it.take(batch)
        batch = []
        if chance.randrange(kill_every):
            it.work()
        else:
            it.work(chance)
            it.kill()
    it.take(batch)
    it.end()
    return truth
