"""Heat pump: what it does, what it gives for its electricity, how it runs, by which weather."""

from collector.dashboards.board import board, devices, drill_down
from collector.dashboards.home import NO_ROLLUPS
from collector.dashboards.panels import (
    BAD,
    DEFROST,
    HEAT,
    HOT_WATER,
    KWH,
    REST,
    WATT,
    band,
    bars,
    heading,
    on_the_right,
    series,
    stat,
)
from collector.dashboards.queries import DAYS, METERS, Query, ask, curve, newest, states, summed

PUMP = "heatpump"
FIGURES = "heat_pump_performance"
MODES = {
    0: ("heating", HEAT),
    1: ("hot water", HOT_WATER),
    2: ("pool", "#73BFF2"),
    3: ("locked", BAD),
    4: ("defrost", DEFROST),
    5: ("idle", REST),
    6: ("external", "#B877D9"),
    7: ("cooling", "#5794F2"),
}
NO_DERIVATION = "add the derivation heat_pump: docs/heat-pumps.md"


def daily(quantity: str, name: str = "$tag_device") -> Query:
    """Return a figure of each day, which stands at its midnight."""
    return ask(f"SELECT {quantity} FROM {FIGURES} WHERE $timeFilter GROUP BY device", name)


def temperature(quantity: str, name: str) -> Query:
    return curve(quantity, PUMP, name, where=METERS)


NOW = [
    stat(
        "Performance",
        "Heat given for one part of electricity: over the last five minutes of running, and since "
        "1 July.",
        [
            newest("coefficient_of_performance", FIGURES, "now"),
            newest("seasonal_performance", FIGURES, "since July"),
        ],
        unit="none",
        decimals=1,
        width=6,
        over="5m",
        empty=NO_DERIVATION,
        size={"titleSize": 13, "valueSize": 32},
    ),
    stat(
        "Power",
        "Electricity that it draws, and heat that it gives.",
        [newest("active_power", PUMP, "electricity"), newest("heat_power", PUMP, "heat")],
        unit=WATT,
        decimals=0,
        width=6,
        over="5m",
        empty="silent for 5 min",
    ),
    stat(
        "Temperatures",
        "Water to the heating, hot water, outside.",
        [
            newest("flow_temperature", PUMP, "flow"),
            newest("hot_water_temperature", PUMP, "hot water"),
            newest("outside_temperature", PUMP, "outside"),
        ],
        unit="celsius",
        decimals=1,
        width=6,
        over="5m",
        empty="silent for 5 min",
    ),
    stat(
        "Starts in the last hour",
        "More than three wear the compressor: the heating curve may be too high.",
        [newest("starts_last_hour", FIGURES)],
        unit="none",
        decimals=0,
        width=6,
        over="5m",
        steps=((None, "#56A64B"), (4, "#FF9830"), (7, BAD)),
        empty=NO_DERIVATION,
    ),
]
RUNS = [
    band(
        "What it does",
        "Heating, hot water and defrosting, over the chosen time.",
        [states("operating_mode", PUMP, where=METERS)],
        MODES,
        width=24,
        height=5,
        step="1m",
    ),
    series(
        "Water",
        "Flow and return of the heating, and what the controller wants of the return.",
        [
            temperature("flow_temperature", "flow"),
            temperature("return_temperature", "return"),
            temperature("return_target_temperature", "wanted return"),
            temperature("hot_water_temperature", "Hot water"),
        ],
        unit="celsius",
        decimals=1,
        step="1m",
        names=("Hot water",),
    ),
    series(
        "Outside and source",
        "Temperature outside, and of the heat source.",
        [
            temperature("outside_temperature", "Outside"),
            temperature("source_in_temperature", "source in"),
            temperature("source_out_temperature", "source out"),
        ],
        unit="celsius",
        decimals=1,
        step="1m",
        names=("Outside",),
    ),
    series(
        "Electricity and heat",
        "Power drawn and heat given. While it defrosts, heat flows backwards.",
        [temperature("active_power", "electricity"), temperature("heat_power", "heat")],
        unit=WATT,
        step="1m",
    ),
    series(
        "Compressor",
        "How fast the compressor turns, and what it should.",
        [
            temperature("compressor_frequency", "is"),
            temperature("compressor_frequency_target", "wanted"),
        ],
        unit="hertz",
        step="1m",
        empty="the heat pump does not tell",
    ),
]
DAYS_OF_IT = [
    heading("Days"),
    drill_down(
        bars(
            "Electricity per day",
            "For heating and for hot water.",
            [
                summed(
                    {"Heating": "active_energy_heating", "Hot water": "active_energy_hot_water"},
                    "energy",
                    bucket=DAYS,
                )
            ],
            unit=KWH,
            decimals=1,
            over="now-61d/d",
            names=("Heating", "Hot water"),
            empty=NO_ROLLUPS,
        ),
        "energy-heat-pump",
    ),
    bars(
        "Performance per day",
        "Heat of the day by its electricity: a sum by a sum, no mean of ratios.",
        [daily("daily_performance")],
        unit="none",
        decimals=1,
        over="now-61d/d",
        empty=NO_DERIVATION,
    ),
    bars(
        "Starts and mean run per day",
        "Few long runs are good. Starts as bars, the length of the runs as a line.",
        [daily("daily_starts", "starts"), daily("daily_mean_run", "mean run")],
        unit="none",
        decimals=0,
        over="now-61d/d",
        empty=NO_DERIVATION,
    ),
    bars(
        "Electricity per degree day",
        "What compares a cold week with a mild one: electricity for heating, by how cold it was.",
        [daily("daily_energy_per_degree_day")],
        unit="watth",
        decimals=0,
        over="now-61d/d",
        empty=NO_DERIVATION,
    ),
]
DAYS_OF_IT[3]["fieldConfig"]["overrides"].append(on_the_right("mean run", "s"))

HEAT_PUMP = board(
    "energy-heat-pump",
    "Heat pump",
    "What the heat pump does and gives for its electricity.",
    [*NOW, *RUNS, *DAYS_OF_IT],
    variables=(devices(PUMP, "Heat pump"),),
    since="now-24h",
)
