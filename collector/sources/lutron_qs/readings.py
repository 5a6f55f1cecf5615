"""What a Lutron processor said, as readings: levels, states, and the power that they come to."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from collector.reading import Reading
from collector.sources.lutron_qs.database import Database, Zone
from collector.sources.lutron_qs.protocol import Point, led_state, percent

TOTAL = "lighting_total"


def readings(
    name: str,
    at_ms: int,
    database: Database,
    said: Mapping[Point, str],
    refused: Collection[Point],
) -> Iterator[Reading]:
    """Yield what is known of each zone, LED and area, and of the house, from what was *said*.

    What the processor *refused* to tell of is not there, and so in no sum. Pure.
    """
    lit = {zone.point: zone for zone in database.lit}
    for zone in database.zones:
        level = percent(said.get(zone.point, ""))
        values = {} if level is None else {"level": level}
        values |= power([zone], said) if zone.point in lit else {}
        device = name_of(name, zone.area.word, zone.word, zone.id)
        yield Reading(zone.kind, device, at_ms, values)
    for led in database.leds:
        state = led_state(said.get(led.point, ""))
        device = name_of(name, led.area.word, led.word, led.id, led.component)
        yield Reading("keypad", device, at_ms, {} if state is None else {"led_state": state})
    there = [zone for point, zone in lit.items() if point not in refused]
    for area in dict.fromkeys(zone.area for zone in there):
        values = power([zone for zone in there if zone.area == area], said)
        yield Reading("lighting_area", name_of(name, area.word, area.id), at_ms, values)
    yield Reading(TOTAL, name, at_ms, power(there, said))


def name_of(*words: str | int) -> str:
    """Return the name of a device; its last word is the number that the database gives it."""
    return ".".join(str(word) for word in words if word != "")


def power(zones: Iterable[Zone], said: Mapping[Point, str]) -> dict[str, float]:
    """Return what *zones* draw together, in W; nothing where a level is not known. Pure."""
    levels = [(zone.nominal_w or 0.0, percent(said.get(zone.point, ""))) for zone in zones]
    known = [(nominal_w, level) for nominal_w, level in levels if level is not None]
    if not known or len(known) < len(levels):
        return {}
    return {
        "estimated_power": round(sum(nominal_w * level for nominal_w, level in known) / 100, 3),
        "nominal_power": sum(nominal_w for nominal_w, _ in known),
    }


def summary(database: Database) -> str:
    return (
        f"database of {database.exported or 'no date'}: {len(database.zones)} zones, "
        f"{len(database.lit)} of them lights with a wattage, {len(database.leds)} LEDs"
    )
