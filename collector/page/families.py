"""Devices by what they are to their owner: meters, sun, batteries, heat pumps, lights and more."""

from collections.abc import Iterable
from typing import NamedTuple

from collector.contract.views import DeviceView, KnownDevice
from collector.page.words import Words

# Kind of a device: the family that it is shown in. The order is that of the page.
FAMILIES = {
    "electricity": "electricity",
    "solar": "solar",
    "battery": "battery",
    "battery_bank": "battery",
    "heatpump": "heat_pump",
    "heat_pump_performance": "heat_pump",
    "lighting_total": "lights",
    "lighting": "lights",
    "lighting_area": "lights",
    "shade": "lights",
    "keypad": "lights",
    "ups": "ups",
    "weather": "weather",
    "climate": "weather",
    "price": "price",
    "host": "host",
    "collector": "collector",
    "backup": "backup",
}
TOTAL, AREA = "lighting_total", "lighting_area"
SINGLE = {"lighting", AREA, "shade", "keypad"}  # of which there are many
FIRST = 6  # figures of a device that are shown at once
MOST_NOW = 12  # devices on the first page
# Kinds of devices that should say something all the time; a lamp speaks when it changes.
STEADY = {"electricity", "solar", "battery", "heatpump", "ups", "climate", "weather", "host"}
# A meter is shown with what it measures.
OF_ROLE = {"solar": "solar", "battery": "battery", "heat_pump": "heat_pump"}


class Family(NamedTuple):
    """Devices of one kind, under one title."""

    name: str
    title: str
    devices: tuple[DeviceView, ...]

    @property
    def power(self) -> float:
        """Return what all lights draw: the sum that their source makes, or that of each."""
        totals = [each for each in self.devices if each.kind == TOTAL]
        lamps = totals or [each for each in self.devices if each.kind == "lighting"]
        return sum(each.main.value for each in lamps if each.main and each.main.unit == "W")

    @property
    def areas(self) -> list["Area"]:
        """Return lights by where they are: ``lights.Kitchen.Table.12`` is in the kitchen."""
        found: dict[str, list[DeviceView]] = {}
        for each in self.devices:
            if each.kind != TOTAL:
                found.setdefault(own_names(each)[0], []).append(each)
        return [
            Area(
                name,
                next((each for each in there if each.kind == AREA), None),
                tuple(each for each in there if each.kind != AREA),
            )
            for name, there in found.items()
        ]


class Area(NamedTuple):
    """The lights of a room: *whole* is what they draw together, where their source says it."""

    name: str
    whole: DeviceView | None
    devices: tuple[DeviceView, ...]


def measured(devices: Iterable[DeviceView]) -> list[DeviceView]:
    """Return devices without what derivations say of them under the same name, and of the house."""
    there = [each for each in devices if not each.kind.startswith("flows")]
    known = {each.device for each in there if each.kind in FAMILIES}
    return [each for each in there if each.kind in FAMILIES or each.device not in known]


def family_of(device: DeviceView) -> str:
    return OF_ROLE.get(device.role) or FAMILIES.get(device.kind, "other")


def by_family(devices: Iterable[DeviceView], words: Words) -> list[Family]:
    found: dict[str, list[DeviceView]] = {}
    for each in measured(devices):
        found.setdefault(family_of(each), []).append(each)
    order = [*dict.fromkeys(FAMILIES.values()), "other"]
    return [
        Family(name, words(f"family.{name}"), tuple(found[name])) for name in order if name in found
    ]


def on_first_page(devices: Iterable[DeviceView]) -> list[DeviceView]:
    """Return those that the first page shows: with a main figure, or a meter that is silent."""
    return [each for each in devices if (each.main and each.kind not in SINGLE) or is_silent(each)]


def is_silent(device: DeviceView) -> bool:
    """Return whether a device should have said something by now."""
    return not device.fresh and device.kind in STEADY


def called(device: DeviceView | KnownDevice) -> str:
    """Return what people call a device: its label, or its name with spaces."""
    return device.label or device.device.replace("_", " ")


def own_names(device: DeviceView | KnownDevice) -> list[str]:
    """Return the parts of a device's name behind that of its source, without numbers."""
    parts = device.device.removeprefix(f"{device.source}.").split(".")
    named = [each for each in parts if not each.isdigit()] or parts
    return [each.replace("_", " ") for each in named]


def lamp(device: DeviceView) -> str:
    """Return the name of a lamp within its area."""
    return " ".join(own_names(device)[1:] or own_names(device))
