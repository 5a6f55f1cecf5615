"""Devices by what they are to their owner: meters, sun, batteries, heat pumps, lights and more."""

from collections.abc import Iterable
from typing import NamedTuple

from collector.contract.views import DeviceView
from collector.page.words import Words

# Kind of a device: the family that it is shown in. The order is that of the page.
FAMILIES = {
    "electricity": "electricity",
    "solar": "solar",
    "battery": "battery",
    "battery_bank": "battery",
    "heatpump": "heat_pump",
    "heat_pump_performance": "heat_pump",
    "lighting": "lights",
    "ups": "ups",
    "weather": "weather",
    "climate": "weather",
    "price": "price",
    "host": "host",
    "collector": "collector",
    "backup": "backup",
}
FIRST = 6  # figures of a device that are shown at once


class Family(NamedTuple):
    """Devices of one kind, under one title."""

    name: str
    title: str
    devices: tuple[DeviceView, ...]

    @property
    def power(self) -> float:
        """Return what all of them draw together."""
        mains = (each.main for each in self.devices if each.fresh)
        return sum(main.value for main in mains if main and main.unit == "W")


def by_family(devices: Iterable[DeviceView], words: Words) -> list[Family]:
    found: dict[str, list[DeviceView]] = {}
    for each in devices:
        found.setdefault(FAMILIES.get(each.kind, "other"), []).append(each)
    order = [*dict.fromkeys(FAMILIES.values()), "other"]
    return [
        Family(name, words(f"family.{name}"), tuple(found[name])) for name in order if name in found
    ]
