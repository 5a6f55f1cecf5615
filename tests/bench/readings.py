"""Readings of 12 values at 1 Hz, as a meter in the simulated house gives them."""

import random

from collector.reading import Reading, encode

START_MS = 1_763_654_400_000


def lines(count, device="mains", start_ms=START_MS):
    """Yield *count* encoded readings of one meter, a second apart."""
    chance = random.Random(1)
    energy, power = 1234560.0, 700
    for second in range(count):
        power = max(50, power + chance.randint(-20, 20))
        voltage = 230 + chance.randint(-150, 150) / 100
        energy += power / 3600
        whole = round(energy / 10) * 10.0
        values = {
            "voltage": voltage,
            "current": round(power / voltage, 3),
            "frequency": 50 + chance.randint(-3, 3) / 100,
            "active_power": float(power),
            "reactive_power": float(power // 5),
            "apparent_power": float(round(power * 1.02)),
            "power_factor": 0.98,
            "active_energy": whole,
            "active_energy_t1": whole - 400_000,
            "active_energy_t2": 400_000.0,
            "reactive_energy": round(energy / 50) * 10.0,
            "reactive_energy_t1": round(energy / 60) * 10.0,
        }
        yield encode(Reading("electricity", device, start_ms + 1000 * second, values))
