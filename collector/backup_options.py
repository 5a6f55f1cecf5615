"""What is known of backups: what the configuration says, and how their last runs ended.

The commands of ``backup/`` read the one and write the other.
"""

import errno
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from collector.files import open_file
from collector.options import option
from collector.scalars import Bytes, FilePath, Seconds
from collector.secrets import Secret

Task = Literal["backup", "upload", "verify", "rehearsal"]

# The timers run hourly (backup, upload) and weekly (rehearsal); a backup of a large database on a
# slow card takes its time, and a house may be without a network for a day.
OVERDUE = {
    "backup": timedelta(hours=3),
    "upload": timedelta(hours=26),
    "rehearsal": timedelta(days=15),
}
LARGEST_STATE = 1 << 20
NO_FILE = {errno.ENOENT, errno.EINVAL, errno.ELOOP, errno.ENXIO}  # missing, a pipe, a link
LARGEST = 1 << 63
SMALL = 0.5  # of its predecessor's size: a bucket is gone, or half a database


@dataclass(frozen=True, kw_only=True)
class KeepOptions:
    """How many backups stay in the folder: the newest ones, and the last of each day and so on."""

    hourly: int = option("the newest backups, whatever their age", example=10, default=10, low=1)
    daily: int = option("the last backup of each of this many days", example=7, default=7, low=0)
    weekly: int = option("the last backup of each of this many weeks", example=4, default=4, low=0)
    monthly: int = option(
        "the last backup of each of this many months", example=12, default=12, low=0
    )


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    """Where backups are kept, for how long, and who can read them."""

    folder: FilePath | None = option(
        "folder for the backups, ideally on another disk than the database (default: 'backups' in "
        "data_dir)",
        example="/mnt/usb/backups",
        default=None,
    )
    keep: KeepOptions = field(
        default_factory=KeepOptions, metadata={"help": "how many backups stay in the folder"}
    )
    encrypt_to: tuple[str, ...] = option(
        "age public keys; backups can be read only with a matching private key, and secrets are "
        "then included ('age-keygen' makes a pair)",
        example=["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
        default=(),
        pattern="age1[a-z0-9]{58}",
    )
    admin_token: Secret | None = option(
        "InfluxDB's operator token, the only one that may read everything (default: the one "
        "stored by 'energy-monitor setup influxdb')",
        example="!secret influxdb-admin-token",
        default=None,
    )
    grafana: FilePath = option(
        "Grafana's database; skipped if the file does not exist",
        example="/var/lib/grafana/grafana.db",
        default=FilePath("/var/lib/docker/volumes/energy-monitor_grafana/_data/grafana.db"),
    )
    upload_rate: Bytes = option(
        "upload limit per second (0 = unlimited)",
        example="200 kB",
        default=Bytes(0),
        low=0,
    )
    upload_for: Seconds = option(
        "longest duration of an upload; the next one continues where it ended",
        example="50m",
        default=Seconds(50 * 60),
        low=60,
    )


def folder_of(options: BackupOptions, data_dir: str | Path) -> Path:
    return Path(options.folder or Path(data_dir) / "backups")


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


def read_runs(folder: Path) -> dict[str, Run]:
    """Return what is known of each task; one that never ran, or makes no sense, is missing.

    Raise OSError.
    """
    try:
        with open_file(folder / "state.json") as file:
            document = json.loads(file.read(LARGEST_STATE))
    except (ValueError, RecursionError):
        return {}
    except OSError as error:
        if error.errno in NO_FILE:  # the next run that ends replaces it
            return {}
        raise
    runs = document.items() if isinstance(document, dict) else ()
    return {task: found for task, run in runs if (found := run_of(run))}


def run_of(document: Any) -> Run | None:
    """Read how a task last ended; None where a disk has changed what was written."""
    if not isinstance(document, dict) or not document.keys() <= SENSIBLE.keys():
        return None
    if not all(SENSIBLE[name](value) for name, value in document.items()):
        return None
    return Run(**{**document, "damaged": tuple(document.get("damaged", ()))})


def is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def is_time(value: Any) -> bool:
    with suppress(ValueError):
        return value is None or (
            isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
        )
    return False


SENSIBLE: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("done_at", "failed_at", "first_at"), is_time),
    **dict.fromkeys(("id", "error", "left_out"), is_text),
    **dict.fromkeys(("size", "size_before", "new_bytes"), is_size),
    "took_s": lambda value: type(value) in {int, float} and 0 <= value < LARGEST,
    "damaged": lambda value: isinstance(value, list) and all(type(each) is str for each in value),
}


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
