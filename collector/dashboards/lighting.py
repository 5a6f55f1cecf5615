"""Lighting: what is on, what it draws by area, the lamps of the keypads."""

from collector.dashboards.board import board, devices, drill_down
from collector.dashboards.home import NO_ROLLUPS
from collector.dashboards.panels import (
    KWH,
    REST,
    SUN,
    WATT,
    band,
    bars,
    heading,
    levels,
    series,
    stat,
)
from collector.dashboards.queries import METERS, curve, lamps, newest, summed_by_device

LAMPS = {
    0: ("off", "#3A3A3A"),
    1: ("on", SUN),
    2: ("flashes", "#FF9830"),
    3: ("flashes", "#FF9830"),
}
NONE = "no lights are measured"
WATTS = ((None, REST), (1, SUN))

LIGHTING = board(
    "energy-lighting",
    "Lighting",
    "Levels of lights and shades, and what the lights draw: computed from level and nominal power.",
    [
        stat(
            "All lights",
            "Computed from the level and the nominal power of each zone.",
            [
                newest("estimated_power", "lighting_total", "now"),
                newest("nominal_power", "lighting_total", "all at full level"),
            ],
            unit=WATT,
            decimals=0,
            width=8,
            over="15m",
            empty=NONE,
        ),
        stat(
            "Areas",
            "What the lights of each area draw now.",
            [newest("estimated_power", "lighting_area")],
            unit=WATT,
            decimals=0,
            width=16,
            over="15m",
            steps=WATTS,
            empty=NONE,
        ),
        series(
            "Power by area",
            "The areas stand upon one another: together they are all lights.",
            [curve("estimated_power", "lighting_area")],
            unit=WATT,
            step="1m",
            stacked=True,
            width=24,
            empty=NONE,
        ),
        levels(
            "Levels now",
            "Level of each light, and how far each shade is open.",
            [newest("level", "lighting, shade", where=METERS)],
            unit="percent",
            decimals=0,
            over="15m",
            height=12,
            defaults={"min": 0, "max": 100},
            steps=WATTS,
            empty=NONE,
        ),
        series(
            "Levels",
            "Level of each light over the chosen time.",
            [curve("level", "lighting", where=METERS)],
            unit="percent",
            step="1m",
            height=12,
            custom={"lineInterpolation": "stepAfter"},
            defaults={"min": 0, "max": 100},
            empty=NONE,
        ),
        drill_down(
            bars(
                "Energy of metered lights per day",
                "Only of lights that have a counter of their own.",
                [summed_by_device("active_energy", "energy", where=METERS)],
                unit=KWH,
                decimals=2,
                over="now-13d/d",
                width=24,
                empty=NO_ROLLUPS,
            ),
            "energy-lighting",
        ),
        heading("Keypads"),
        band(
            "Lamps of the keypads",
            "Which buttons are lit.",
            [lamps("led_state", "keypad")],
            LAMPS,
            width=24,
            height=10,
            over="1h",
            step="1m",
            empty="no keypads",
        ),
    ],
    variables=(devices("lighting", "Lights"),),
)
