"""Long term: weeks and days of energy over months and years, against the temperature outside."""

from collector.dashboards.board import board, drill_down, to_a_time
from collector.dashboards.home import NO_ROLLUPS, ORIGINS
from collector.dashboards.panels import (
    KWH,
    bars,
    on_the_right,
    panel,
    series,
    stat,
)
from collector.dashboards.queries import DAYS, LOCAL_WEEKS, ZONE, Query, ask, summed

OUTSIDE = "outside_temperature_mean"
WEATHER = "heatpump_1d, climate_1d"
TIERS = {
    "Up to 10 kWh": "house_energy_used < 10000",
    "10 to 20 kWh": "house_energy_used >= 10000 AND house_energy_used < 20000",
    "Above 20 kWh": "house_energy_used >= 20000",
}
OUT = {"House": "house_energy"}


def outside(by: str = "time(1d)") -> Query:
    """Return the mean temperature outside, of heat pump or weather service."""
    return ask(
        f"SELECT mean({OUTSIDE}) FROM {WEATHER} WHERE $timeFilter GROUP BY {by} fill(none) {ZONE}",
        "Outside",
        DAYS,
    )


WEEKS = bars(
    "Energy per week and temperature outside",
    "The house's energy from Monday to Sunday, by origin, and the mean temperature outside. The "
    "first and the last week are cut.",
    [summed(ORIGINS, "flows_energy", by=LOCAL_WEEKS, bucket=DAYS), outside(LOCAL_WEEKS)],
    unit=KWH,
    decimals=0,
    width=24,
    height=9,
    names=(*ORIGINS, "Outside"),
    empty=NO_ROLLUPS,
)
WEEKS["fieldConfig"]["overrides"].append(on_the_right("Outside", "celsius"))

TIER_DAYS = drill_down(
    bars(
        "Energy per day by its tier",
        "What the house drew from midnight to midnight. A click shows the day.",
        [
            ask(
                "SELECT house_energy_used / 1000 FROM flows_energy_1d "
                f"WHERE {each} AND $timeFilter",
                name,
                DAYS,
            )
            for name, each in TIERS.items()
        ],
        unit=KWH,
        decimals=1,
        width=24,
        height=9,
        names=tuple(TIERS),
        empty=NO_ROLLUPS,
    )
)
TEMPERATURE_DAYS = series(
    "Energy per day and temperature outside",
    "How the house follows the weather.",
    [summed(OUT, "flows_energy", bucket=DAYS), outside()],
    unit=KWH,
    decimals=1,
    names=("House", "Outside"),
    custom={"spanNulls": False},
    empty=NO_ROLLUPS,
)
TEMPERATURE_DAYS["fieldConfig"]["overrides"].append(on_the_right("Outside", "celsius"))

BY_TEMPERATURE = panel(
    "xychart",
    "Energy of a day by its temperature",
    "Each point is a day. Above some temperature nothing is heated: there the cloud is flat.",
    [outside(), summed(OUT, "flows_energy", bucket=DAYS)],
    unit=KWH,
    decimals=1,
    empty=NO_ROLLUPS,
    more={
        "transformations": [{"id": "joinByField", "options": {"byField": "Time", "mode": "inner"}}]
    },
    options={
        "mapping": "auto",  # the first is across, the other upwards
        "series": [],
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none", "hideZeros": False},
    },
    custom={
        "show": "points",
        "pointSize": {"fixed": 6},
        "pointShape": "circle",
        "pointStrokeWidth": 1,
        "fillOpacity": 50,
    },
    names=("House",),
)
BY_TEMPERATURE["fieldConfig"]["overrides"].append(
    {
        "matcher": {"id": "byName", "options": "Outside"},
        "properties": [{"id": "unit", "value": "celsius"}],
    }
)

PER_DAY = stat(
    "A day of this time",
    "Mean, least and most energy of the house in a day.",
    [
        ask(
            'SELECT mean(house_energy_used) / 1000 AS "Mean", min(house_energy_used) / 1000 AS '
            '"Least", max(house_energy_used) / 1000 AS "Most" FROM flows_energy_1d '
            "WHERE $timeFilter",
            "$col",
            DAYS,
        )
    ],
    unit=KWH,
    decimals=1,
    width=12,
    empty=NO_ROLLUPS,
)
IN_ALL = stat(
    "In all",
    "Whole days of this time, summed.",
    [
        ask(
            "SELECT "
            + ", ".join(
                f'sum({counter}_used) / 1000 AS "{title}"'
                for title, counter in {
                    **OUT,
                    **ORIGINS,
                    "Fed into the grid": "grid_export_energy",
                }.items()
            )
            + " FROM flows_energy_1d WHERE $timeFilter",
            "$col",
            DAYS,
        )
    ],
    unit=KWH,
    decimals=0,
    width=12,
    size={"titleSize": 12, "valueSize": 22},
    names=(*OUT, *ORIGINS, "Fed into the grid"),
    empty=NO_ROLLUPS,
)

LONG_TERM = board(
    "energy-long-term",
    "Long term",
    "Energy of weeks and days over months and years, beside the temperature outside.",
    [PER_DAY, IN_ALL, WEEKS, TIER_DAYS, TEMPERATURE_DAYS, BY_TEMPERATURE],
    since="now-6M/w",
    refresh="15m",
    links=(
        to_a_time("Half a year", "energy-long-term", "now-6M/w"),
        to_a_time("Two years", "energy-long-term", "now-24M/w"),
    ),
)
