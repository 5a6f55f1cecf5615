"""Home: what the house draws now, what it used, and what each meter shows."""

from typing import Any

from collector.dashboards.board import board, choice, devices, drill_down, nominal, to_a_time
from collector.dashboards.panels import (
    BAD,
    GOOD,
    KWH,
    WARN,
    WATT,
    bars,
    groups,
    heading,
    levels,
    series,
    stat,
)
from collector.dashboards.queries import (
    METERS,
    MINUTES,
    Query,
    ask,
    curve,
    drawn_by_day,
    newest,
    rose,
    summed,
    summed_by_device,
)

ORIGINS = {
    "From the grid": "house_grid_energy",
    "From the sun": "house_solar_energy",
    "From the battery": "house_battery_energy",
}
TOTALS = {"House": "house_energy", **ORIGINS, "Fed into the grid": "grid_export_energy"}
NO_ROLES = "say what each meter is: docs/flows.md"
NO_ROLLUPS = "no hours yet: sudo energy-monitor setup influxdb --rollups"
# Both are what InfluxDB finds newest, so a house in America needs no setting.
VOLTS = "SELECT floor(v / 180) * 110 + 120 FROM {}".format(
    ", ".join(
        f"(SELECT last({name}_mean) AS v FROM electricity_1m)" for name in ("voltage", "voltage_l1")
    )
)
HERTZ = "SELECT round(f / 10) * 10 FROM (SELECT last(frequency_mean) AS f FROM electricity_1m)"
CONTRACTS = {"3.3 kW": "3300", "4.95 kW": "4950", "6.6 kW": "6600", "11 kW": "11000"}
CONTRACTS |= {"17 kW": "17000", "24 kW": "24000", "44 kW": "44000"}
PHASES = ("_l1", "_l2", "_l3")


def power_of(quantity: str, name: str) -> Query:
    return ask(f"SELECT mean({quantity}) FROM flows WHERE $timeFilter GROUP BY time(15s)", name)


def last_power(quantity: str, name: str) -> Query:
    return newest(quantity, "flows", name)


def of_the_house(quantity: str, name: str) -> Query:
    return curve(quantity, "flows", name, where=f"{quantity}_mean >= 0")


def energies(title: str, say: str, over: str, shift: str = "") -> Any:
    return stat(
        title,
        say,
        [rose(TOTALS, "flows_energy")],
        unit=KWH,
        decimals=1,
        width=6,
        over=over,
        shift=shift,
        names=tuple(TOTALS),
        empty=NO_ROLES,
        orientation="horizontal",
        height=6,
        size={"titleSize": 14, "valueSize": 18},
    )


NOW = [
    stat(
        "The house draws",
        "What the whole house uses at this moment, wherever it comes from.",
        [power_of("house_power", "House")],
        unit=WATT,
        width=6,
        decimals=0,
        over="10m",
        graph="area",
        text="value",
        names=("House",),
        empty=NO_ROLES,
        size={"valueSize": 46},
    ),
    stat(
        "It comes from",
        "The three add up to what the house draws.",
        [
            last_power("house_grid_power", "From the grid"),
            last_power("house_solar_power", "From the sun"),
            last_power("house_battery_power", "From the battery"),
        ],
        unit=WATT,
        width=7,
        decimals=0,
        over="5m",
        names=tuple(ORIGINS),
        orientation="horizontal",
        size={"titleSize": 14, "valueSize": 22},
        empty="silent for 5 min",
    ),
    stat(
        "Beside it",
        "What all panels give, and what goes from the house into the grid and into the battery.",
        [
            last_power("solar_power", "Sun"),
            last_power("grid_export_power", "Fed into the grid"),
            last_power("battery_charge_power", "Into the battery"),
        ],
        unit=WATT,
        width=7,
        decimals=0,
        over="5m",
        names=("Sun", "Fed into the grid", "Into the battery"),
        orientation="horizontal",
        size={"titleSize": 14, "valueSize": 22},
        empty="silent for 5 min",
    ),
    levels(
        "Contract",
        "What is drawn from the grid, in part of what the contract allows. Choose yours above: "
        "beyond it the supply may trip.",
        [
            ask(
                "SELECT last(grid_import_power) / $contract * 100 FROM flows WHERE $timeFilter",
                "used",
            )
        ],
        unit="percent",
        width=4,
        height=5,
        decimals=0,
        over="5m",
        steps=((None, GOOD), (80, WARN), (95, BAD)),
        defaults={"min": 0, "max": 100},
        empty="silent",
    ),
]
ENERGIES = [
    energies("Today", "Since midnight, to the last full quarter of an hour.", "now/d"),
    energies(
        "Yesterday by now",
        "The same hours of the day before, to compare with.",
        "now/d",
        "1d",
    ),
    energies("This week", "Since Monday.", "now/w"),
    energies("This month", "Since the first.", "now/M"),
]
CURVES = [
    series(
        "What uses the power",
        "The parts of the house and the rest stand upon one another: together they are the house.",
        [
            curve("part_power", "flows", where="part_power_mean >= 0"),
            of_the_house("rest_power", "Rest"),
        ],
        unit=WATT,
        stacked=True,
        names=("Rest",),
        step="1m",
        empty=NO_ROLES,
    ),
    series(
        "Where it comes from",
        "Above the line the power of the house by its origin, below it what is fed into the grid.",
        [
            of_the_house("house_grid_power", "From the grid"),
            of_the_house("house_solar_power", "From the sun"),
            of_the_house("house_battery_power", "From the battery"),
            of_the_house("grid_export_power", "Fed into the grid"),
        ],
        unit=WATT,
        stacked=True,
        names=(*ORIGINS, "Fed into the grid"),
        step="1m",
        empty=NO_ROLES,
    ),
]
DAYS = [
    drill_down(
        bars(
            "Energy of the house per day",
            "Each day from midnight to midnight by its origin; below the line what was fed into "
            "the grid. Today's bar grows at each full hour. A click shows the day.",
            [summed({**ORIGINS, "Fed into the grid": "grid_export_energy"}, "flows_energy")],
            unit=KWH,
            decimals=1,
            over="now-30d/d",
            names=(*ORIGINS, "Fed into the grid"),
            empty=NO_ROLLUPS,
        )
    ),
    drill_down(
        bars(
            "What used it",
            "The same days by part; with the rest they add up to the house. A click shows the day.",
            [
                summed_by_device("part_energy", "flows_energy", where="part_energy_used >= 0"),
                summed({"Rest": "rest_energy"}, "flows_energy"),
            ],
            unit=KWH,
            decimals=1,
            over="now-13d/d",
            names=("Rest",),
            empty=NO_ROLLUPS,
        )
    ),
]


def phases(quantity: str) -> list[Query]:
    plain = curve(quantity, "electricity", where=METERS)
    return [
        plain,
        *(
            curve(
                f"{quantity}{each}", "electricity", f"$tag_device {each[1:].upper()}", where=METERS
            )
            for each in PHASES
        ),
    ]


def limits(*formulas: str) -> list[Query]:
    """Return lines of what a meter should keep between."""
    return [
        ask(
            f"SELECT mean(frequency_mean) * 0 + {each} FROM electricity_1m WHERE $timeFilter "
            "GROUP BY time($__interval) fill(null)",
            "Limit",
            MINUTES,
        )
        for each in formulas
    ]


METER_PANELS = [
    heading("Meters"),
    series(
        "Power of each meter",
        "What each meter shows, one beside the other: some measure a part of what others do. Below "
        "zero it is fed in.",
        [curve("active_power", "electricity", where=METERS)],
        unit=WATT,
        step="1m",
        legend={"displayMode": "table", "placement": "right", "showLegend": True, "calcs": ["max"]},
    ),
    drill_down(
        groups(
            "Drawn through each meter per day",
            "What each meter counted, one bar beside the other. A gap of reading belongs to the "
            "hour that holds all of it.",
            [drawn_by_day()],
            unit=KWH,
            decimals=1,
            over="now-13d/d",
            empty=NO_ROLLUPS,
        )
    ),
    series(
        "Voltage",
        "The red lines are a tenth above and below the nominal voltage of this grid.",
        [*phases("voltage"), *limits("$volts * 0.9", "$volts * 1.1")],
        unit="volt",
        decimals=1,
        step="1m",
        names=("Limit",),
    ),
    series("Current", "Current of each meter, by phase.", phases("current"), unit="amp", step="1m"),
    series(
        "Frequency",
        "The red lines are 0.2 Hz above and below the nominal frequency of this grid.",
        [
            curve("frequency", "electricity", where=METERS),
            *limits("$hertz - 0.2", "$hertz + 0.2"),
        ],
        unit="hertz",
        decimals=2,
        step="1m",
        names=("Limit",),
    ),
    series(
        "Power factor",
        "1 is a heater; motors and electronics are lower.",
        phases("power_factor"),
        unit="none",
        decimals=2,
        step="1m",
    ),
]

HOME = board(
    "energy-home",
    "Home",
    "What the house draws, where it comes from and where it goes.",
    [*NOW, *ENERGIES, *CURVES, *DAYS, *METER_PANELS],
    variables=(
        choice("contract", "Contract", CONTRACTS),
        devices("electricity", "Meters"),
        nominal("volts", VOLTS),
        nominal("hertz", HERTZ),
    ),
    links=(
        to_a_time("Half a year", "energy-long-term", "now-6M/w"),
        to_a_time("Two years", "energy-long-term", "now-24M/w"),
    ),
)
