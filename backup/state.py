"""Notes how the last runs ended: ``state.json`` beside the backups."""

import fcntl
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from backup.paths import lock_file, opened
from collector import files
from collector.backup_options import Run, Task, read_runs


def record(folder: Path, task: Task, run: Run) -> None:
    with opened(folder) as opened_folder, lock_file(opened_folder, "state.lock") as door:
        fcntl.flock(door, fcntl.LOCK_EX)  # an upload may end while a backup does
        runs = read_runs(folder)
        first_at = runs.get(task, run).first_at or run.done_at or run.failed_at
        runs |= {task: replace(run, first_at=first_at)}
        text = json.dumps({name: asdict(each) for name, each in runs.items()}, indent=1)
        files.replace(Path("state.json"), text.encode(), give=True, folder=opened_folder)


def expect(folder: Path, task: Task, now: datetime) -> None:
    """Note that a task is to run from *now* on, so that it is missed where it never does."""
    if task not in read_runs(folder):
        record(folder, task, Run(first_at=now.astimezone(UTC).isoformat(timespec="seconds")))


def record_failure(folder: Path, task: Task, error: Exception, now: datetime) -> None:
    """Note that a task failed, beside what is known of its last success."""
    run = read_runs(folder).get(task, Run())
    failed_at = now.astimezone(UTC).isoformat(timespec="seconds")
    record(folder, task, replace(run, failed_at=failed_at, error=str(error)))
