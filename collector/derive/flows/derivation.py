"""The power flow of now: what the house draws, from where, and how much of it each part takes.

A power holds until the next reading of its device, for three times its usual interval. There is a
balance while every meter of it has a power, and a rest while every part has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from collector.contract import BadOption, Context, DerivationOptions
from collector.contract.counters import ENERGY
from collector.contract.roles import FLOWS, FLOWS_ENERGY, HOUSE, plan
from collector.derive.flows import meters
from collector.derive.flows.balance import Flow, Sides, balance, parts_of
from collector.derive.flows.counters import FIGURES as COUNTERS
from collector.derive.flows.counters import PART, Energies
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds

KINDS = ("electricity", "solar", "battery", "heatpump", "ups", "lighting", "climate", "host")
LEAST_MS, LONGEST_MS = 10_000, 900_000
USUAL_TIMES = 3
AHEAD_MS = 60_000  # what is further ahead of our own clock was told by a wrong one
NIGHT = 100_000  # mW of an inverter before it falls asleep, and tells nothing more
MILLI = 1000  # powers are whole mW, so that they add up exactly
FIGURES = {
    "house": "house_power",
    "imported": "grid_import_power",
    "exported": "grid_export_power",
    "solar": "solar_power",
    "charged": "battery_charge_power",
    "discharged": "battery_discharge_power",
    "from_grid": "house_grid_power",
    "from_solar": "house_solar_power",
    "from_battery": "house_battery_power",
}


@dataclass(frozen=True, kw_only=True)
class FlowsOptions(DerivationOptions):
    """The power flow of the house; it is there as soon as a source has a 'role'."""

    every: Seconds = option(
        "interval of the balance", example="5s", default=Seconds(5), low=1, high=60
    )
    sum: tuple[Literal["grid", "house"], ...] = option(
        "roles of which several meters add up, such as a meter for each phase at the grid; solar "
        "panels, batteries and heat pumps always do",
        example=["grid"],
        default=(),
    )


@dataclass(slots=True)
class Power:
    """The newest power of a device in mW, and how long before it the one before was read."""

    at: int
    value: int
    usual_ms: int = 0

    def take(self, at: int, value: int) -> None:
        if at > self.at:
            self.usual_ms, self.at, self.value = at - self.at, at, value

    def holds(self, at: int) -> bool:
        lasts_ms = min(max(USUAL_TIMES * self.usual_ms, LEAST_MS), LONGEST_MS)
        return at - self.at <= lasts_ms


class Flows:
    """Makes readings of the kind ``flows``: the house's under its site, a share of each part.

    Those of the kind ``flows_energy`` count the same as energy, quarter by quarter.
    """

    Options = FlowsOptions
    hears = frozenset({*KINDS, ENERGY})
    makes = frozenset({FLOWS, FLOWS_ENERGY})
    quantities = (
        *(*FIGURES.values(), "rest_power", "house_share", "part_power"),
        *("balances", "balances_clamped"),
        *(*COUNTERS.values(), PART),
    )

    def __init__(self, name: str, options: FlowsOptions, context: Context) -> None:
        self.name = name
        self.house = context.site
        self.plan = plan(context.roles)
        if not self.plan.is_balanced:
            raise BadOption("type", "no source is grid, solar, battery or house: give one a 'role'")
        self.every_ms = round(options.every * 1000)
        self.roles = {
            device: role for role, devices in self.plan.devices.items() for device in devices
        } | dict.fromkeys(self.plan.parts, "part")
        self.powers: dict[str, Power] = {}
        self.produced: dict[str, int] = {}  # mW of panels by a meter's sign, added up
        self.slot = 0
        self.made = self.clamped = 0
        self.energies = Energies(self.house, self.plan)

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        made: list[Reading] = []
        for reading in readings:
            role = self.roles.get(reading.device)
            if role is None:
                continue
            if reading.kind == ENERGY:
                made += self.energies.take(reading)
                continue
            value = meters.power(reading.values, role)
            if value is None:
                continue
            slot = reading.at_ms // self.every_ms
            if slot > self.slot:
                if self.slot:
                    made += self.made_of(self.slot * self.every_ms)
                self.slot = slot
            self.take(reading, role, round(value * MILLI))
        return made

    def tick(self, now_ms: int) -> list[Reading]:
        """Forget what came with a time that is still to come."""
        if self.slot * self.every_ms > now_ms + AHEAD_MS:
            self.slot = 0
        ahead = [name for name, each in self.powers.items() if each.at > now_ms + AHEAD_MS]
        for name in ahead:
            del self.powers[name]
        return self.energies.tick(now_ms)

    def take(self, reading: Reading, role: str, value: int) -> None:
        device, at = reading.device, reading.at_ms
        if role == "solar" and reading.kind != "solar":
            total = self.produced.get(device, 0) + value
            self.produced[device] = total
            value = value if total >= 0 else -value
        if device in self.powers:
            self.powers[device].take(at, value)
        else:
            self.powers[device] = Power(at, value)

    def made_of(self, at: int) -> list[Reading]:
        """Return the balance of the slot that begins at *at*, as all its readings show it."""
        end = at + self.every_ms - 1
        now = {device: each.value for device, each in self.powers.items() if each.holds(end)}
        asleep = {
            device: 0
            for device in self.plan.of("solar")
            if device in self.powers and self.powers[device].value <= NIGHT
        }
        now = asleep | now
        if any(device not in now for role in self.plan.devices for device in self.plan.of(role)):
            return []
        parts = {part: max(now[part], 0) for part in self.plan.parts if part in now}
        flow = balance(self.sides(now), parts, self.plan)
        self.made += 1
        self.clamped += bool(flow.clamped or flow.exceeded)
        return [
            Reading(FLOWS, self.house, at, self.values(flow)),
            *(Reading(FLOWS, part, at, self.part(part, flow)) for part in flow.parts if flow.house),
        ]

    def part(self, part: str, flow: Flow) -> dict[str, float]:
        drawn = flow.parts[part]
        own = sum(flow.parts.get(each, 0) for each in parts_of(part, self.plan))
        return {"house_share": 100 * drawn / flow.house, "part_power": (drawn - own) / MILLI}

    def sides(self, now: dict[str, int]) -> Sides:
        grid, solar, battery, house = (
            [now[device] for device in self.plan.of(role)]
            for role in ("grid", "solar", "battery", HOUSE)
        )
        return Sides(
            imported=sum(max(each, 0) for each in grid) if grid else None,
            exported=sum(max(-each, 0) for each in grid) if grid else None,
            solar=sum(max(each, 0) for each in solar) if solar else None,
            charged=sum(max(each, 0) for each in battery) if battery else None,
            discharged=sum(max(-each, 0) for each in battery) if battery else None,
            house=sum(max(each, 0) for each in house) if house else None,
        )

    def values(self, flow: Flow) -> dict[str, float]:
        values = {name: getattr(flow, each) / MILLI for each, name in FIGURES.items()}
        if all(part in flow.parts for part in parts_of(HOUSE, self.plan)):
            values["rest_power"] = flow.rest / MILLI
        return values | {"balances": float(self.made), "balances_clamped": float(self.clamped)}

    def state(self) -> Any:
        powers = {name: [each.at, each.value, each.usual_ms] for name, each in self.powers.items()}
        energies = self.energies.state()
        return [powers, self.produced, self.slot, self.made, self.clamped, energies]

    def restore(self, state: Any) -> None:
        try:
            powers, produced, self.slot, self.made, self.clamped, energies = state
            self.powers = {name: Power(*each) for name, each in powers.items()}
            self.produced = dict(produced)
            self.energies.restore(energies)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"this is no state of flows: {error!r}") from error
