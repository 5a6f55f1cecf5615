"""Backups: how old the last good ones are, whether they leave the house, and what went wrong."""

from collections.abc import Iterator
from datetime import UTC, datetime

from collector import backup_options
from collector.doctor.case import AS_ROOT, Case
from collector.doctor.finding import CannotTell, Finding
from collector.text import amount, duration

UNITS = "-u energy-monitor-backup -u energy-monitor-upload -u energy-monitor-rehearse"
SENTENCES = {
    "backup": "the last backup was made",
    "upload": "the newest backup was uploaded",
    "rehearsal": "a backup was test-restored",
}


def runs(case: Case) -> Iterator[Finding]:
    """Are backups made, brought out of the house and rehearsed, and when were they last?"""
    folder = backup_options.folder_of(case.main.backup, case.main.data_dir)
    try:
        tasks = backup_options.read_runs(folder)
    except OSError as error:
        raise CannotTell(f"{folder} cannot be looked into: {error.strerror}", AS_ROOT) from error
    if not tasks:
        yield Finding(
            "advice",
            "no backup has ever been made",
            "If this disk fails, the history is lost.",
            "sudo energy-monitor backup now",
        )
        return
    now = datetime.now(UTC)
    for alarm in backup_options.alarms(tasks, now, off_site="upload" in tasks):
        yield Finding(
            "error",
            alarm,
            "A missing or unusable backup is noticed only when it is needed.",
            f"sudo energy-monitor backup list; journalctl {UNITS} -p warning -n 30",
        )
    for task, sentence in SENTENCES.items():
        run = tasks.get(task)
        if run and run.done_at and not (task == "rehearsal" and run.left_out):
            age_s = backup_options.age_of(run.done_at, now).total_seconds()
            size = f", {amount(run.size)}" if run.size else ""
            yield Finding("ok", f"{sentence} {duration(age_s)} ago: {run.id}{size}")
    if (run := tasks.get("backup")) and run.left_out:
        yield Finding(
            "warning",
            f"the last backup contains no database: {run.left_out}",
            "None of these backups contains the history.",
        )
    if (run := tasks.get("rehearsal")) and run.left_out:
        yield Finding(
            "warning",
            f"the last rehearsal restored nothing: {run.left_out}",
            "The backups can be read, but a restoration has not been tested.",
            "energy-monitor backup rehearse --identity FILE    # with the private key",
        )
    if "upload" not in tasks:
        yield Finding(
            "advice",
            "backups do not leave the house",
            "A fire or a thief takes the backups along with the machine.",
            "sudo energy-monitor backup connect sftp://USER@NAS/FOLDER    # Azure: terraform/",
        )


CHECKS = (runs,)
