"""The demo's house: which devices measure it, and what the collector reads from each of them.

What is simulated live and what is written as history come from here, so the two agree to the last
digit: every value is rounded as its device rounds it.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from collector.decode.exact import ratio
from collector.demo import heatpump, lights
from collector.demo.meter import encode
from collector.demo.shed import Shed
from collector.demo.vedirect import CHARGER, MONITOR
from collector.reading import Reading
from collector.sources.luxtronik import meaning
from collector.sources.modbus import devicemap
from collector.sources.modbus.registers import Register
from collector.sources.simulated.house import (
    FREQUENCY_WAVES,
    GRID_HZ,
    REACTIVE,
    House,
    wave,
)
from collector.sources.vedirect import labels


class Metered(NamedTuple):
    """A meter on the house's RS-485 line, and the parts of the simulated house behind it."""

    name: str
    address: int
    model: str
    parts: tuple[str, ...]
    role: str
    label: str
    every: str = "2s"


METERS = (
    Metered("mains", 1, "eastron-sdm230", ("net",), "grid", "Grid", "1s"),
    Metered("roof", 2, "eastron-sdm120", ("solar",), "solar", "Panels on the roof"),
    Metered(
        "heatpump_meter", 3, "eastron-sdm120", ("heat_pump",), "heat_pump", "Heat pump, electric"
    ),
    Metered("kitchen", 4, "orno-we-515", ("cooker", "kettle"), "part of house", "Kitchen"),
    Metered("laundry", 5, "orno-we-515", ("washing_machine",), "part of house", "Laundry"),
    Metered("lamps", 6, "eastron-sdm120", ("lights",), "part of house", "Lamps"),
)
COMMON = (
    *("voltage", "current", "frequency", "active_power"),
    *("reactive_power", "apparent_power", "power_factor"),
)
QUANTITIES = {
    "eastron-sdm230": (*COMMON, "active_energy_import", "active_energy_export"),
    "eastron-sdm120": (*COMMON, "active_energy_import", "active_energy_export"),
    "orno-we-515": (*COMMON, "active_energy"),
}
HEAT_PUMP = (
    *("outside_temperature", "flow_temperature", "return_temperature", "hot_water_temperature"),
    *("flow_rate", "heat_power", "active_power", "heat_energy", "active_energy_heating"),
    *("operating_mode", "compressor1_starts", "heat_pump_time"),
)


class Flow(NamedTuple):
    """What goes through a meter: W and var now, Wh drawn and given since the house was built."""

    active: float
    reactive: float
    drawn: float
    given: float


def sides(meter: Metered) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the energies that *meter* counts as drawn and as given."""
    if meter.parts == ("net",):
        return ("import",), ("export",)
    return ((), meter.parts) if meter.role == "solar" else (meter.parts, ())


def flow_of(meter: Metered, powers: Mapping[str, float], energies: Mapping[str, float]) -> Flow:
    """Return what goes through *meter*: what panels make is given, all other parts draw."""
    active = sum(powers[each] for each in meter.parts)
    reactive = sum(REACTIVE.get(each, 0.0) * powers[each] for each in meter.parts)
    drawn, given = (sum(energies[each] for each in parts) for parts in sides(meter))
    if meter.parts == ("net",):
        reactive = powers["reactive"]
    return Flow(-active if meter.role == "solar" else active, reactive, drawn, given)


def shown(flow: Flow, volts: float, hertz: float) -> dict[str, float]:
    """Return what a meter shows, by the names and units of the catalogue."""
    apparent = math.hypot(flow.active, flow.reactive)
    return {
        "voltage": volts,
        "current": apparent / volts,
        "frequency": hertz,
        "active_power": flow.active,
        "reactive_power": flow.reactive,
        "apparent_power": apparent,
        "power_factor": flow.active / apparent if apparent else 1.0,
        "active_energy": flow.drawn,
        "active_energy_import": flow.drawn,
        "active_energy_export": flow.given,
    }


@functools.cache
def cells(model: str) -> dict[str, Register]:
    """Return where a *model* shows each quantity that the demo reads."""
    found = {each.quantity: each for each in devicemap.load(model).registers}
    return {name: found[name] for name in QUANTITIES[model]}


def rounded(cell: Register, value: float) -> float:
    """Return *value* as it is read from *cell*."""
    read = cell.value(encode(cell, value))
    assert read is not None
    return read


@functools.cache
def steps() -> dict[str, float]:
    """Return the step of each number that the controller of the heat pump shows."""
    known = meaning.load()
    return {each.quantity: each.scale for each in (*known.calculations, *known.parameters)}


@functools.cache
def fields(*forms: str) -> dict[str, float]:
    """Return the step of each number in blocks of VE.Direct of these *forms*."""
    known = labels.table().fields
    named = (word.partition("=")[0] for form in forms for word in form.split())
    return {known[each].quantity: known[each].scale for each in named if each in known}


def in_steps(values: Mapping[str, float], of: Mapping[str, float]) -> dict[str, float]:
    """Return those *values* that have a step, as a device says them in whole steps."""
    said = {}
    for name, value in values.items():
        if name in of:
            times, over = ratio(of[name])
            said[name] = round(value / of[name]) * times / over
    return said


class Household:
    """All that is measured in the demo's house; instants are seconds since 1970 UTC."""

    def __init__(self, seed: int, timezone: str, built: date) -> None:
        self.house = House(seed, timezone, built)
        self.shed = Shed(self.house)

    @property
    def begin(self) -> float:
        """Return when its counters stood at 0."""
        return self.house.day(self.house.built).midnight

    def meters(self, t: float) -> Iterator[tuple[Metered, dict[str, float]]]:
        """Yield what each meter shows."""
        powers, energies = self.house.powers(t), self.house.energies(t)
        volts = self.house.voltage(t, powers["net"])
        hertz = GRID_HZ + wave(t, FREQUENCY_WAVES)
        for meter in METERS:
            yield meter, shown(flow_of(meter, powers, energies), volts, hertz)

    def readings(self, t: float) -> Iterator[Reading]:
        """Yield what the collector reads from every device at *t*."""
        at_ms = round(t * 1000)
        for meter, values in self.meters(t):
            read = {name: rounded(cell, values[name]) for name, cell in cells(meter.model).items()}
            yield Reading("electricity", meter.name, at_ms, read)
        monitor, charger = self.shed.monitor(t), self.shed.charger(t)
        yield Reading("battery", "battery", at_ms, in_steps(monitor, fields(*MONITOR)))
        yield Reading("solar", "sun", at_ms, in_steps(charger, fields(CHARGER)))
        pump = heatpump.values(self.house, t)
        yield Reading("heatpump", "heatpump", at_ms, only(in_steps(pump, steps()), HEAT_PUMP))
        yield Reading("lighting_total", "lights", at_ms, lights.drawn(self.house, t))

    def energies(self, t: float) -> dict[str, float]:
        """Return the Wh of each part of house and shed since the house was built."""
        return self.house.energies(t) | self.shed.counters(t)


class Counted(NamedTuple):
    """A counter in Wh: the parts that it counts, times *factor*, in whole steps if it has any."""

    device: str
    quantity: str
    parts: tuple[str, ...]
    step: float
    factor: float = 1.0

    def value(self, energies: Mapping[str, float]) -> float:
        """Return what it shows; a float that is read may be less by its last digit."""
        exact = self.factor * sum(energies[each] for each in self.parts)
        return round(exact / self.step) * self.step if self.step else exact


@functools.cache
def counters() -> tuple[Counted, ...]:
    """Return every counter that ever counts anything."""
    found = [
        Counted(meter.name, name, parts, 0 if cell.type == "float32" else cell.scale)
        for meter in METERS
        for name, cell in cells(meter.model).items()
        if name.startswith("active_energy")
        and (parts := sides(meter)[name == "active_energy_export"])
    ]
    bank, sun = fields(*MONITOR), fields(CHARGER)
    for quantity, part in (("discharged_energy", "discharged"), ("charged_energy", "charged")):
        found.append(Counted("battery", quantity, (part,), bank[quantity]))
    found.append(Counted("sun", "yield_total", ("panels",), sun["yield_total"]))
    for quantity, factor in (("heat_energy", heatpump.PERFORMANCE), ("active_energy_heating", 1.0)):
        found.append(Counted("heatpump", quantity, ("heat_pump",), steps()[quantity], factor))
    return tuple(found)


def only(values: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    return {name: values[name] for name in names if name in values}
