"""The door: what a battery monitor measures becomes the state of a bank."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from collector.contract import Context
from collector.contract.memory import restored
from collector.derive.battery_bank.capacity import Capacity
from collector.derive.battery_bank.charge import Count, Mean, Pace, Rates, is_bridged
from collector.derive.battery_bank.full import Rules, Watch
from collector.derive.battery_bank.health import CHARGED_PART, Health, left_at_rest
from collector.derive.battery_bank.options import (
    DEFAULTS,
    BatteryBankOptions,
    check_options,
    rows_of,
)
from collector.reading import Reading

KIND = "battery_bank"
EVERY_MS = 10_000
LONGEST_TO_GO_S = 240 * 3600.0  # as Victron's monitors show it; beyond that the load is none
ANOTHER_FULL_PART = 0.01  # so much must be drawn before full counts once more
MID_POINT_MS = 300_000


@dataclass
class Memory:
    """All that a bank remembers; times in ms, 0 where there is none."""

    at_ms: int = 0
    slot: int = 0
    current: float = 0.0
    voltage: float = 0.0
    temperature: float | None = None
    full_ms: int = 0
    synchronisations: int = 0
    drawn_since: float = 0.0
    mid_since_ms: int = 0
    mid_deviation: float | None = None
    count: Count = field(default_factory=Count)
    pace: Pace = field(default_factory=Pace)
    mean: Mean = field(default_factory=Mean)
    mean_current: float = 0.0
    watch: Watch = field(default_factory=Watch)
    health: Health = field(default_factory=Health)


class BatteryBank:
    """Counts the charge of one bank."""

    Options: ClassVar[type] = BatteryBankOptions
    hears = frozenset({"battery", "climate"})
    makes = frozenset({KIND})
    quantities: Collection[str] = (
        "state_of_charge",
        "state_of_charge_quality",
        "consumed_charge",
        "time_to_go",
        "time_since_full_charge",
        "synchronisations",
        "charge_cycles",
        "discharged_charge",
        "charged_charge",
        "discharged_energy",
        "charged_energy",
        "excess_charge",
        "capacity_extrapolated",
        "battery_capacity",
        "state_of_health",
        "mid_deviation",
        "mid_point_warning",
    )

    def __init__(self, name: str, options: BatteryBankOptions, context: Context) -> None:
        del context
        check_options(options)
        self.name, self.options = name, options
        defaults = DEFAULTS[options.chemistry]
        rows = [(hours, ah * options.in_parallel) for hours, ah in rows_of(options)]
        self.capacity = Capacity(rows, given(options.exponent, defaults.exponent))
        rated = self.capacity.rated
        per_degree = given(options.temperature_coefficient, defaults.temperature_coefficient)
        efficiency = given(options.charge_efficiency, defaults.charge_efficiency)
        cells = options.cells or defaults.cells
        charged = given(options.charged_voltage, defaults.charged * cells)
        tail = given(options.tail_current, defaults.tail_current) / 100 * rated
        self.rates = Rates(
            self.capacity, efficiency / 100, options.current_threshold, per_degree / 100
        )
        self.rules = Rules(
            charged * options.in_series,
            tail,
            options.current_threshold,
            round(options.charged_time * 1000),
        )
        self.averaging_ms = round(options.averaging * 1000)
        self.rest_voltages = [(row.voltage, row.state_of_charge) for row in options.rest_voltages]
        self.memory = Memory()

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        return [made for reading in readings if (made := self.hear(reading))]

    def state(self) -> Any:
        return asdict(self.memory)

    def restore(self, state: Any) -> None:
        self.memory = restored(Memory, state)

    def hear(self, reading: Reading) -> Reading | None:
        """Take one reading; return what follows from it, where something is due."""
        memory, values = self.memory, reading.values
        if reading.device == (self.options.temperature or self.options.device):
            known = values.get("battery_temperature", values.get("temperature"))
            memory.temperature = memory.temperature if known is None else known
        if reading.device != self.options.device or reading.at_ms <= memory.at_ms:
            return None  # of another, late, or once more
        held, memory.voltage = memory.voltage, values.get("battery_voltage", memory.voltage)
        current = values.get("battery_current")
        if current is None and memory.voltage and "battery_power" in values:
            current = values["battery_power"] / memory.voltage
        if current is None:
            return None
        before = (memory.synchronisations, self.has_mid_warning)
        self.step(reading.at_ms, current, held or memory.voltage, values)
        slot = reading.at_ms // EVERY_MS
        if slot == memory.slot and before == (memory.synchronisations, self.has_mid_warning):
            return None
        memory.slot = slot
        return Reading(KIND, self.name, reading.at_ms, self.values())

    def step(self, at_ms: int, current: float, voltage: float, values: Any) -> None:
        """Count what has flowed until *at_ms* at *voltage*, then look at what it means."""
        memory, rates = self.memory, self.rates
        passed_ms = at_ms - memory.at_ms if memory.at_ms else 0
        before, memory.current, memory.at_ms = memory.current, current, at_ms
        is_gap = is_lost = passed_ms > 0 and memory.pace.is_gap(passed_ms)
        if is_gap and is_bridged(before, current, passed_ms, rates.least):
            before, is_lost = (before + current) / 2, False
        if is_lost:
            idle = [0.0 if abs(each) < rates.least else each for each in (before, current)]
            memory.count.lose(idle[0], idle[1], passed_ms)
            memory.health.spoil()
        else:
            self.flow(before, voltage, passed_ms / 1000)
        if memory.count.missing is None and "state_of_charge" in values:
            self.suppose(values["state_of_charge"] / 100)
        self.look_full(before, 0 if is_gap else passed_ms)
        self.look_rest(is_gap=is_lost)
        memory.mean_current = memory.mean.add(
            at_ms, before, 0 if is_lost else passed_ms / 1000, self.averaging_ms
        )
        self.look_mid_point(values)

    def flow(self, current: float, voltage: float, seconds: float) -> None:
        """*current* has flowed for *seconds* at *voltage*, which held as long as it."""
        memory, rated = self.memory, self.capacity.rated
        moved = memory.count.add(self.rates, current, voltage, seconds)
        memory.drawn_since -= min(moved, 0.0)
        discharge = memory.health.discharge
        if memory.count.missing == 0 and discharge.counts:
            memory.health.begin()
        if moved < 0:
            discharge.add(-current, seconds, rated / 100)
        elif memory.count.missing:
            discharge.charged += moved
            discharge.counts &= discharge.charged <= CHARGED_PART * rated

    def suppose(self, part: float) -> None:
        """Take an estimate of how full the bank is, until it is found full."""
        self.memory.count.missing = self.usable * (1 - part)

    def look_full(self, before: float, passed_ms: int) -> None:
        memory = self.memory
        step = (self.rules, memory.at_ms, memory.voltage)
        is_full = memory.watch.step(*step, min(before, memory.current), passed_ms)
        if not is_full:
            return
        if not memory.full_ms or memory.drawn_since >= ANOTHER_FULL_PART * self.capacity.rated:
            memory.synchronisations += 1
            memory.drawn_since = 0.0
        memory.full_ms = memory.at_ms
        memory.count.full()
        memory.health.begin()

    def look_rest(self, *, is_gap: bool) -> None:
        """See whether the bank's voltage shows how full it is."""
        memory, rated, drawn = self.memory, self.capacity.rated, self.memory.count.missing
        scale = self.usable / rated
        one = memory.voltage / self.options.in_series
        rested = memory.health.rested(memory.at_ms, memory.current, rated, is_gap=is_gap)
        if rested and self.rest_voltages:
            left = left_at_rest(self.rest_voltages, one)
            if not memory.count.is_synchronised:
                self.suppose(left)
            elif drawn is not None:
                memory.health.estimate(drawn / scale, left, rated)
        cutoff = self.options.cutoff_voltage
        if cutoff is not None and drawn is not None and 0 < one <= cutoff:
            memory.health.estimate(drawn / scale, 0.0, rated)

    def look_mid_point(self, values: Any) -> None:
        """Watch how far the mid-point is from half of the voltage."""
        memory = self.memory
        deviation = values.get("mid_deviation")
        if deviation is None and "mid_voltage" in values and memory.voltage:
            deviation = 100 * (memory.voltage - 2 * values["mid_voltage"]) / memory.voltage
        if deviation is None:
            return
        memory.mid_deviation = deviation
        if abs(deviation) <= self.options.mid_point_limit:
            memory.mid_since_ms = 0
        elif not memory.mid_since_ms:
            memory.mid_since_ms = memory.at_ms

    @property
    def has_mid_warning(self) -> bool:
        since_ms = self.memory.mid_since_ms
        return bool(since_ms) and self.memory.at_ms - since_ms >= MID_POINT_MS

    @property
    def usable(self) -> float:
        return self.rates.usable(self.memory.temperature)

    def values(self) -> dict[str, float]:
        """Return what is known now."""
        memory, count, rated = self.memory, self.memory.count, self.capacity.rated
        values: dict[str, float] = {
            "discharged_charge": count.discharged,
            "charged_charge": count.charged,
            "discharged_energy": count.discharged_wh,
            "charged_energy": count.charged_wh,
            "charge_cycles": count.discharged / rated,
            "synchronisations": memory.synchronisations,
            "excess_charge": count.excess,
            "capacity_extrapolated": count.is_far,
        }
        if count.missing is not None:
            left = 100 * (1 - count.missing / self.usable)
            values["state_of_charge"] = min(max(left, 0.0), 100.0)
            values["state_of_charge_quality"] = count.quality
            values["consumed_charge"] = -count.missing if count.missing else 0.0
            values |= self.to_go(count.missing)
        if memory.full_ms:
            values["time_since_full_charge"] = (memory.at_ms - memory.full_ms) / 1000
        if (found := memory.health.capacity) is not None:
            values |= {"battery_capacity": found, "state_of_health": 100 * found / rated}
        if memory.mid_deviation is not None:
            values["mid_deviation"] = memory.mid_deviation
            values["mid_point_warning"] = self.has_mid_warning
        return {name: float(value) for name, value in values.items()}

    def to_go(self, missing: float) -> dict[str, float]:
        """Return the time until the floor is reached at the mean current; nothing at none."""
        load = -self.memory.mean_current
        if load < self.rates.least or load <= 0:
            return {}
        left = self.usable * (1 - self.options.discharge_floor / 100) - missing
        seconds = max(left, 0.0) / (load * self.capacity.scale(load)) * 3600
        return {"time_to_go": seconds} if seconds <= LONGEST_TO_GO_S else {}


def given(value: float | None, default: float) -> float:
    return default if value is None else value
