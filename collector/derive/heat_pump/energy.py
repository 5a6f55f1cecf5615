"""Heat and electricity of a heat pump, each by what it is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.derive.heat_pump.counters import Counter, Held, Limits

HEATING, HOT_WATER, POOL, COOLING, DEFROST, OTHER = (
    "heating",
    "hot_water",
    "pool",
    "cooling",
    "defrost",
    "other",
)
PURPOSES = {0: HEATING, 1: HOT_WATER, 2: POOL, 4: DEFROST, 7: COOLING}  # by operating_mode
COUNTED = (HEATING, HOT_WATER, POOL, COOLING)  # for which devices have counters of their own


@dataclass(frozen=True)
class Names:
    """Under which quantities an energy comes, the better one first."""

    totals: tuple[str, ...]
    stem: str
    power: str
    limits: Limits


HEAT = Names(("heat_energy",), "heat_energy", "heat_power", Limits(100_000, 100))
# Three phases of 63 A at 230 V; a heat pump counts in steps of 0.1 kWh, a meter in finer ones.
ELECTRICITY = Names(
    ("active_energy_import", "active_energy"), "active_energy", "active_power", Limits(43_470, 100)
)


@dataclass
class Energy:
    """What has been counted, in Wh: *total*, and by purpose. It never falls.

    Heat that a defrost takes out of the house is not in *total*, but stands under its purpose.
    """

    total: float = 0.0
    by: dict[str, float] = field(default_factory=dict)
    counter: Counter = field(default_factory=Counter)
    splits: dict[str, Counter] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    is_known: bool = False

    def hear(
        self,
        names: Names,
        values: Mapping[str, float],
        at_ms: int,
        *,
        may_fall: bool = False,
    ) -> float:
        """Take what a device shows; return the Wh since it was heard last. It may be below 0."""
        limits = names.limits
        parts = 0.0
        for each in COUNTED:
            if (value := values.get(f"{names.stem}_{each}")) is not None:
                part = max(self.splits.setdefault(each, Counter()).step(value, at_ms, limits), 0.0)
                if not may_fall:
                    self.add(each, part)
                parts += part * (each != COOLING)
                self.is_known = True
        total = next((values[each] for each in names.totals if each in values), None)
        if total is not None:
            self.is_known = True
            return self.counter.step(total, at_ms, limits, may_fall=may_fall)
        if self.counter.last is not None:
            return 0.0
        if self.splits:
            return parts
        if (power := values.get(names.power)) is not None:
            self.is_known = True
            return self.held.step(power, at_ms)[0]
        return 0.0

    def hear_heat(self, values: Mapping[str, float], at_ms: int, purpose: str) -> float:
        """Take the heat that a device shows; return what the house got of it."""
        is_defrost = purpose == DEFROST
        change = self.hear(HEAT, values, at_ms, may_fall=is_defrost)
        if is_defrost or change < 0:
            self.add(DEFROST, abs(change))
            return -abs(change)
        if not self.splits:
            self.add(purpose, change)
        if purpose == COOLING:
            return 0.0
        self.total += change
        return change

    def hear_electricity(self, values: Mapping[str, float], at_ms: int, purpose: str) -> float:
        """Take the electricity that a device shows; return what was used."""
        change = max(self.hear(ELECTRICITY, values, at_ms), 0.0)
        self.total += change
        if purpose == DEFROST:
            self.add(DEFROST, change)
        if not self.splits and purpose != OTHER:
            self.add(HEATING if purpose == DEFROST else purpose, change)
        return change

    def add(self, purpose: str, change: float) -> None:
        self.by[purpose] = self.by.get(purpose, 0.0) + change

    def of(self, purpose: str) -> float:
        return self.by.get(purpose, 0.0)
