"""What is wrong, a sentence each: the service with itself, and the backups beside it."""

from collections.abc import Iterator
from datetime import UTC, datetime

from collector import backup_options
from collector.config import Config
from collector.status import PageStatus, Status, titled
from collector.text import duration

LONGEST_START_S = 120


def problems(status: Status) -> list[str]:
    """Say in a sentence each what is wrong."""
    found = []
    if not status.clock.trusted:
        found.append("the clock is not synchronised yet: readings are kept but not delivered")
    for plain, source in status.sources.items():
        name = titled(plain, source.label)
        if source.state == "silent":
            found.append(f"source {name} is silent: {source.last_error}")
        elif source.state == "failed":
            found.append(f"source {name} failed, an internal error: {source.last_error}")
    for plain, output in status.outputs.items():
        name = titled(plain, output.label)
        if output.state == "away":
            found.append(f"output {name} is away: {output.last_error}")
        elif output.state == "failed":
            found.append(f"output {name} failed, an internal error: {output.last_error}")
        elif output.state == "starting" and output.backlog_s > LONGEST_START_S:
            found.append(f"output {name} has delivered nothing yet")
    return [*found, *derived(status), *of_page(status.page), *kept(status)]


def derived(status: Status) -> Iterator[str]:
    """Say what is wrong with the derivations and the ledger."""
    for plain, each in status.derivations.items():
        name = titled(plain, each.label)
        if each.state == "failed":
            yield f"derivation {name} failed, an internal error: {each.last_error}"
        elif each.state == "waiting":
            yield f"derivation {name} waits: {each.last_error}"
    for name, alert in status.alerts.items():
        yield f"alert {name} for {duration(alert.duration_s)}: {alert.text}"
    if status.ledger.last_error:
        yield f"the ledger is not written now: {status.ledger.last_error}"


def kept(status: Status) -> Iterator[str]:
    """Say what is wrong with the journal."""
    for cause, count in status.journal.dropped_lately.items():
        yield f"{count} readings were lost since the start: {cause}"
    for place, reason in status.journal.faults.items():
        yield f"{place}: {reason}"
    if status.journal.held:
        yield f"{status.journal.held} readings are only in memory until the disk takes them"


def of_page(page: PageStatus) -> list[str]:
    if page.state == "away":
        return [f"page {page.url} is not served: {page.last_error}"]
    if page.state == "failed":
        return [f"page {page.url} failed, an internal error: {page.last_error}"]
    return []


def backups(config: Config) -> tuple[dict[str, float], list[str]]:
    """Return how long ago a backup, an upload and a rehearsal went well, and what is wrong.

    Nothing in a house that makes no backups.
    """
    now = datetime.now(UTC)
    try:
        runs = backup_options.read_runs(config.backups)
    except OSError as error:
        return {}, [f"the backups in {error.filename} cannot be read: {error.strerror}"]
    ages_s = {
        task: backup_options.age_of(run.done_at, now).total_seconds()
        for task, run in runs.items()
        if run.done_at
    }
    return ages_s, backup_options.alarms(runs, now, off_site="upload" in runs) if runs else []
