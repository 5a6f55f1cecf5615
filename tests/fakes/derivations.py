"""Two small derivations of the tests' own: one that sums per slot, one that counts days."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collector.contract import Context, DerivationOptions
from collector.options import option
from collector.reading import Reading

ROOT = Path(__file__).parents[2]
LATE_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class HouseOptions(DerivationOptions):
    """The power of several meters, added up."""

    of: tuple[str, ...] = option("devices to add up", example=["mains", "shed"])


class House:
    """Adds up the power of devices in each slot; a slot in which one is missing has no sum."""

    Options = HouseOptions
    hears = frozenset({"electricity"})
    makes = frozenset({"sum"})
    quantities: Collection[str] = ("active_power",)

    def __init__(self, name: str, options: HouseOptions, context: Context) -> None:
        del context
        self.name = name
        self.of = options.of
        self.slots: dict[int, dict[str, float]] = {}
        self.newest_ms = 0

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        made = []
        for reading in readings:
            if reading.device not in self.of or "active_power" not in reading.values:
                continue
            slot = self.slots.setdefault(reading.at_ms, {})
            slot[reading.device] = reading.values["active_power"]
            if len(slot) == len(self.of):
                power = sum(slot[device] for device in self.of)
                values = {"active_power": power}
                made.append(Reading("sum", self.name, reading.at_ms, values))
            self.newest_ms = max(self.newest_ms, reading.at_ms)
            for at_ms in [each for each in self.slots if each < self.newest_ms - LATE_MS]:
                del self.slots[at_ms]
        return made

    def state(self) -> Any:
        return [self.newest_ms, list(self.slots.items())]

    def restore(self, state: Any) -> None:
        self.newest_ms = state[0]
        self.slots = {at_ms: dict(slot) for at_ms, slot in state[1]}


class Daily:
    """Counts per device and day of the house what its power comes to, over gaps of at most 10 s."""

    Options = DerivationOptions
    hears = frozenset({"electricity", "sum"})
    makes = frozenset({"daily"})
    quantities: Collection[str] = ("active_energy",)

    def __init__(self, name: str, options: DerivationOptions, context: Context) -> None:
        del options
        self.name = name
        self.zone = context.zone
        self.devices: dict[str, list[Any]] = {}

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        made = []
        for reading in readings:
            power = reading.values.get("active_power")
            if power is None:
                continue
            day = datetime.fromtimestamp(reading.at_ms / 1000, self.zone).date().isoformat()
            at_ms, before, on, energy = self.devices.get(reading.device, (0, 0.0, day, 0.0))
            if reading.at_ms <= at_ms:
                continue  # late, or once more
            energy = energy if on == day else 0.0
            passed_ms = reading.at_ms - at_ms
            energy += abs(before) * passed_ms / 3_600_000 if passed_ms <= 10_000 else 0.0
            self.devices[reading.device] = [reading.at_ms, power, day, energy]
            device = f"{self.name}.{reading.device}"
            made.append(Reading("daily", device, reading.at_ms, {"active_energy": energy}))
        return made

    def state(self) -> Any:
        return self.devices

    def restore(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise ValueError(f"expected an object, not {state!r:.100}")  # noqa: TRY004  of JSON
        self.devices = state


class Clockwork(Daily):
    """Tells at each tick when it was."""

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        del readings
        return []

    def tick(self, now_ms: int) -> list[Reading]:
        since = datetime.fromtimestamp(now_ms / 1000, UTC)
        values = {"active_energy": float(since.minute)}
        return [Reading("daily", self.name, now_ms, values)]


def installed(folder, module="", **entry_points):
    """Let entry points lead to *module* or these classes; return an environment with them."""
    info = folder / "packages" / "derivations-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: derivations\nVersion: 1\n")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    text = "[energy_monitor.derivations]\n" + "\n".join(lines) + "\n"
    (info / "entry_points.txt").write_text(text)
    if module:
        (info.parent / "energy_monitor_example.py").write_text(module)
    return {**os.environ, "PYTHONPATH": f"{info.parent}{os.pathsep}{ROOT}"}
