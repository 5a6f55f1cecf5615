"""Energy that never falls, out of every counter in Wh; where a device has none, out of its power.

It gives a reading at each full minute and at both ends of a gap. What it decides about a counter is
an event in the journal and a sentence in the log.
"""

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from collector.contract import BadOption, Context, DerivationOptions
from collector.contract.counters import DECISION, ENERGY, REPLACED_RECORD, UNDO_RECORD
from collector.derive.energy import replacement
from collector.derive.energy.counter import Limits
from collector.derive.energy.device import ACTIVE_POWER, EXPORTED, IMPORTED, Device
from collector.ledger.book import FROM_POWER, micro
from collector.ledger.decisions import FIELD
from collector.options import option
from collector.quantity import catalogue
from collector.reading import Reading

log = logging.getLogger(__name__)

KINDS = ("electricity", "solar", "battery", "heatpump", "ups", "lighting", "climate", "host")
MOST_COUNTERS = 1500  # of all devices: their state stays below 1 MB
VOLTS = 230
FUSE = r"(?:([1-3]) *x *)?([0-9]{1,4}(?:\.[0-9])?) *A"
PHASE = re.compile(r"_l[123](_|$)")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """What a device can count."""

    fuse: str = option(
        "the fuse before this device: no counter grows faster than it allows",
        example="25 A",
        default="",
        pattern=FUSE,
    )
    rolls_over_at: dict[str, float] = option(
        "counters that begin again at 0, each with the value in Wh that it never reaches",
        example={"active_energy_import": 1000000000},
        default={},
    )


@dataclass(frozen=True, kw_only=True)
class EnergyOptions(DerivationOptions):
    """Energy that never falls, of every counter; there is one in each house unless it is off."""

    since: str = option(
        "where a new derivation begins: 'newest', 'beginning' (the oldest reading kept), a "
        "duration back such as '7d', or a time; ignored once it has begun",
        example="7d",
        default="beginning",
    )
    kinds: tuple[str, ...] = option(
        "kinds of devices whose counters are used",
        example=["electricity", "solar"],
        default=KINDS,
    )
    fuse: str = option(
        "the main fuse of the house, at 230 V: no counter grows faster than it allows",
        example="3 x 35 A",
        default="3 x 63 A",
        pattern=FUSE,
    )
    devices: dict[str, DeviceOptions] = option(
        "what single devices can count",
        example={"heater": {"fuse": "25 A"}},
        default={},
    )


def counters() -> frozenset[str]:
    """Return every counter in Wh; those of single phases are part of the others."""
    return frozenset(
        each.name
        for each in catalogue().values()
        if each.unit == "Wh" and each.kind == "counter" and not PHASE.search(each.name)
    )


def watts(fuse: str) -> int:
    found = re.fullmatch(FUSE, fuse)
    assert found is not None, "the option has the pattern"
    return round(int(found[1] or 1) * float(found[2]) * VOLTS)


class Energy:
    """Makes readings of the kinds ``energy`` and ``counter_event``."""

    Options = EnergyOptions
    makes = frozenset({ENERGY, DECISION})

    def __init__(self, name: str, options: EnergyOptions, context: Context) -> None:
        del context
        self.name = name
        if ENERGY in options.kinds or DECISION in options.kinds:
            raise BadOption("kinds", f"{ENERGY!r} and {DECISION!r} are what it makes itself")
        self.hears = frozenset({*options.kinds, REPLACED_RECORD, UNDO_RECORD})
        self.counters = counters()
        events = {each for each in catalogue() if each == FIELD or each.startswith(f"{FIELD}_")}
        # Each value that is made is looked up in it.
        self.quantities: Collection[str] = frozenset(
            {*self.counters, IMPORTED, EXPORTED, FROM_POWER, *events}
        )
        self.default = Limits(watts(options.fuse))
        self.limits = {
            device: self.limits_of(device, each) for device, each in options.devices.items()
        }
        self.devices: dict[str, Device] = {}
        self.is_full = False

    def limits_of(self, device: str, options: DeviceOptions) -> tuple[Limits, dict[str, Limits]]:
        """Return what a device can count, and its counters that roll over."""
        most = watts(options.fuse) if options.fuse else self.default.watts
        for quantity, end in options.rolls_over_at.items():
            path = f"devices.{device}.rolls_over_at.{quantity}"
            if quantity not in self.counters:
                raise BadOption(path, f"{quantity!r} is not a counter in Wh")
            if end <= 0:
                raise BadOption(path, f"{end:g} is not accepted: more than 0")
        ends = options.rolls_over_at.items()
        return Limits(most), {quantity: Limits(most, micro(end)) for quantity, end in ends}

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        made: list[Reading] = []
        for reading in readings:
            device = self.devices.get(reading.device)
            if reading.kind in {REPLACED_RECORD, UNDO_RECORD}:
                self.take_record(reading)
                device = self.devices.get(reading.device)
            else:
                device = self.take(reading, device)
            if device and (device.points or device.estimated or device.events):
                made += device.made()
        return made

    def take(self, reading: Reading, device: Device | None) -> Device | None:
        found = [name for name in reading.values if name in self.counters]
        at, values = reading.at_ms, reading.values
        if found:
            device = device or self.new(reading.device)
            if device is not None:
                for name in found:
                    device.take(name, at, values[name])
        elif ACTIVE_POWER in values and (device is None or not device.counters):
            device = device or self.new(reading.device)
            if device is not None:
                device.take_power(at, values[ACTIVE_POWER])
        return device

    def new(self, name: str) -> Device | None:
        """Return a new device; none where there are too many to remember."""
        if sum(len(each.counters) + 2 for each in self.devices.values()) >= MOST_COUNTERS:
            if not self.is_full:
                log.warning("%s: more than %d counters, no more are used", self.name, MOST_COUNTERS)
            self.is_full = True
            return None
        made = self.devices[name] = self.make(name)
        return made

    def make(self, name: str) -> Device:
        limits, rolling = self.limits.get(name, (self.default, {}))
        return Device(name, rolling, limits)

    def take_record(self, record: Reading) -> None:
        """Take what the owner says; a record that is none of ours is left alone."""
        device = self.devices.get(record.device)
        try:
            if device is None:
                log.warning("%s: no counter of %s is known", self.name, record.device)
            elif record.kind == REPLACED_RECORD:
                replacement.replaced(device, record)
            else:
                replacement.undone(device, record)
        except KeyError as error:
            log.warning("%s: a record of %s lacks %s", self.name, record.device, error)

    def state(self) -> Any:
        return {name: each.state() for name, each in self.devices.items()}

    def restore(self, state: Any) -> None:
        try:
            for name, each in state.items():
                self.devices[name] = self.make(name)
                self.devices[name].restore(each)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"this is no state of energies: {error!r}") from error
