"""Which quantities of a device count as what was drawn from the house, and what was given to it.

Positive power is drawn from the grid, and charges a battery. A meter before solar panels may be
built in either way round, so what it shows more of is what they give.
"""

from collections.abc import Collection, Iterable, Mapping

TARIFFS = ("t1", "t2", "t3", "t4")
PURPOSES = ("heating", "hot_water", "pool", "cooling")


def together(name: str, endings: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}_{each}" for each in endings)


# Of each direction the counters that add up to it; the first line of which one is there is used.
IMPORTED = (
    ("active_energy_import",),
    ("active_energy",),
    together("active_energy_import", TARIFFS),
    together("active_energy", TARIFFS),
    together("active_energy", PURPOSES),
)
EXPORTED = (("active_energy_export",), together("active_energy_export", TARIFFS))
CHARGED, DISCHARGED, YIELD = ("charged_energy",), ("discharged_energy",), ("yield_total",)
Lines = tuple[tuple[str, ...], ...]
POWERS = ("active_power", "battery_power", "panel_power", "estimated_power")


def directions(role: str, known: Collection[str]) -> tuple[Lines, Lines]:
    """Return the counters of what a device with *role* draws and of what it gives."""
    if role == "solar" and YIELD[0] in known:
        return (), (YIELD,)
    if role == "battery":
        return (CHARGED, *IMPORTED), (DISCHARGED, *EXPORTED)
    return IMPORTED, EXPORTED


def counters(known: Collection[str], lines: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return those of the *known* counters of a device that add up to one direction."""
    for line in lines:
        if found := tuple(each for each in line if each in known):
            return found
    return ()


def power(values: Mapping[str, float], role: str) -> float | None:
    """Return a device's power: of grid and part what it draws, of a battery what charges it."""
    first = {"battery": "battery_power", "solar": "panel_power"}.get(role, "active_power")
    for name in (first, *POWERS):
        if name in values:
            return values[name]
    if "active_power_import" in values:
        return values["active_power_import"] - values.get("active_power_export", 0.0)
    return None
