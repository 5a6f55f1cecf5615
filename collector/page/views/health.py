"""How the collector is doing: each problem with the command that says more or mends it."""

import math
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from collector.contract.page import DeviceNow
from collector.contract.views import (
    BackupAge,
    Disk,
    HealthView,
    OutputHealth,
    Problem,
    SourceHealth,
    State,
)
from collector.page.views.figures import figures_of
from collector.page.views.records import Records
from collector.status import OutputStatus, SourceStatus, Status

DOCTOR = "sudo energy-monitor doctor"
TIMES_ITS_SIZE = 300  # that a plain card can be written; ``doctor`` says where that is from
LEAST_UPTIME_S = 86_400  # starting writes more than running
MOST_YEARS = 99.0
LEAST_BACKLOG = 100  # fewer are on their way
KEPT = 30  # looks at the outputs, ten seconds apart
AWAY = {"silent", "failed"}


class Deliveries:
    """How fast each output delivers, over the last minutes."""

    def __init__(self) -> None:
        self.seen: dict[str, deque[tuple[float, int]]] = {}

    def note(self, status: Status) -> None:
        now_s = time.monotonic()
        for name, output in status.outputs.items():
            seen = self.seen.setdefault(name, deque(maxlen=KEPT))
            seen.append((now_s, output.delivered))

    def ends_in_s(self, name: str, backlog: int) -> float | None:
        """Return when a backlog ends at the pace of now; None where there is none, or no end."""
        seen = self.seen.get(name)
        if backlog < LEAST_BACKLOG or not seen:
            return None
        (first_s, first), (last_s, last) = seen[0], seen[-1]
        rate = (last - first) / (last_s - first_s) if last_s > first_s else 0.0
        return round(backlog / rate, 1) if rate > 0 else None


def view(
    records: Records, status: Status, devices: Sequence[DeviceNow], deliveries: Deliveries
) -> HealthView:
    return HealthView(
        at_ms=status.now_ms,
        state=state_of(status),
        version=records.home.version,
        problems=problems_of(status),
        sources=tuple(source_of(name, each) for name, each in status.sources.items()),
        outputs=tuple(
            output_of(name, each, deliveries.ends_in_s(name, each.backlog))
            for name, each in status.outputs.items()
        ),
        backups=tuple(BackupAge(task=task, age_s=age) for task, age in status.backups.items()),
        disk=disk_of(records.home.journal, devices),
        machine=tuple(
            figure for each in devices if each.kind == "host" for figure in figures_of(each.values)
        ),
        status=status,
    )


def source_of(name: str, source: SourceStatus) -> SourceHealth:
    return SourceHealth(
        name=name,
        label=source.label,
        state=source.state,
        since_ms=source.since_ms,
        age_s=source.age_s,
        reads=source.reads,
        failures=source.failures,
        last_error=source.last_error if source.state in AWAY else "",
    )


def output_of(name: str, output: OutputStatus, ends_in_s: float | None) -> OutputHealth:
    return OutputHealth(
        name=name,
        label=output.label,
        state=output.state,
        since_ms=output.since_ms,
        delivered=output.delivered,
        backlog=output.backlog,
        backlog_s=output.backlog_s,
        ends_in_s=ends_in_s,
        last_error=output.last_error if output.state != "delivering" else "",
    )


def state_of(status: Status) -> State:
    """Return a problem where readings are lost or not measured, else attention where any is."""
    lost = [each for each in status.sources.values() if each.state in AWAY]
    if lost or status.journal.faults or status.journal.held or status.journal.dropped_lately:
        return "problem"
    return "attention" if status.problems else "ok"


def problems_of(status: Status) -> tuple[Problem, ...]:
    return tuple(problem_of(each, status) for each in status.problems)


def problem_of(text: str, status: Status) -> Problem:
    """Return a problem with the command that says more of it, or what its rule advises."""
    word, _, rest = text.partition(" ")
    name = rest.partition(" ")[0]
    if word == "source" and name in status.sources:
        return Problem(text=text, command=f"energy-monitor read {name}")
    if word == "alert" and name in status.alerts:
        advice = status.alerts[name].advice
        return Problem(
            text=text, advice=advice, command="" if advice else "energy-monitor alert list"
        )
    return Problem(text=text, command=DOCTOR)


def disk_of(folder: Path, devices: Sequence[DeviceNow]) -> Disk:
    """Return the room on the disk, and how long a card lasts at what is written since the boot."""
    try:
        found = os.statvfs(next(each for each in (folder, *folder.parents) if each.exists()))
    except (OSError, StopIteration):
        return Disk()
    size, free = found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail
    host = next((each.values for each in devices if each.kind == "host"), {})
    written, up_s = host.get("disk_written"), host.get("uptime", 0.0)
    if written is None or up_s < LEAST_UPTIME_S:
        return Disk(free=free, size=size)
    a_day = written / up_s * 86_400
    years = round(min(size * TIMES_ITS_SIZE / a_day / 365, MOST_YEARS), 1) if a_day else MOST_YEARS
    return Disk(free=free, size=size, written_per_day=math.floor(a_day), years=years or None)
