"""How the house's backups are: their age and size, and whether there is an alarm.

It reads what the commands of ``energy-monitor backup`` leave behind (``backup.state``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collector.backup_options import age_of, alarms, read_runs
from collector.contract import Context, SourceOptions
from collector.errors import DeviceSilent
from collector.options import option
from collector.reading import Reading
from collector.scalars import FilePath

AGES = {"backup_age": "backup", "upload_age": "upload", "rehearsal_age": "rehearsal"}


@dataclass(frozen=True, kw_only=True)
class BackupsOptions(SourceOptions):
    """The backups of this machine: how old, how large, and whether they are whole."""

    folder: FilePath | None = option(
        "folder of the backups: 'backup.folder' above (default: 'backups' in data_dir)",
        example="/mnt/usb/backups",
        default=None,
    )


class Backups:
    """Reads how the last backup, upload and rehearsal ended; what never ended well is absent."""

    Options = BackupsOptions
    line = "backups"
    quantities = (*AGES, "backup_size", "backup_new", "backup_alarm")
    patience_s = 1.0

    def __init__(self, name: str, options: BackupsOptions, context: Context) -> None:
        self.name = name
        self.folder = Path(options.folder or context.state_dir.parents[1] / "backups")

    def open(self) -> None:
        """Do nothing: no file stays open."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Read what is known of the backups. Raise DeviceSilent where that can't be read."""
        now = datetime.fromtimestamp(at_ms / 1000, UTC)
        try:
            runs = read_runs(self.folder)
        except OSError as error:
            msg = f"{error.filename} cannot be read: {error.strerror}"
            raise DeviceSilent(msg) from error
        wrong = alarms(runs, now, off_site="upload" in runs)
        values = {"backup_alarm": float(bool(wrong))}
        for quantity, task in AGES.items():
            run = runs.get(task)
            if run and run.done_at:  # later than now where the clock was set back
                values[quantity] = max(age_of(run.done_at, now).total_seconds(), 0.0)
        if "backup" in runs and runs["backup"].done_at:
            values["backup_size"] = float(runs["backup"].size)
            values["backup_new"] = float(runs["backup"].new_bytes)
        return [Reading("backup", self.name, at_ms, values)]

    def close(self) -> None:
        """Do nothing: no file stays open."""
