"""A dashboard: where its panels stand, its variables, its links to the others."""

from collections.abc import Sequence
from typing import Any

from collector.dashboards.panels import Panel
from collector.dashboards.queries import MINUTES, RAW, source

SCHEMA_VERSION = 42
WIDTH = 24
DAYS_OF_A_LINK_MS = 172_800_000


def board(
    uid: str,
    title: str,
    say: str,
    panels: Sequence[Panel],
    *,
    variables: Sequence[dict[str, Any]] = (),
    since: str = "now-6h",
    refresh: str = "1m",
    links: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "uid": uid,
        "id": None,
        "title": title,
        "description": say,
        "tags": ["energy-monitor"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "liveNow": False,
        "weekStart": "monday",
        "timezone": "",
        "fiscalYearStartMonth": 0,
        "refresh": refresh,
        "time": {"from": since, "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m"]},
        "annotations": {"list": []},
        "templating": {"list": list(variables)},
        "links": [*links, to_the_others()],
        "panels": placed(panels),
    }


def placed(panels: Sequence[Panel]) -> list[Panel]:
    """Return *panels* from left to right; a row is as high as its first panel."""
    found, x, y, high = [], 0, 0, 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, high = 0, y + high, 0
        high = high or place["h"]
        found.append({"id": number, **each, "gridPos": {**place, "h": high, "x": x, "y": y}})
        x += place["w"]
    return found


def to_the_others() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "Dashboards",
        "tags": ["energy-monitor"],
        "asDropdown": True,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def to_a_time(title: str, uid: str, since: str) -> dict[str, Any]:
    """Return a link to a dashboard with another time."""
    return {
        "type": "link",
        "title": title,
        "url": f"/d/{uid}?from={since}&to=now",
        "icon": "clock-nine",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": False,
        "tooltip": "",
    }


def drill_down(panel: Panel, uid: str = "energy-home") -> Panel:
    """Let a click on a bar show what happened around the beginning of its day."""
    link = {
        "title": "This day and the one before",
        "url": f"/d/{uid}?time=${{__value.time}}&time.window={DAYS_OF_A_LINK_MS}",
        "targetBlank": False,
    }
    panel["fieldConfig"]["defaults"]["links"] = [link]
    return panel


def devices(kind: str, label: str, name: str = "device", *, bucket: str = RAW) -> dict[str, Any]:
    """Return the variable that chooses devices of a kind."""
    query = f"SHOW TAG VALUES FROM {kind} WITH KEY = device"
    return found(name, label, query, bucket) | {
        "multi": True,
        "includeAll": True,
        "allValue": "",  # all of these, and none of another kind
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def nominal(name: str, query: str) -> dict[str, Any]:
    """Return a hidden variable whose value is found in the readings."""
    return found(name, name, query, MINUTES) | {"hide": 2}


def found(name: str, label: str, query: str, bucket: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": source(bucket),
        "query": {"query": query, "refId": name},
        "definition": query,
        "regex": "",
        "refresh": 1,
        "sort": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "skipUrlSync": False,
        "options": [],
        "current": {},
    }


def choice(name: str, label: str, values: dict[str, str]) -> dict[str, Any]:
    """Return a variable with values to choose from, text → value; the first is chosen."""
    first, *_ = values.items()
    options = [
        {"text": text, "value": value, "selected": (text, value) == first}
        for text, value in values.items()
    ]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ", ".join(f"{text} : {value}" for text, value in values.items()),
        "options": options,
        "current": options[0],
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
    }
