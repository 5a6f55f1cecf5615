"""What is asked of InfluxDB, in InfluxQL, with Grafana's variables in it.

Minutes, hours and days come from the buckets of the derivation ``rollup``; energies from counters
that never fall (``energy``, ``flows_energy``), never from what a meter says itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Query = dict[str, Any]

RAW, MINUTES, HOURS, DAYS = "influxdb", "influxdb-1m", "influxdb-1h", "influxdb-1d"
ENDS = {RAW: "", MINUTES: "_1m", HOURS: "_1h", DAYS: "_1d"}
METERS = "device =~ /^$device$/"
LOCAL_DAYS = "time(1d)"
LOCAL_WEEKS = "time(1w, 4d)"  # InfluxDB's weeks begin on a Thursday, as 1970 did
ZONE = "tz('${__timezone}')"


def source(bucket: str) -> dict[str, str]:
    return {"type": "influxdb", "uid": bucket}


def ask(query: str, alias: str = "$tag_device", bucket: str = RAW, *, table: bool = False) -> Query:
    """Return one query of a panel; *alias* is the name of each curve."""
    made = {"datasource": source(bucket), "rawQuery": True, "query": query}
    if table:
        return made | {"resultFormat": "table"}
    return made | {"resultFormat": "time_series", "alias": alias}


def curve(
    quantity: str, kind: str, alias: str = "$tag_device", *, where: str = "", bucket: str = MINUTES
) -> Query:
    """Return the mean of a gauge over the chosen time, one curve per device."""
    field = quantity if bucket == RAW else f"{quantity}_mean"
    return ask(
        f"SELECT mean({field}) FROM {kinds(kind, bucket)} WHERE {with_time(where)} "
        "GROUP BY time($__interval), device fill(null)",
        alias,
        bucket,
    )


def states(quantity: str, kind: str, alias: str = "$tag_device", *, where: str = "") -> Query:
    """Return the last state in each step, for a band of colours."""
    return ask(
        f"SELECT last({quantity}_last) FROM {kinds(kind, MINUTES)} WHERE {with_time(where)} "
        "GROUP BY time($__interval), device fill(none)",
        alias,
        MINUTES,
    )


def lamps(quantity: str, kind: str) -> Query:
    """Return the same of a kind that is not rolled up."""
    return ask(
        f"SELECT last({quantity}) FROM {kind} WHERE $timeFilter "
        "GROUP BY time($__interval), device fill(none)"
    )


def newest(quantity: str, kind: str, alias: str = "$tag_device", *, where: str = "") -> Query:
    """Return the last value in the time of the panel, one per device."""
    return ask(
        f"SELECT last({quantity}) FROM {kind} WHERE {with_time(where)} GROUP BY device", alias
    )


def rose(columns: Mapping[str, str], kind: str, *, scale: str = " / 1000") -> Query:
    """Return how much counters rose in the time of the panel: title → counter, in kWh.

    InfluxDB finds the first and the last point of a series without reading those between.
    """
    fields = ", ".join(
        f'(last({name}) - first({name})){scale} AS "{title}"' for title, name in columns.items()
    )
    return ask(f"SELECT {fields} FROM {kind} WHERE $timeFilter", "$col")


def summed(
    columns: Mapping[str, str],
    kind: str,
    *,
    by: str = LOCAL_DAYS,
    bucket: str = HOURS,
    where: str = "",
) -> Query:
    """Return how much counters rose in each day or week: title → counter, in kWh."""
    fields = ", ".join(f'sum({name}_used) / 1000 AS "{title}"' for title, name in columns.items())
    return ask(
        f"SELECT {fields} FROM {kinds(kind, bucket)} WHERE {with_time(where)} "
        f"GROUP BY {by} fill(none) {ZONE}",
        "$col",
        bucket,
    )


def summed_by_device(
    counter: str, kind: str, *, by: str = LOCAL_DAYS, bucket: str = HOURS, where: str = ""
) -> Query:
    """Return how much one counter of each device rose in each day, in kWh."""
    return ask(
        f"SELECT sum({counter}_used) / 1000 FROM {kinds(kind, bucket)} WHERE {with_time(where)} "
        f"GROUP BY {by}, device fill(none) {ZONE}",
        "$tag_device",
        bucket,
    )


def drawn_by_day(where: str = METERS) -> Query:
    """Return what each meter counted as drawn in each day, in kWh.

    A meter with one counter has ``active_energy``, which elsewhere adds import and export up: it
    counts only where no import does, for 0 / 0 is 0 to InfluxDB.
    """
    imported, total = "active_energy_import_used", "active_energy_used"
    return ask(
        f"SELECT (i + t * (1 - n / n)) / 1000 FROM (SELECT sum({imported}) AS i, "
        f"sum({total}) AS t, count({imported}) AS n FROM energy_1h WHERE {with_time(where)} "
        f"GROUP BY {LOCAL_DAYS}, device fill(0) {ZONE}) GROUP BY device",
        "$tag_device",
        HOURS,
    )


def kinds(kind: str, bucket: str) -> str:
    """Return the measurements of a kind, or of several with commas between them."""
    return ", ".join(f"{each.strip()}{ENDS[bucket]}" for each in kind.split(","))


def with_time(where: str) -> str:
    return f"{where} AND $timeFilter" if where else "$timeFilter"


def lettered(queries: Sequence[Query]) -> list[Query]:
    """Return *queries* with the letters by which Grafana knows them."""
    return [{"refId": chr(ord("A") + at), **each} for at, each in enumerate(queries)]
