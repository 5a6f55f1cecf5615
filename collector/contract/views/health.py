"""What the page shows of the collector itself: how it does, and what happened."""

from dataclasses import dataclass
from typing import Literal

from collector.contract.views.now import Figure, Problem, State
from collector.status import Status

EventKind = Literal["counter", "gap", "alert", "restart", "other"]


@dataclass(frozen=True, kw_only=True)
class SourceHealth:
    """A source; *age_s* is that of its newest reading."""

    name: str
    label: str
    state: str
    since_ms: int
    age_s: float | None
    reads: int
    failures: int
    last_error: str


@dataclass(frozen=True, kw_only=True)
class OutputHealth:
    """An output; *ends_in_s* is when its backlog will be delivered at the pace of now."""

    name: str
    label: str
    state: str
    since_ms: int
    delivered: int
    backlog: int
    backlog_s: float
    ends_in_s: float | None
    last_error: str


@dataclass(frozen=True, kw_only=True)
class BackupAge:
    """When a task of the backups (backup, upload, rehearsal) last went well."""

    task: str
    age_s: float


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The disk with the journal; *years* is how long a card lasts at what is written now."""

    free: int = 0
    size: int = 0
    written_per_day: int | None = None
    years: float | None = None


@dataclass(frozen=True, kw_only=True)
class HealthView:
    """How the collector is doing; *status* has everything, as ``energy-monitor status --json``."""

    at_ms: int
    state: State
    version: str
    problems: tuple[Problem, ...]
    sources: tuple[SourceHealth, ...]
    outputs: tuple[OutputHealth, ...]
    backups: tuple[BackupAge, ...]
    disk: Disk
    machine: tuple[Figure, ...]
    status: Status


@dataclass(frozen=True, kw_only=True)
class EventView:
    """Something that happened; *until_ms* is None where it has no end or goes on."""

    at_ms: int
    device: str
    text: str
    kind: EventKind
    until_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class EventsView:
    """What happened in a time, newest first, at most 500."""

    begin_ms: int
    end_ms: int
    events: tuple[EventView, ...]


@dataclass(frozen=True, kw_only=True)
class ErrorView:
    """Why there is no answer."""

    error: str
