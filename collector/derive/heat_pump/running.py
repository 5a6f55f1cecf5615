"""How a heat pump runs: starts, runs, defrosts, and what it gives for its power now."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.derive.heat_pump.counters import Held, Pace
from collector.derive.heat_pump.energy import COOLING, DEFROST, OTHER, PURPOSES

SHORT_MS = 600_000  # a run below that wears the compressor
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
MINUTES = 5  # of running, from which the performance of now is
HEARD_PART = 0.9  # of that time, in which the meter must have been heard
MOST_STARTS = 60
IDLE_MODES = {3, 5, 6}  # locked, no request, an external source heats


def is_on(values: Mapping[str, float]) -> bool | None:
    """Tell whether the compressor runs; None where nothing says so."""
    for names in (("compressor1_on", "compressor2_on"), ("compressor_frequency",)):
        if any(each in values for each in names):
            return any(values.get(each, 0) > 0 for each in names)
    mode = values.get("operating_mode")
    return None if mode is None else int(mode) not in IDLE_MODES


def purpose_of(values: Mapping[str, float]) -> str | None:
    """Return what the heat pump works for; None where nothing says so."""
    mode = values.get("operating_mode")
    if mode is None:
        return DEFROST if values.get("defrost_valve_on", 0) > 0 else None
    return PURPOSES.get(int(mode), OTHER)


@dataclass
class Run:
    """A run that has ended, in ms."""

    length_ms: int


@dataclass
class Running:
    """Times in ms, and counts since the beginning."""

    pace: Pace = field(default_factory=Pace)
    is_on: bool = False
    is_known: bool = False
    purpose: str = OTHER
    run_since_ms: int = 0  # 0: no run, or nobody saw it begin
    last_run_ms: int = 0
    starts: int = 0
    short_runs: int = 0
    started: list[int] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)  # ms of running, by purpose
    run_ms: int = 0
    heat: Held = field(default_factory=Held)
    electricity: Held = field(default_factory=Held)
    unused: list[float] = field(default_factory=lambda: [0.0, 0.0])  # Wh, ms
    minutes: list[list[float]] = field(default_factory=list)  # number, ms, heat, Wh, ms heard

    def hear_power(self, power: float, at_ms: int) -> None:
        """Take the electric power, of whichever device."""
        used, passed_ms = self.electricity.step(power, at_ms)
        self.unused = [self.unused[0] + used, self.unused[1] + passed_ms]

    def hear(self, values: Mapping[str, float], at_ms: int) -> tuple[int, Run | None]:
        """Take what the heat pump shows.

        Return for how many ms it is known how it ran until now, and a run that has ended.
        """
        passed_ms = self.pace.step(at_ms)
        if not passed_ms:
            self.run_since_ms, self.is_known = 0, False
            self.minutes = []
        if self.is_on and self.is_known:
            self.run_ms += passed_ms
            self.times[self.purpose] = self.times.get(self.purpose, 0) + passed_ms
        self.hear_heat(values, at_ms, passed_ms)
        self.purpose = purpose_of(values) or (
            OTHER if "defrost_valve_on" in values else self.purpose
        )
        on = is_on(values)
        if on is None:
            return passed_ms, None
        was_on, was_known = self.is_on, self.is_known
        self.is_on, self.is_known = on, True
        self.started = [each for each in self.started if each > at_ms - HOUR_MS]
        if on and not was_on and was_known:
            self.starts += 1
            self.started = [*self.started, at_ms][-MOST_STARTS:]
            self.run_since_ms = at_ms
        if was_on and not on and self.run_since_ms:
            length_ms, self.run_since_ms = at_ms - self.run_since_ms, 0
            self.last_run_ms = length_ms
            self.short_runs += length_ms < SHORT_MS
            return passed_ms, Run(length_ms)
        return passed_ms, None

    def hear_heat(self, values: Mapping[str, float], at_ms: int, passed_ms: int) -> None:
        """Keep the heat and the electricity of the last minutes, as long as it runs."""
        power = values.get("heat_power")
        if power is None:
            return
        used, self.unused = self.unused, [0.0, 0.0]
        heat, heat_ms = self.heat.step(power, at_ms)
        if not self.is_on or self.purpose == COOLING or not passed_ms or not heat_ms:
            self.minutes = []
            return
        if self.purpose == DEFROST:
            heat = -abs(heat)  # it comes out of the house, whatever sign it has
        number = float(at_ms // MINUTE_MS)
        if not self.minutes or self.minutes[-1][0] != number:
            self.minutes.append([number, 0.0, 0.0, 0.0, 0.0])
        for place, more in enumerate((float(heat_ms), heat, *used), 1):
            self.minutes[-1][place] += more
        self.minutes = self.minutes[-MINUTES - 1 :]

    @property
    def performance(self) -> float | None:
        """What it gives for its power now; None where that is not known, or where it takes heat."""
        passed_ms, heat, used, heard_ms = (sum(each) for each in self.columns)
        if passed_ms < MINUTES * MINUTE_MS or heard_ms < HEARD_PART * passed_ms:
            return None
        return heat / used if used > 0 and heat > 0 else None

    @property
    def columns(self) -> list[list[float]]:
        return [[each[place] for each in self.minutes] for place in range(1, 5)]
