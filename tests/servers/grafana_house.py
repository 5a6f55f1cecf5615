"""Houses for the dashboards: readings of a simulated house, and all that derivations make of them.

The derivations are the real ones, so what is drawn is what an appliance would draw.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from collector.contract import Context
from collector.derive.energy.derivation import Energy, EnergyOptions
from collector.derive.flows.derivation import Flows, FlowsOptions
from collector.derive.rollup.derivation import Rollup, RollupOptions
from collector.lines.serial import Lines
from collector.reading import Reading, encode
from collector.scalars import Role, Seconds
from collector.sources.simulated.house import House

HOUSE = House()
MINUTE, QUARTER, HOUR, DAY = 60, 900, 3600, 86_400
FINE_FOR = 26 * HOUR
SITE = "home"
BUCKETS = ("", "-1m", "-1h", "-1d")
Values = dict[str, float]
Meters = dict[str, Callable[[float], Values]]


@dataclasses.dataclass(frozen=True)
class Home:
    """Meters, each with its role, or '' where nobody said one."""

    meters: Meters
    roles: dict[str, str]


def mains(t: float) -> Values:
    """Say what a meter says that adds import and export up to a total, such as the SDM630."""
    now = HOUSE.at(t)
    drawn, fed = now["active_energy_import"], now["active_energy_export"]
    shown = {name: now[name] for name in ("frequency", "active_power", "power_factor")}
    shown |= {"active_energy_import": drawn, "active_energy_export": fed}
    shown["active_energy"] = drawn + fed
    for phase, share in enumerate((0.5, 0.3, 0.2), 1):
        shown[f"voltage_l{phase}"] = now["voltage"] + phase
        shown[f"current_l{phase}"] = now["current"] * share
    return shown


def single_phase(t: float) -> Values:
    """Say what a meter with one counter says, such as the OR-WE-515."""
    names = "voltage", "current", "frequency", "active_power", "power_factor", "active_energy"
    return {name: value for name, value in HOUSE.at(t).items() if name in names}


def part(name: str) -> Callable[[float], Values]:
    def shown(t: float) -> Values:
        return {"active_power": HOUSE.powers(t)[name], "active_energy": HOUSE.counters(t)[name]}

    return shown


def roof(t: float) -> Values:
    return {"panel_power": HOUSE.powers(t)["solar"], "yield_total": HOUSE.counters(t)["solar"]}


PARTS = ("fridge", "heat_pump", "cooker", "kettle", "washing_machine", "lights", "base")
ONE = Home({"mains": single_phase}, {"mains": "grid"})
THREE = Home(
    {"mains": mains, "roof": roof, "fridge": part("fridge"), "heat_pump": part("heat_pump")},
    {"mains": "grid", "roof": "solar", "fridge": "part of house", "heat_pump": "part of house"},
)
TEN = Home(
    {"mains": mains, "roof": roof, "second": single_phase} | {each: part(each) for each in PARTS},
    {"mains": "grid", "roof": "solar"} | dict.fromkeys(PARTS, "part of house"),
)
KINDS = {"roof": "solar"}


def times(now: float, days: int) -> Iterator[int]:
    """Yield every quarter of an hour of some days, and every minute of the last one."""
    begin, fine = int(now - days * DAY) // HOUR * HOUR, int(now - FINE_FOR) // HOUR * HOUR
    yield from range(begin, fine, QUARTER)
    yield from range(fine, int(now) + 1, MINUTE)


def read(home: Home, now: float, days: int) -> Iterator[list[Reading]]:
    """Yield what all meters show, instant by instant."""
    for t in times(now, days):
        yield [
            Reading(KINDS.get(name, "electricity"), name, t * 1000, meter(t))
            for name, meter in home.meters.items()
        ]


def with_false_zeros(readings: Iterable[list[Reading]], since: float) -> Iterator[list[Reading]]:
    """Yield the same, but from a time on each full hour every counter shows 0 for once."""
    for instant in readings:
        if instant[0].at_ms % (HOUR * 1000) or instant[0].at_ms < since * 1000:
            yield instant
            continue
        yield [
            dataclasses.replace(
                each,
                values={
                    name: 0.0 if "energy" in name or "yield" in name else value
                    for name, value in each.values.items()
                },
            )
            for each in instant
        ]


def derived(home: Home, readings: Iterable[list[Reading]]) -> Iterator[Reading]:
    """Yield the readings, and what the derivations of every house make of them."""
    roles = {device: Role(role) for device, role in home.roles.items()}
    context = Context(SITE, Lines(), Path("/nowhere"), Path("/nowhere"), HOUSE.zone, roles=roles)
    energy = Energy("energy", EnergyOptions(type="energy"), context)
    flows = Flows("flows", FlowsOptions(type="flows", every=Seconds(60)), context)
    rollup = Rollup("rollup", RollupOptions(type="rollup"), context)
    for instant in readings:
        now_ms = instant[0].at_ms
        known = [*instant, *energy.derive(instant)]
        known += [*flows.derive(known), *flows.tick(now_ms)]
        made = [*rollup.derive(known), *rollup.tick(now_ms)]
        yield from known
        yield from made


def lines(home: Home, readings: Iterable[list[Reading]]) -> dict[str, list[str]]:
    """Return what each bucket holds, by how its name ends, as InfluxDB takes it."""
    found: dict[str, list[str]] = {each: [] for each in BUCKETS}
    for each in derived(home, readings):
        end = f"-{each.kind[-2:]}"
        # The site is added when sending.
        head, values, at = encode(each).decode().rsplit(" ", 2)
        line = f"{head.replace(',', f',site={SITE},', 1)} {values} {at}"
        found[end if end in BUCKETS else ""].append(line)
    return found


@cache
def batches(now: float) -> dict[str, dict[str, list[str]]]:
    """Return what stands in the buckets of each house."""
    three = list(read(THREE, now, 33))
    return {
        "energy": lines(THREE, three),
        "zeros": lines(THREE, with_false_zeros(three, now - DAY)),
        "one": lines(ONE, read(ONE, now, 15)),
        "ten": lines(TEN, read(TEN, now, 15)),
    }


def energy(start: float, end: float) -> dict[str, float]:
    """Return the truth in kWh: of the house, by origin, of each part; by quarters of an hour."""
    sums: dict[str, Any] = dict.fromkeys(("house", "grid", "sun", "export"), 0.0)
    t = start
    while t < end:
        used = HOUSE.energy(t, min(t + QUARTER, end))
        house = used["import"] + used["solar"] - used["export"]
        sun = min(used["solar"] - min(used["solar"], used["export"]), house)
        for name, wh in {"house": house, "sun": sun, "grid": house - sun}.items():
            sums[name] += wh / 1000
        sums["export"] += used["export"] / 1000
        t += QUARTER
    whole = HOUSE.energy(start, end)
    return sums | {each: whole[each] / 1000 for each in ("fridge", "heat_pump", "solar", "import")}
