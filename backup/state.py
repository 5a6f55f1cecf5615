"""How the last runs ended, and what of it is an alarm: ``state.json`` beside the backups."""

import fcntl
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from backup.stores.folder import give, keep

Task = Literal["backup", "upload", "verify", "rehearsal"]

# The timers run hourly (backup, upload) and weekly (rehearsal); a backup of a large database on a
# slow card takes its time, and a house may be without a network for a day.
OVERDUE = {
    "backup": timedelta(hours=3),
    "upload": timedelta(hours=26),
    "rehearsal": timedelta(days=15),
}
SMALL = 0.5  # of its predecessor's size: a bucket is gone, or half a database


@dataclass(frozen=True)
class Run:
    """How a task last ended. Times are ISO 8601 in UTC, sizes in bytes.

    *done_at* and *id* tell of the last success, *failed_at* and *error* of a failure since.
    *left_out* says why a backup is without an InfluxDB where it is, or what a rehearsal did not
    prove: its *id* is that of the last backup that was restored. *damaged* names the shards that
    InfluxDB does not hand out whole. *first_at* is when the task ran, or was to run, for the first
    time, which ``record`` fills in.
    """

    done_at: str | None = None
    id: str | None = None
    size: int = 0
    size_before: int = 0
    new_bytes: int = 0
    took_s: float = 0.0
    failed_at: str | None = None
    error: str | None = None
    first_at: str | None = None
    left_out: str | None = None
    damaged: tuple[str, ...] = ()


def read(folder: Path) -> dict[str, Run]:
    """Return what is known of each task; one that never ran is missing."""
    try:
        document = json.loads((folder / "state.json").read_bytes())
        return {
            task: Run(**{**run, "damaged": tuple(run.get("damaged", ()))})
            for task, run in document.items()
        }
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}


def record(folder: Path, task: Task, run: Run) -> None:
    with (folder / "state.lock").open("w") as door:
        give(folder / "state.lock")
        fcntl.flock(door, fcntl.LOCK_EX)  # an upload may end while a backup does
        runs = read(folder)
        first_at = runs.get(task, run).first_at or run.done_at or run.failed_at
        runs |= {task: replace(run, first_at=first_at)}
        part = folder / "state.new"  # no part-*: those a backup sweeps away
        part.write_text(json.dumps({name: asdict(each) for name, each in runs.items()}, indent=1))
        keep(part, folder / "state.json")


def expect(folder: Path, task: Task, now: datetime) -> None:
    """Note that a task is to run from *now* on, so that it is missed where it never does."""
    if task not in read(folder):
        record(folder, task, Run(first_at=now.astimezone(UTC).isoformat(timespec="seconds")))


def record_failure(folder: Path, task: Task, error: Exception, now: datetime) -> None:
    """Note that a task failed, beside what is known of its last success."""
    run = read(folder).get(task, Run())
    failed_at = now.astimezone(UTC).isoformat(timespec="seconds")
    record(folder, task, replace(run, failed_at=failed_at, error=str(error)))


def alarms(runs: dict[str, Run], now: datetime, *, off_site: bool) -> list[str]:
    """Say what is wrong with the backups, each a sentence; nothing where all is well.

    *off_site* tells whether backups are meant to leave the house.
    """
    if not runs:
        return ["no backup has ever been made"]
    found = [
        f"the last {task} failed at {run.failed_at}: {run.error}"
        for task, run in runs.items()
        if run.failed_at
    ]
    never = now.astimezone(UTC).isoformat(timespec="seconds")
    begun = min(run.first_at or run.done_at or run.failed_at or never for run in runs.values())
    for task in ("backup", "rehearsal", *(["upload"] if off_site else [])):
        run = runs.get(task, Run())
        age = age_of(run.done_at or run.first_at or begun, now)
        if age > OVERDUE[task]:
            good = f"the last good {task} is {in_words(age)} old ({run.done_at})"
            found.append(good if run.done_at else f"no {task} has ever been good")
        elif run.done_at and age < -OVERDUE[task]:
            found.append(f"the last good {task} is dated {run.done_at}, later than now")
    last = runs.get("backup")
    if last and last.size < SMALL * last.size_before:
        shrunk = f"{last.size:,} bytes, the one before it {last.size_before:,}"
        found.append(f"backup {last.id} is much smaller than its predecessor: {shrunk}")
    return [*found, *(last.damaged if last else ())]


def age_of(at: str, now: datetime) -> timedelta:
    """Return how long ago a time was that is written in ISO 8601."""
    return now.astimezone(UTC) - datetime.fromisoformat(at)


def in_words(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004  two days
