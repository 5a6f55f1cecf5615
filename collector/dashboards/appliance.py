"""Appliance: whether everything is measured, delivered and kept, and how the computer does."""

from collector.dashboards.board import board
from collector.dashboards.panels import (
    BAD,
    GOOD,
    WARN,
    absolute,
    heading,
    levels,
    series,
    stat,
)
from collector.dashboards.queries import Query, ask, curve, newest

SINCE = "this time"
SILENCE = ((None, GOOD), (60, WARN), (120, BAD))
BACKLOG = ((None, GOOD), (600, WARN), (3600, BAD))
BACKUPS = ((None, GOOD), (93_600, WARN), (129_600, BAD))
TRIALS = ((None, GOOD), (777_600, WARN), (1_382_400, BAD))
HOURS_OF_COLLECTOR = "1h"


def counted(counter: str) -> Query:
    return ask(
        f"SELECT last({counter}) - first({counter}) FROM collector WHERE $timeFilter "
        "GROUP BY device"
    )


BACKUP_AGES = stat(
    "Backups",
    "Age of the last good backup, of the last upload, of the last trial restoration.",
    [
        newest("backup_age", "backup", "backup"),
        newest("upload_age", "backup", "upload"),
        newest("rehearsal_age", "backup", "trial"),
    ],
    unit="s",
    width=6,
    over="10m",
    steps=BACKUPS,
    empty="none yet",
    orientation="horizontal",
    size={"titleSize": 14, "valueSize": 18},
)
BACKUP_AGES["fieldConfig"]["overrides"].append(
    {
        "matcher": {"id": "byName", "options": "trial"},  # it is made once a week
        "properties": [{"id": "thresholds", "value": absolute(TRIALS)}],
    }
)

APPLIANCE = board(
    "energy-appliance",
    "Appliance",
    "Whether everything is measured, delivered and kept; what to do: energy-monitor doctor.",
    [
        stat(
            "Running since",
            "How long the collector has been running.",
            [newest("running_time", "collector", "collector")],
            unit="s",
            width=4,
            over="5m",
            text="value",
            empty="the collector is silent",
        ),
        levels(
            "Silence of each source",
            "How long each source has failed or been silent; 0 while it is read.",
            [newest("silence", "collector")],
            unit="s",
            width=8,
            height=7,
            over="5m",
            steps=SILENCE,
            defaults={"min": 0, "max": 120},
            empty="the collector is silent",
        ),
        levels(
            "Oldest reading not delivered",
            "Age of the oldest reading that each output still lacks; none is lost.",
            [newest("backlog_age", "collector")],
            unit="s",
            width=6,
            height=7,
            over="5m",
            steps=BACKLOG,
            defaults={"min": 0, "max": 3600},
            empty="no output",
        ),
        BACKUP_AGES,
        levels(
            "Reads that failed",
            "Within the last hour.",
            [counted("read_failures")],
            unit="none",
            decimals=0,
            over=HOURS_OF_COLLECTOR,
            steps=((None, GOOD), (1, WARN), (60, BAD)),
            defaults={"min": 0, "max": 60},
            width=8,
        ),
        levels(
            "Slots skipped",
            "Within the last hour: the line was still busy.",
            [counted("slots_skipped")],
            unit="none",
            decimals=0,
            over=HOURS_OF_COLLECTOR,
            steps=((None, GOOD), (1, WARN), (60, BAD)),
            defaults={"min": 0, "max": 60},
            width=8,
        ),
        series(
            "Lateness",
            "How late each read began after its slot.",
            [
                ask(
                    "SELECT max(lateness) FROM collector WHERE $timeFilter "
                    "GROUP BY time($__interval), device fill(null)"
                )
            ],
            unit="s",
            width=8,
            over="30m",
            step="10s",
        ),
        heading("Computer"),
        series(
            "Processor",
            "Temperature and use. A Raspberry Pi slows down from 80 °C on.",
            [
                curve("cpu_temperature", "host", "temperature in °C"),
                curve("cpu_usage", "host", "use in %"),
            ],
            unit="none",
            decimals=0,
            step="1m",
            defaults={"min": 0, "max": 100},
        ),
        series(
            "Memory",
            "What is in use, what a new program could have, and what the collector takes.",
            [
                curve("memory_used", "host", "in use"),
                curve("memory_available", "host", "available"),
                curve("swap_used", "host", "swap"),
            ],
            unit="bytes",
            step="1m",
            defaults={"min": 0},
        ),
        series(
            "Disk",
            "Space that is in use and that is free.",
            [curve("disk_used", "host", "in use"), curve("disk_free", "host", "free")],
            unit="bytes",
            step="1m",
            defaults={"min": 0},
        ),
        series(
            "Load",
            "Processes that want to run, in the mean of five minutes.",
            [curve("load_5m", "host", "load")],
            unit="none",
            decimals=1,
            step="1m",
            defaults={"min": 0},
        ),
    ],
)
