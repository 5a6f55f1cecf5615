"""The door: what a heat pump, its meter and a thermometer show becomes the heat pump's figures."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from collector.contract import Context
from collector.contract.memory import restored
from collector.derive.heat_pump.days import Day, Days, date_of
from collector.derive.heat_pump.energy import COOLING, DEFROST, HEATING, HOT_WATER, POOL, Energy
from collector.derive.heat_pump.options import HeatPumpOptions, check_options
from collector.derive.heat_pump.running import Running
from collector.reading import Reading

KIND = "heat_pump_performance"
EVERY_MS = 60_000
DOUBTFUL = 10  # a performance above has been real, and more often a fault of a sensor
SEASON_BEGINS = 7  # July: a heating season lies in one piece, north of the equator
BOUNDARIES = {"H1": 1, "H2": 2, "H3": 3, "H4": 4}


@dataclass
class Sums:
    """What a season's figures are differences of, in Wh and K·d."""

    heat: float = 0.0
    electricity: float = 0.0
    weather_electricity: float = 0.0
    degree_days: float = 0.0


@dataclass
class Memory:
    """All that the derivation remembers."""

    device_ms: int = 0
    meter_ms: int = 0
    slot: int = 0
    heat: Energy = field(default_factory=Energy)
    electricity: Energy = field(default_factory=Energy)
    running: Running = field(default_factory=Running)
    days: Days = field(default_factory=Days)
    degree_days: float = 0.0
    days_missing: int = 0
    weather_electricity: float = 0.0
    season: int = 0
    before: Sums = field(default_factory=Sums)


class HeatPump:
    """Follows one heat pump."""

    Options: ClassVar[type] = HeatPumpOptions
    hears = frozenset({"heatpump", "electricity", "climate"})
    makes = frozenset({KIND})
    quantities: Collection[str] = (
        "coefficient_of_performance",
        "performance_doubtful",
        "performance_boundary",
        "seasonal_performance",
        "heat_energy",
        "heat_energy_heating",
        "heat_energy_hot_water",
        "heat_energy_cooling",
        "heat_energy_defrost",
        "active_energy",
        "active_energy_heating",
        "active_energy_hot_water",
        "active_energy_cooling",
        "active_energy_defrost",
        "heat_pump_time",
        "heating_time",
        "hot_water_time",
        "defrost_time",
        "heat_pump_starts",
        "short_runs",
        "starts_last_hour",
        "last_run_time",
        "degree_days",
        "weather_gaps",
        "active_energy_weather",
        "energy_per_degree_day",
        "daily_outside_temperature",
        "daily_degree_days",
        "daily_energy",
        "daily_heat",
        "daily_performance",
        "daily_energy_per_degree_day",
        "daily_starts",
        "daily_run_time",
        "daily_mean_run",
        "daily_shortest_run",
        "daily_defrost_share",
    )

    def __init__(self, name: str, options: HeatPumpOptions, context: Context) -> None:
        check_options(options)
        self.name, self.options, self.zone = name, options, context.zone
        self.memory = Memory()

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        return [made for reading in readings for made in self.hear(reading)]

    def state(self) -> Any:
        return asdict(self.memory)

    def restore(self, state: Any) -> None:
        self.memory = restored(Memory, state)

    def hear(self, reading: Reading) -> Iterator[Reading]:
        """Take one reading; yield the days that are over, and the figures of now where due."""
        options, memory, at_ms = self.options, self.memory, reading.at_ms
        if reading.device == (options.outside or options.device):
            self.hear_outside(reading)
        elif reading.device not in (options.device, options.meter):
            return
        for begin_ms, day in memory.days.over(at_ms, self.zone):
            if values := self.close(day):
                yield Reading(KIND, self.name, begin_ms, values)
        if reading.device == options.meter and at_ms > memory.meter_ms:
            memory.meter_ms = at_ms
            self.hear_electricity(reading)
        if reading.device != options.device or at_ms <= memory.device_ms:
            return
        memory.device_ms = at_ms
        if options.meter is None:
            self.hear_electricity(reading)
        self.hear_device(reading)
        if at_ms // EVERY_MS != memory.slot:
            memory.slot = at_ms // EVERY_MS
            self.begin_season(at_ms)
            yield Reading(KIND, self.name, at_ms, self.values())

    def hear_outside(self, reading: Reading) -> None:
        values = reading.values
        temperature = values.get("outside_temperature")
        if temperature is None and self.options.outside is not None:
            temperature = values.get("temperature")
        if temperature is not None:
            self.memory.days.hear_temperature(temperature, reading.at_ms, self.zone)

    def hear_electricity(self, reading: Reading) -> None:
        memory = self.memory
        purpose = memory.running.purpose
        used = memory.electricity.hear_electricity(reading.values, reading.at_ms, purpose)
        day = memory.days.until(reading.at_ms, self.zone)
        day.electricity += used
        day.cooling += used * (purpose == COOLING)
        day.heating += used * (purpose not in (COOLING, HOT_WATER, POOL))
        if (power := reading.values.get("active_power")) is not None:
            memory.running.hear_power(power, reading.at_ms)

    def hear_device(self, reading: Reading) -> None:
        memory, running = self.memory, self.memory.running
        day = memory.days.until(reading.at_ms, self.zone)
        day.heat += memory.heat.hear_heat(reading.values, reading.at_ms, running.purpose)
        before = (running.starts, running.run_ms, running.times.get(DEFROST, 0))
        known_ms, run = running.hear(reading.values, reading.at_ms)
        day.known_ms += known_ms
        memory.days.at(reading.at_ms, self.zone).starts += running.starts - before[0]
        day.run_ms += running.run_ms - before[1]
        day.defrost_ms += running.times.get(DEFROST, 0) - before[2]
        if run:
            day.add_run(run.length_ms)

    def close(self, day: Day) -> dict[str, float]:
        """Count the degree days of a day that is over; return its figures."""
        memory, values = self.memory, day.figures()
        if day.mean_c is None:
            memory.days_missing += 1
        else:
            degrees = max(self.options.base_temperature - day.mean_c, 0.0)
            values["daily_degree_days"] = degrees
            if day.is_whole:
                memory.degree_days += degrees
                memory.weather_electricity += day.heating
                if degrees and memory.electricity.is_known:
                    values["daily_energy_per_degree_day"] = day.heating / degrees
            else:
                memory.days_missing += 1
        if not memory.electricity.is_known:
            values.pop("daily_energy", None)
        if not memory.heat.is_known:
            for name in ("daily_heat", "daily_performance"):
                values.pop(name, None)
        return {name: float(value) for name, value in values.items()}

    @property
    def sums(self) -> Sums:
        memory = self.memory
        heat = memory.heat.total - memory.heat.of(DEFROST)
        used = memory.electricity.total - memory.electricity.of(COOLING)
        return Sums(heat, used, memory.weather_electricity, memory.degree_days)

    def begin_season(self, at_ms: int) -> None:
        """Remember the sums with which a season begins."""
        today = date_of(at_ms, self.zone)
        season = today.year - (today.month < SEASON_BEGINS)
        if season > self.memory.season:
            self.memory.season, self.memory.before = season, self.sums

    def values(self) -> dict[str, float]:
        """Return what is known now."""
        memory, running = self.memory, self.memory.running
        values: dict[str, float] = {
            "performance_boundary": BOUNDARIES[self.options.boundary],
            "heat_pump_time": running.run_ms / 1000,
            "heating_time": running.times.get(HEATING, 0) / 1000,
            "hot_water_time": running.times.get(HOT_WATER, 0) / 1000,
            "defrost_time": running.times.get(DEFROST, 0) / 1000,
            "heat_pump_starts": running.starts,
            "short_runs": running.short_runs,
            "starts_last_hour": len(running.started),
            "degree_days": memory.degree_days,
            "weather_gaps": memory.days_missing,
        }
        if running.last_run_ms:
            values["last_run_time"] = running.last_run_ms / 1000
        for energy, stem in ((memory.heat, "heat_energy"), (memory.electricity, "active_energy")):
            if energy.is_known:
                values[stem] = energy.total
                for each in (HEATING, HOT_WATER, COOLING, DEFROST):
                    values[f"{stem}_{each}"] = energy.of(each)
        if (performance := running.performance) is not None:
            values["coefficient_of_performance"] = performance
            values["performance_doubtful"] = performance > DOUBTFUL
        values |= self.of_season()
        return {name: float(value) for name, value in values.items()}

    def of_season(self) -> dict[str, float]:
        """Return the figures since the season began: sums over sums, never a mean of ratios."""
        memory, now, before = self.memory, self.sums, self.memory.before
        values: dict[str, float] = {}
        used = now.electricity - before.electricity
        if memory.electricity.is_known and memory.heat.is_known and used > 0:
            values["seasonal_performance"] = (now.heat - before.heat) / used
        if memory.electricity.is_known:
            values["active_energy_weather"] = memory.weather_electricity
            degrees = now.degree_days - before.degree_days
            if degrees > 0:
                weather = now.weather_electricity - before.weather_electricity
                values["energy_per_degree_day"] = weather / degrees
        return values
