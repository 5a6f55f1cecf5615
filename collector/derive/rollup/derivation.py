"""Minutes, hours and local days of every gauge, and how much every counter rose in them.

A reading of a period has the time at which that begins, and the same period gives the same
reading: an output stores it again in its place.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from collector.contract import BadOption, Context, DerivationOptions
from collector.contract.counters import ENERGY
from collector.contract.roles import FLOWS, FLOWS_ENERGY
from collector.contract.rolled import PERIODS, is_rolled, rolled
from collector.derive.rollup import counters, gauges
from collector.derive.rollup.counters import Rise
from collector.derive.rollup.gauges import Gauges, Out
from collector.derive.rollup.periods import Calendar
from collector.ledger.book import micro
from collector.options import option
from collector.quantity import catalogue
from collector.reading import Reading

log = logging.getLogger(__name__)

KINDS = (
    *("electricity", "solar", "battery", "heatpump", "ups", "lighting", "climate", "host"),
    *("battery_bank", "heat_pump_performance", "lighting_area", "lighting_total"),
    FLOWS,
    FLOWS_ENERGY,
    ENERGY,
)
NEVER_FALL = frozenset({ENERGY, FLOWS_ENERGY})  # kinds of counters that were set right
MOST_VALUES = 2_000  # in a reading of every device: their state stays below 1 MB
MOST_COUNTERS = 1_000
AHEAD_MS = 3_600_000  # what is further ahead of our own clock was told by a wrong one


@dataclass(frozen=True, kw_only=True)
class RollupOptions(DerivationOptions):
    """Minutes, hours and days of what was measured, for buckets of their own."""

    kinds: tuple[str, ...] = option(
        "kinds of devices that are rolled up", example=["electricity", "energy"], default=KINDS
    )


class Rollup:
    """Makes readings of the kinds ``electricity_1m``, ``electricity_1h`` and so on."""

    Options = RollupOptions
    hears: frozenset[str] = frozenset(KINDS)
    makes: frozenset[str] = frozenset(f"{kind}_{each}" for kind in KINDS for each in PERIODS)

    def __init__(self, name: str, options: RollupOptions, context: Context) -> None:
        self.name = name
        if again := next(filter(is_rolled, options.kinds), ""):
            raise BadOption("kinds", f"{again!r} is what a roll-up makes itself")
        self.hears = frozenset(options.kinds)
        self.makes = frozenset(f"{kind}_{each}" for kind in self.hears for each in PERIODS)
        self.calendar = Calendar(context.zone)
        self.gauges = frozenset(
            each.name for each in catalogue().values() if f"{each.name}_last" in rolled()
        )
        self.counters = frozenset(
            each.name for each in catalogue().values() if f"{each.name}_used" in rolled()
        )
        self.devices: dict[tuple[str, str], Gauges] = {}
        self.rises: dict[tuple[str, str], Rise] = {}
        self.is_full = False

    @property
    def quantities(self) -> Collection[str]:
        return rolled().keys()

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        made: list[Reading] = []
        for reading in readings:
            if reading.kind in NEVER_FALL:
                made += self.take_energy(reading)
                continue
            key = reading.kind, reading.device
            device = self.devices.get(key) or self.new(key, len(reading.values))
            if device is None:
                continue
            device.take(reading.at_ms, reading.values)
            if reading.at_ms >= device.due:
                given = device.give(device.newest, self.gauges, self.calendar)
                made += self.readings(key, given)
        return made

    def new(self, key: tuple[str, str], size: int) -> Gauges | None:
        """Return a place for a device; None where it is of no use, or the memory is full."""
        if key[0] not in self.hears:
            return None
        used = size + sum(each.size for each in self.devices.values())
        if self.is_full or used > MOST_VALUES:
            if not self.is_full:
                log.warning("%s: too many devices; %s is not rolled up", self.name, key[1])
            self.is_full = True
            return None
        made = self.devices[key] = Gauges(size)
        return made

    def take_energy(self, reading: Reading) -> Iterator[Reading]:
        """Take energies of a device; yield one reading for each period that is over."""
        told: dict[tuple[str, int], dict[str, float]] = {}
        for quantity, value in reading.values.items():
            if quantity not in self.counters:
                continue
            key = reading.device, quantity
            if key in self.rises:
                rose = self.rises[key].take(reading.at_ms, value, self.calendar)
                for span, used in rose.items():
                    told.setdefault(span, {})[f"{quantity}_used"] = used
            elif len(self.rises) < MOST_COUNTERS:
                self.rises[key] = Rise(reading.at_ms, micro(value))
        for (period, begin), values in told.items():
            yield Reading(f"{reading.kind}_{period}", reading.device, begin, values)

    def readings(self, key: tuple[str, str], given: Out) -> Iterator[Reading]:
        kind, device = key
        for period, begin, values in given:
            yield Reading(f"{kind}_{period}", device, begin, values)

    def tick(self, now_ms: int) -> list[Reading]:
        """End the periods of devices that tell no more; forget those of a wrong clock."""
        made: list[Reading] = []
        for key, each in list(self.devices.items()):
            if each.newest > now_ms + AHEAD_MS:
                del self.devices[key]
                continue
            made += self.readings(key, each.tick(now_ms, self.gauges, self.calendar))
        for ahead in [key for key, each in self.rises.items() if each.at > now_ms + AHEAD_MS]:
            del self.rises[ahead]
        return made

    def state(self) -> Any:
        return {
            "gauges": [[*key, each.state(self.gauges)] for key, each in self.devices.items()],
            "is_full": self.is_full,
            "counters": [[*key, each.state()] for key, each in self.rises.items()],
        }

    def restore(self, state: Any) -> None:
        try:
            self.devices = {
                (kind, device): gauges.restored(each) for kind, device, each in state["gauges"]
            }
            self.rises = {
                (device, quantity): counters.restored(each)
                for device, quantity, each in state["counters"]
            }
            self.is_full = bool(state["is_full"])
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"this is no state of a roll-up: {error!r}") from error
