"""The simulated house without any hardware: its meter at the grid, or one of its parts.

What is read for an instant is what ``house`` says of it, so every figure made of it can be checked.
"""

import time
import zoneinfo
from dataclasses import dataclass
from functools import cache
from typing import Literal

from collector.contract import BadOption, Context, SourceOptions
from collector.errors import DeviceSilent
from collector.options import option
from collector.reading import Reading
from collector.sources.simulated.house import House

# Kind of device, and what it calls its power and its energy.
METERED = ("electricity", "active_power", "active_energy")
NAMES = {
    "heat_pump": ("heatpump", "active_power", "active_energy"),
    "lights": ("lighting", "active_power", "active_energy"),
    "solar": ("solar", "panel_power", "yield_total"),
}


LASTS_MS = 30 * 365 * 86_400_000


house = cache(House)  # what several sources read is the same house


@dataclass(frozen=True, kw_only=True)
class SimulatedOptions(SourceOptions):
    """A house that does not exist, for trying things out."""

    part: Literal[
        "meter",
        "base",
        "fridge",
        "kettle",
        "cooker",
        "washing_machine",
        "lights",
        "heat_pump",
        "solar",
    ] = option(
        "'meter' is the meter between house and grid; every other value is a part of the house",
        example="solar",
        default="meter",
    )
    seed: int = option(
        "number of the house; the same number is always the same house", example=7, default=1
    )
    timezone: str = option("time zone of the house", example="Europe/Rome", default="Europe/Rome")


class Simulated:
    """Yields what the house's meter, or a meter at one of its parts, would show."""

    Options = SimulatedOptions
    line = "simulated"  # one thread reads every part of a house, which it keeps sums of
    patience_s = 0.1  # it only computes; beyond a slot, no newcomer would find its time

    def __init__(self, name: str, options: SimulatedOptions, context: Context) -> None:  # noqa: ARG002  the contract hands it over
        self.name = name
        self.part = options.part
        self.kind, self.power, self.energy = NAMES.get(self.part, METERED)
        try:
            self.house = house(options.seed, options.timezone)
        except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
            message = f"{options.timezone!r} is not a time zone (example: Europe/Rome)"
            raise BadOption("timezone", message) from error
        self.begins_ms = self.house.day(self.house.built).midnight * 1000
        self.ends_ms = self.begins_ms + LASTS_MS
        self.quantities = tuple(self.values(self.begins_ms / 1000))
        # To add up the days until now takes longer than a slot, and none is due yet.
        if self.begins_ms < time.time() * 1000 < self.ends_ms:
            self.values(time.time())

    def open(self) -> None:
        """Do nothing: there is no line."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Return what was measured at *at_ms*. Raise DeviceSilent while there is no house."""
        if at_ms < self.begins_ms:
            msg = f"the house does not exist before {self.house.built}: is the clock right?"
            raise DeviceSilent(msg)
        if at_ms >= self.ends_ms:  # to add up a century of days takes minutes
            raise DeviceSilent(f"the house of {self.house.built} is gone: is the clock right?")
        return [Reading(self.kind, self.name, at_ms, self.values(at_ms / 1000))]

    def close(self) -> None:
        """Do nothing: there is no line."""

    def values(self, t: float) -> dict[str, float]:
        if self.part == "meter":
            return self.house.at(t)
        return {
            self.power: self.house.powers(t)[self.part],
            self.energy: self.house.counters(t)[self.part],
        }
