"""The panels, in one style: figures, gauges, bars, curves, bands of states, tables.

Colours mean the same everywhere. What has a meaning of its own has a fixed one; a device has one
that Grafana makes of its name, so it is the same in every panel of every dashboard.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from collector.dashboards.queries import Query, lettered

Panel = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]

GRID, EXPORT, SUN, BATTERY, HOUSE, REST = (
    *("#5794F2", "#56A64B", "#F2CC0C", "#B877D9"),
    *("#8AB8FF", "#8E8E8E"),
)
COLD, HEAT, HOT_WATER, DEFROST, WARN, BAD, GOOD = (
    *("#5794F2", "#FF9830", "#E0B400"),
    *("#8AB8FF", "#FF9830", "#E02F44", "#56A64B"),
)
# By the name of a curve or bar: its colour.
COLOURS = {
    "House": HOUSE,
    "From the grid": GRID,
    "From the sun": SUN,
    "From the battery": BATTERY,
    "Fed into the grid": EXPORT,
    "Sun": SUN,
    "Used here": SUN,
    "Into the battery": BATTERY,
    "Rest": REST,
    "Outside": COLD,
    "Heating": HEAT,
    "Hot water": HOT_WATER,
    "Limit": BAD,
    "Import": GRID,
    "Export": EXPORT,
    "Up to 10 kWh": GOOD,
    "10 to 20 kWh": SUN,
    "Above 20 kWh": BAD,
}
DOWN = frozenset({"Fed into the grid", "Into the battery"})  # drawn below the line
BAND = {"mode": "off"}
HIDE = {"legend": False, "tooltip": False, "viz": False}
REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}
PLUGIN_VERSION = "12.4.0"  # without one, Grafana changes options as if they were ancient
NOTHING = "nothing measured in this time"
# Of one size everywhere: Grafana's own units go from Wh to kWh to MWh, side by side.
WATT, KWH = "suffix:W", "suffix:kWh"


def panel(
    kind: str,
    title: str,
    say: str,
    queries: Sequence[Query],
    *,
    unit: str,
    width: int = 12,
    height: int = 8,
    decimals: int | None = None,
    over: str = "",
    shift: str = "",
    empty: str = NOTHING,
    steps: Steps = (),
    names: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    custom: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    step: str = "",
) -> Panel:
    """Return a panel; *over* is a time of its own, *names* are those with a fixed colour."""
    field: dict[str, Any] = {
        "unit": unit,
        "noValue": empty,
        "color": {"mode": "thresholds" if steps else "palette-classic-by-name"},
        "custom": dict(custom or {}),
        **(defaults or {}),
    }
    if decimals is not None:
        field["decimals"] = decimals
    if steps:
        field["thresholds"] = absolute(steps)
    made: Panel = {
        "type": kind,
        "pluginVersion": PLUGIN_VERSION,
        "title": title,
        "description": say,
        "datasource": queries[0]["datasource"] if queries else None,
        "targets": lettered(queries),
        "options": dict(options or {}),
        "fieldConfig": {"defaults": field, "overrides": [named(each) for each in names]},
        "gridPos": {"w": width, "h": height},
        **(more or {}),
    }
    if len({each["datasource"]["uid"] for each in queries}) > 1:
        made["datasource"] = {"type": "datasource", "uid": "-- Mixed --"}
    if over:
        made |= {"timeFrom": over, "hideTimeOverride": True}
    if shift:
        made["timeShift"] = shift
    if step:
        made["interval"] = step
    return made


def absolute(steps: Steps) -> dict[str, Any]:
    """Return thresholds: from each value on its colour."""
    return {
        "mode": "absolute",
        "steps": [{"color": colour, "value": value} for value, colour in steps],
    }


def named(name: str) -> dict[str, Any]:
    """Return the colour of what is called *name*, and below the line what goes out."""
    properties: list[dict[str, Any]] = [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": COLOURS[name]}}
    ]
    if name in DOWN:
        properties.append({"id": "custom.transform", "value": "negative-Y"})
    if name == "Limit":
        properties.append({"id": "custom.hideFrom", "value": {**HIDE, "legend": True}})
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def on_the_right(name: str, unit: str, label: str = "") -> dict[str, Any]:
    """Return that what is called *name* is a line with an axis of its own."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [
            {"id": "unit", "value": unit},
            {"id": "custom.axisPlacement", "value": "right"},
            {"id": "custom.axisLabel", "value": label},
            {"id": "custom.drawStyle", "value": "line"},
            {"id": "custom.lineWidth", "value": 2},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "custom.stacking", "value": {"mode": "none"}},
        ],
    }


def stat(title: str, say: str, queries: Sequence[Query], **more: Any) -> Panel:
    """Return figures side by side, all of one size."""
    options = {
        "colorMode": "value",
        "graphMode": more.pop("graph", "none"),
        "justifyMode": "center",
        "textMode": more.pop("text", "value_and_name"),
        "orientation": more.pop("orientation", "auto"),
        "text": more.pop("size", {"titleSize": 13, "valueSize": 28}),
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "reduceOptions": REDUCE,
    }
    return panel("stat", title, say, queries, options=options, **{"height": 5, **more})


def legend(place: str = "bottom", *calcs: str) -> dict[str, Any]:
    mode = "table" if calcs else "list"
    return {"displayMode": mode, "placement": place, "showLegend": True, "calcs": list(calcs)}


def series(title: str, say: str, queries: Sequence[Query], **more: Any) -> Panel:
    """Return curves over time; *stacked* ones stand upon one another."""
    stacked = more.pop("stacked", False)
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 45 if stacked else 0,
        "gradientMode": "none",
        "showPoints": "never",
        "spanNulls": 300_000,
        "axisPlacement": "auto",
        "axisBorderShow": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": BAND,
        "hideFrom": HIDE,
        **more.pop("custom", {}),
    }
    options = {
        "legend": more.pop("legend", legend()),
        "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": False},
    }
    return panel("timeseries", title, say, queries, options=options, custom=custom, **more)


def bars(title: str, say: str, queries: Sequence[Query], **more: Any) -> Panel:
    """Return bars over time, stacked; a time series, so that they keep their true place."""
    custom = {
        "drawStyle": "bars",
        "axisSoftMin": 0,
        "barAlignment": 1,  # a bar begins where its day does
        "barWidthFactor": 0.85,
        "lineWidth": 0,
        "fillOpacity": 85,
        **more.pop("custom", {}),
    }
    stacked = more.pop("stacked", True)
    return series(title, say, queries, stacked=stacked, custom=custom, **more)


def groups(title: str, say: str, queries: Sequence[Query], **more: Any) -> Panel:
    """Return bars that stand beside one another, or one bar coloured by its own height."""
    custom = {
        "lineWidth": 0,
        "fillOpacity": 85,
        "gradientMode": "none",
        "axisSoftMin": 0,
        "axisBorderShow": False,
        "hideFrom": HIDE,
        "thresholdsStyle": BAND,
    }
    options = {
        "orientation": "auto",
        "xField": "Time",
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 100,
        "showValue": "never",
        "stacking": "none",
        "groupWidth": 0.8,
        "barWidth": 0.95,
        "barRadius": 0,
        "fullHighlight": False,
        "legend": more.pop("legend", legend()),
        "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": False},
    }
    joined = {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}
    made = panel("barchart", title, say, queries, options=options, custom=custom, **more)
    made["transformations"] = [joined]
    made["fieldConfig"]["overrides"].append(
        {
            "matcher": {"id": "byName", "options": "Time"},
            # Labels for which there is no room are empty values to Grafana.
            "properties": [
                {"id": "unit", "value": "time:D MMM"},
                {"id": "noValue", "value": " "},
            ],
        }
    )
    return made


def band(
    title: str,
    say: str,
    queries: Sequence[Query],
    values: Mapping[int, tuple[str, str]],
    **more: Any,
) -> Panel:
    """Return states over time; *values* has the text and colour of each."""
    custom = {"fillOpacity": 80, "lineWidth": 0, "spanNulls": 3_600_000, "hideFrom": HIDE}
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": legend(),
        "tooltip": {"mode": "single", "sort": "none", "hideZeros": False},
    }
    return panel(
        "state-timeline",
        title,
        say,
        queries,
        unit="none",
        options=options,
        custom=custom,
        defaults={"mappings": mappings(values)},
        **more,
    )


def mappings(values: Mapping[int, tuple[str, str]]) -> list[dict[str, Any]]:
    shown = {
        str(value): {"text": text, "color": colour, "index": at}
        for at, (value, (text, colour)) in enumerate(values.items())
    }
    return [{"type": "value", "options": shown}]


def levels(title: str, say: str, queries: Sequence[Query], **more: Any) -> Panel:
    """Return one horizontal bar per device, with its value."""
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": REDUCE,
        "valueMode": "text",
        "namePlacement": "left",
        "showUnfilled": True,
        "sizing": "manual",
        "minVizHeight": 12,
        "maxVizHeight": 26,
        "minVizWidth": 8,
        "text": {"titleSize": 13, "valueSize": 16},
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
    }
    return panel("bargauge", title, say, queries, options=options, **more)


def heading(title: str) -> Panel:
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"w": 24, "h": 1},
    }
