"""A device and its figures, for people: the main one first."""

from collections.abc import Mapping, Sequence

from collector.contract.page import DeviceNow, Home
from collector.contract.rolled import ENDS
from collector.contract.views import DeviceView, Figure
from collector.page.views.sparks import Sparks
from collector.quantity import catalogue
from collector.status import SourceStatus, Status

# Of each kind of device the quantity that its owner looks for first; the first that it has.
MAIN: Mapping[str, Sequence[str]] = {
    "electricity": ("active_power", "active_power_import", "current"),
    "solar": ("panel_power", "active_power_export", "active_power", "battery_voltage"),
    "battery": ("state_of_charge", "battery_power", "battery_current", "battery_voltage"),
    "battery_bank": ("state_of_charge", "battery_power", "battery_voltage"),
    "inverter": ("active_power", "ac_output_apparent_power", "battery_voltage"),
    "heatpump": ("active_power", "heat_power", "flow_temperature", "outside_temperature"),
    "lighting": ("estimated_power", "level"),
    "lighting_area": ("estimated_power",),
    "climate": ("temperature", "outside_temperature", "room_temperature", "humidity"),
    "ups": ("load", "active_power", "state_of_charge"),
    "price": ("price",),
    "host": ("cpu_temperature", "cpu_usage"),
}
ANY = ("active_power", "estimated_power", "temperature", "level")
ON_CHANGE = frozenset({"lighting", "lighting_area", "keypad"})
# What the collector says of itself and of other readings is no device of the house.
INNER = frozenset(
    {"collector", "energy", "counter_event", "flows", "rollup", "alert", "backup", "cost"}
)


def devices(
    found: Sequence[DeviceNow], home: Home, sparks: Sparks, status: Status
) -> tuple[DeviceView, ...]:
    """Return the devices of the house, those with a role first, in the order of their names."""
    views = [view(each, home, sparks, status) for each in found if is_shown(each.kind)]
    return tuple(sorted(views, key=lambda each: (not each.role, each.device)))


def is_shown(kind: str) -> bool:
    return kind not in INNER and not kind.endswith(ENDS)


def view(found: DeviceNow, home: Home, sparks: Sparks, status: Status) -> DeviceView:
    source = status.sources.get(found.source, SourceStatus())
    found = found._replace(values=values_of(found, source))
    figures = figures_of(found.values)
    name = main_of(found)
    main = next((each for each in figures if each.quantity == name), None)
    if main:
        figures = (main, *(each for each in figures if each is not main))
    return DeviceView(
        device=found.device,
        kind=found.kind,
        label=label_of(found, home, source),
        source=found.source,
        role=home.roles.get(found.device, ""),
        at_ms=found.at_ms,
        age_s=round(max(status.now_ms - found.at_ms, 0) / 1000, 1),
        fresh=bool(found.values),
        main=main,
        figures=figures,
        spark=sparks.of(found.kind, found.device),
    )


def values_of(found: DeviceNow, source: SourceStatus) -> Mapping[str, float]:
    """Return the values of now; of a device that reports changes, the last ones."""
    if found.kind not in ON_CHANGE or source.state != "alive":
        return found.values
    latest = source.latest.get(found.device)
    return {**(latest.values if latest else {}), **found.values}


def label_of(found: DeviceNow, home: Home, source: SourceStatus) -> str:
    """Return a device's own label; of several devices of one source each has its name beside it."""
    own = home.labels.get(found.device, "")
    if own or found.device == found.source or found.label != source.label or not found.label:
        return own or found.label
    name = found.device.removeprefix(found.source).strip("._-") or found.device
    return f"{found.label} · {name.replace('_', ' ')}"


def main_of(found: DeviceNow) -> str:
    """Return the main quantity of a device that has values now; '' where it has none."""
    known = found.values
    return next((each for each in (*MAIN.get(found.kind, ()), *ANY) if each in known), "")


def figures_of(values: Mapping[str, float]) -> tuple[Figure, ...]:
    """Return figures in the order of the catalogue."""
    known = catalogue()
    return tuple(
        Figure(quantity=name, label=known[name].help, value=values[name], unit=known[name].unit)
        for name in sorted(values.keys() & known.keys(), key=order().__getitem__)
    )


def order() -> Mapping[str, int]:
    """Return the place of each quantity in the catalogue."""
    if not ORDER:
        ORDER.update({name: place for place, name in enumerate(catalogue())})
    return ORDER


ORDER: dict[str, int] = {}
