"""Cost: today, the month, each day, and the prices that hold."""

from collector.dashboards.board import board, drill_down
from collector.dashboards.panels import (
    Panel,
    bars,
    series,
    stat,
)
from collector.dashboards.queries import ZONE, Query, ask, newest
from collector.dashboards.solar_and_battery import AUTARKY, SELF_USE

NO_CONTRACT = "write tariffs.yaml: docs/tariffs.md"


def of_days(quantity: str) -> Query:
    """Return the last cost of each day, which is all of it."""
    return ask(
        f"SELECT last({quantity}) FROM cost WHERE $timeFilter GROUP BY time(1d), device fill(none) "
        f"{ZONE}"
    )


def price(quantity: str, name: str) -> Query:
    return ask(
        f"SELECT mean({quantity}) FROM cost WHERE $timeFilter "
        "GROUP BY time($__interval) fill(none)",
        name,
    )


def tile(
    title: str, say: str, query: Query, *, over: str, shift: str = "", width: int = 4
) -> Panel:
    return stat(
        title,
        say,
        [query],
        unit="none",
        decimals=2,
        width=width,
        over=over,
        shift=shift,
        text="value",
        empty=NO_CONTRACT,
        size={"valueSize": 34},
    )


TODAY = newest("cost_today", "cost")
MONTH = newest("cost_month", "cost")
STEPS = {"lineInterpolation": "stepAfter", "spanNulls": 3_600_000}

COST = board(
    "energy-cost",
    "Cost",
    "What electricity costs, in the currency of the contract. The bill: energy-monitor bill.",
    [
        tile("Today", "Since midnight, with its share of standing charges.", TODAY, over="now/d"),
        tile(
            "Yesterday by now",
            "The same hours of the day before.",
            TODAY,
            over="now/d",
            shift="1d",
        ),
        tile("This month", "Since the billing day.", MONTH, over="now/d"),
        tile(
            "A month ago", "The month before until the same day.", MONTH, over="now/d", shift="1M"
        ),
        stat(
            "Prices now",
            "One more kWh from the grid, with charges and VAT; and what one fed in brings.",
            [
                newest("import_price", "cost", "Import"),
                newest("export_price", "cost", "Export"),
            ],
            unit="none",
            decimals=4,
            width=4,
            names=("Import", "Export"),
            size={"titleSize": 12, "valueSize": 22},
            over="1h",
            empty=NO_CONTRACT,
        ),
        stat(
            "Own energy",
            "This month. Self-use: part of the sun's energy that was not exported. Autarky: part "
            "of the house's energy that was not drawn from the grid.",
            [ask(SELF_USE, "Self-use"), ask(AUTARKY, "Autarky")],
            unit="percent",
            decimals=0,
            width=4,
            over="now/M",
            empty="no flows",
            size={"titleSize": 12, "valueSize": 22},
        ),
        drill_down(
            bars(
                "Cost per day",
                "Each day as it ended; the last bar is today so far. A click shows the day.",
                [of_days("cost_today")],
                unit="none",
                decimals=2,
                over="now-30d/d",
                width=24,
                stacked=False,
                empty=NO_CONTRACT,
            )
        ),
        series(
            "Cost of the month",
            "How the month's cost grows: a straight line to its end is the forecast.",
            [
                ask(
                    "SELECT last(cost_month) FROM cost WHERE $timeFilter GROUP BY "
                    f"time(6h), device fill(none) {ZONE}"
                )
            ],
            unit="none",
            decimals=2,
            over="now/M",
            custom={"spanNulls": True, "fillOpacity": 20},
            empty=NO_CONTRACT,
        ),
        series(
            "Prices",
            "Price of one more kWh from the grid, and of one fed in.",
            [price("import_price", "Import"), price("export_price", "Export")],
            unit="none",
            decimals=3,
            step="15m",
            names=("Import", "Export"),
            custom=STEPS,
            empty=NO_CONTRACT,
        ),
    ],
    since="now-24h",
    refresh="5m",
)
