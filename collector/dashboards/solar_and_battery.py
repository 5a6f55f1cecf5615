"""Solar and battery: what the sun gave, what of it was used, how full the battery is."""

from collector.dashboards.board import board, drill_down
from collector.dashboards.home import NO_ROLES, NO_ROLLUPS, last_power, of_the_house
from collector.dashboards.panels import (
    BAD,
    GOOD,
    KWH,
    WARN,
    WATT,
    band,
    bars,
    heading,
    levels,
    mappings,
    series,
    stat,
)
from collector.dashboards.queries import ask, curve, newest, rose, states, summed

BANKS = "battery, battery_bank, ups"
CHARGER = {
    0: ("off", "#8E8E8E"),
    2: ("fault", BAD),
    3: ("bulk", "#FF9830"),
    4: ("absorption", "#F2CC0C"),
    5: ("float", GOOD),
}
QUALITY = {
    0: ("counted", GOOD),
    1: ("estimated", WARN),
    2: ("at most", WARN),
    3: ("at least", WARN),
    4: ("uncertain", BAD),
}
SUN = {
    "Sun": "solar_energy",
    "Used here": "self_use_energy",
    "Fed into the grid": "grid_export_energy",
}


SELF_USE = (
    "SELECT u / s * 100 FROM (SELECT last(self_use_energy) - first(self_use_energy) AS u, "
    "last(solar_energy) - first(solar_energy) AS s FROM flows_energy WHERE $timeFilter) WHERE s > 0"
)
AUTARKY = (
    "SELECT 100 - g / h * 100 FROM (SELECT last(house_grid_energy) - first(house_grid_energy) "
    "AS g, last(house_energy) - first(house_energy) AS h FROM flows_energy WHERE $timeFilter) "
    "WHERE h > 0"
)
NOW = [
    stat(
        "Now",
        "What panels give, what the battery takes and gives, what is fed in.",
        [
            last_power("solar_power", "Sun"),
            last_power("battery_charge_power", "Into the battery"),
            last_power("battery_discharge_power", "From the battery"),
            last_power("grid_export_power", "Fed into the grid"),
        ],
        unit=WATT,
        decimals=0,
        width=9,
        over="5m",
        names=("Sun", "Into the battery", "From the battery", "Fed into the grid"),
        empty="silent for 5 min",
    ),
    levels(
        "How full",
        "State of charge of each battery; a bank is computed from voltage and current.",
        [newest("state_of_charge", BANKS)],
        unit="percent",
        width=5,
        height=5,
        decimals=0,
        over="5m",
        defaults={"min": 0, "max": 100},
        steps=((None, BAD), (20, WARN), (40, GOOD)),
        empty="no battery",
    ),
    stat(
        "The sun today",
        "Since midnight, to the last full quarter of an hour.",
        [rose(SUN, "flows_energy")],
        unit=KWH,
        decimals=1,
        width=6,
        over="now/d",
        names=tuple(SUN),
        empty=NO_ROLES,
        size={"titleSize": 12, "valueSize": 20},
    ),
    stat(
        "This month",
        "Self-use: part of the solar energy that was not exported. Autarky: part of the house's "
        "energy that did not come from the grid. Both from quarters of an hour.",
        [ask(SELF_USE, "Self-use"), ask(AUTARKY, "Autarky")],
        unit="percent",
        decimals=0,
        width=4,
        over="now/M",
        empty=NO_ROLES,
        size={"titleSize": 12, "valueSize": 24},
    ),
]
SOLAR = [
    series(
        "Sun, house and grid",
        "The house beside what the panels give; what is fed in is below the line.",
        [
            of_the_house("solar_power", "Sun"),
            of_the_house("house_power", "House"),
            of_the_house("grid_export_power", "Fed into the grid"),
        ],
        unit=WATT,
        step="1m",
        names=("Sun", "House", "Fed into the grid"),
        empty=NO_ROLES,
    ),
    drill_down(
        bars(
            "The sun's energy per day",
            "What of it was used here, and below the line what was fed into the grid.",
            [
                summed(
                    {"Used here": "self_use_energy", "Fed into the grid": "grid_export_energy"},
                    "flows_energy",
                )
            ],
            unit=KWH,
            decimals=1,
            over="now-30d/d",
            names=("Used here", "Fed into the grid"),
            empty=NO_ROLLUPS,
        )
    ),
    series(
        "Each string",
        "Power of each charger or inverter.",
        [curve("panel_power", "solar")],
        unit=WATT,
        step="1m",
        empty="no charger or inverter tells its panels",
    ),
    band(
        "Chargers",
        "What each solar charger does: bulk charges with all there is, float holds a full battery.",
        [states("charger_state", "solar")],
        CHARGER,
        step="5m",
        empty="no solar charger",
    ),
]
BATTERY = [
    heading("Battery"),
    series(
        "State of charge",
        "How full each battery and bank is.",
        [curve("state_of_charge", BANKS)],
        unit="percent",
        step="1m",
        defaults={"min": 0, "max": 100},
        empty="no battery",
    ),
    drill_down(
        bars(
            "Into and out of the battery per day",
            "What it gave, and below the line what it took. It gives a little less than it takes.",
            [
                summed(
                    {
                        "From the battery": "battery_discharge_energy",
                        "Into the battery": "battery_charge_energy",
                    },
                    "flows_energy",
                )
            ],
            unit=KWH,
            decimals=1,
            over="now-30d/d",
            names=("From the battery", "Into the battery"),
            empty=NO_ROLLUPS,
        )
    ),
    series(
        "Voltage",
        "Voltage of each battery.",
        [curve("battery_voltage", "battery, solar, ups")],
        unit="volt",
        decimals=2,
        step="1m",
        empty="no battery",
    ),
    series(
        "Current",
        "Above zero it charges.",
        [curve("battery_current", "battery, solar")],
        unit="amp",
        step="1m",
        empty="no battery",
    ),
    stat(
        "Time to go",
        "Until the discharge floor, at the load of now.",
        [newest("time_to_go", BANKS)],
        unit="s",
        width=6,
        over="5m",
        empty="it is not discharged",
    ),
    stat(
        "Health",
        "Capacity that the last long discharges showed, in part of that when new.",
        [newest("state_of_health", "battery_bank")],
        unit="percent",
        decimals=0,
        width=6,
        over="5m",
        empty="no long discharge yet",
    ),
    stat(
        "Since it was full",
        "Lead-acid batteries want to be full once a week.",
        [newest("time_since_full_charge", BANKS)],
        unit="s",
        width=6,
        over="5m",
        empty="not known",
    ),
    stat(
        "How sure it is",
        "Whether the state of charge was counted since the battery was full.",
        [newest("state_of_charge_quality", "battery_bank")],
        unit="none",
        width=6,
        over="5m",
        empty="no bank",
        defaults={"mappings": mappings(QUALITY)},
    ),
]

SOLAR_AND_BATTERY = board(
    "energy-solar",
    "Solar and battery",
    "What the sun gave, what of it was used, and how full the battery is.",
    [*NOW, *SOLAR, *BATTERY],
)
