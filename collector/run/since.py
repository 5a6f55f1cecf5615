"""Where new outputs and derivations begin, as their option ``since`` says."""

import logging
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from collector.config import Config
from collector.contract import BadOption
from collector.journal import start
from collector.journal.journal import Journal
from collector.scalars import NotAccepted, seconds_of

log = logging.getLogger(__name__)


def since_ms(text: str, now_ms: float, zone: str) -> int | None:
    """Return the time that the option means, None for the newest reading. Raise BadOption."""
    if text == "newest":
        return None
    if text == "beginning":
        return 0
    with suppress(NotAccepted):
        return max(round(now_ms - seconds_of(text) * 1000), 0)
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
        return max(round(at.timestamp() * 1000), 0)
    raise BadOption(
        "since",
        f"{text!r} is not accepted: expected 'newest', 'beginning', a duration such as 7d, or a "
        "time such as 2026-01-31T18:00",
    )


def place_outputs(config: Config, journal: Journal, now_ms: float) -> None:
    """Give the outputs of *config* that are new in *journal* their first cursor.

    The clock may not be right yet, but it is never earlier than what the journal holds.
    """
    now_ms = max(now_ms, newest_ms(journal))
    wanted = {
        name: since_ms(options.since, now_ms, config.main.timezone)
        for name, options in config.outputs.items()
    }
    for name in start.place_new(journal, wanted):
        log.info("%s: new, %d readings to deliver at first", name, journal.backlog(name))


def newest_ms(journal: Journal) -> int:
    """Return a time that the journal has reached."""
    return max((segment.first_ms for segment in journal.log.segments[-1:]), default=0)


def place_derivations(config: Config, journal: Journal, now_ms: float) -> None:
    """Let each derivation of *config* that is new in *journal* begin where it wants to."""
    now_ms = max(now_ms, newest_ms(journal))
    for name, options in config.derivations.items():
        if journal.snapshots[name].is_new:
            at_ms = since_ms(options.since, now_ms, config.main.timezone)
            later = journal.log.next_number
            number = later if at_ms is None else start.first_since(journal.log, at_ms)
            with journal.disk.using(f"derivations/{name}"):
                journal.snapshots[name].begin(number, now_ms)
            log.info("%s: new, %d readings to begin with", name, later - number)


def first_place(config: Config, name: str) -> str:
    """Say where an output will begin; nothing where it has begun already or this can't be seen."""
    folder = config.data_dir / "journal"
    try:
        if not start.is_new(folder, name):
            return ""
        since = config.outputs[name].since
        if since == "newest" and start.begins_at_oldest(folder):
            since = "beginning"
    except OSError:
        return ""
    if since in {"newest", "beginning"}:
        place = "the newest reading" if since == "newest" else "the oldest reading kept"
        return f"{name} is new: it begins at {place}"
    is_time = since[:4].isdecimal()
    return f"{name} is new: it begins {f'at {since}' if is_time else f'{since} back'}"
