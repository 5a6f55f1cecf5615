"""How the service is doing: one object that status, doctor, page and metrics read.

Times are UTC in milliseconds since 1970, 0 for never; ages and durations are seconds. As JSON it
is what ``energy-monitor status --json`` prints and what travels over the control socket.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_origin

LARGEST = 2.0**63


@dataclass(frozen=True, kw_only=True)
class ClockStatus:
    """Whether the clock is trusted, and how often it was stepped since the start."""

    trusted: bool = False
    steps: int = 0


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How late the last reads began."""

    median: float = 0.0
    p99: float = 0.0
    worst: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LatestReading:
    """The newest reading of a device: a value per quantity."""

    kind: str = ""
    label: str = ""
    at_ms: int = 0
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """One source; *age_s* is None where it was never read, *latest* is by device."""

    label: str = ""
    state: str = "starting"
    since_ms: int = 0
    age_s: float | None = None
    lateness_s: Lateness | None = None
    read_duration_s: float = 0.0
    reads: int = 0
    failures: int = 0
    skipped: int = 0
    out_of_range: int = 0
    last_out_of_range: str = ""
    last_error: str = ""
    latest: Mapping[str, LatestReading] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OutputStatus:
    """One output; *backlog* counts readings that it still lacks, the oldest of *backlog_s*."""

    label: str = ""
    state: str = "starting"
    since_ms: int = 0
    last_delivery_ms: int = 0
    last_error: str = ""
    delivered: int = 0
    refused: int = 0
    backlog: int = 0
    backlog_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DerivationStatus:
    """One derivation; *backlog* counts readings that it has not used yet."""

    label: str = ""
    state: str = "starting"
    since_ms: int = 0
    last_error: str = ""
    made: int = 0
    backlog: int = 0
    backlog_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AlertStatus:
    """An alert that stands; *unit* is that of *value* and *worst*."""

    text: str = ""
    advice: str = ""
    unit: str = ""
    since_ms: int = 0
    duration_s: float = 0.0
    value: float = 0.0
    worst: float = 0.0
    count: int = 0
    notice_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class JournalStatus:
    """The journal; *dropped* counts lost readings by cause, *dropped_lately* since the start.

    *held* readings are only in memory; *faults* has the reason for each file that the disk refuses.
    """

    readings: int = 0
    bytes: int = 0
    days: float = 0.0
    undated: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    dropped_lately: Mapping[str, int] = field(default_factory=dict)
    held: int = 0
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PageStatus:
    """The page: *url* is where it is served, empty where it is off."""

    url: str = ""
    state: str = "off"
    since_ms: int = 0
    last_error: str = ""


@dataclass(frozen=True, kw_only=True)
class LedgerStatus:
    """The ledger of quarter hours; *backlog* counts readings that it has not used yet."""

    state: str = "starting"
    last_error: str = ""
    written_ms: int = 0
    bytes: int = 0
    backlog: int = 0


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole service; *backups* has the age of the last good backup, upload and rehearsal."""

    site: str = ""
    now_ms: int = 0
    up_s: float = 0.0
    clock: ClockStatus = ClockStatus()
    sources: Mapping[str, SourceStatus] = field(default_factory=dict)
    derivations: Mapping[str, DerivationStatus] = field(default_factory=dict)
    outputs: Mapping[str, OutputStatus] = field(default_factory=dict)
    alerts: Mapping[str, AlertStatus] = field(default_factory=dict)
    journal: JournalStatus = JournalStatus()
    page: PageStatus = PageStatus()
    ledger: LedgerStatus = LedgerStatus()
    resident_memory: int = 0
    backups: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what ``json.dumps`` takes; ``asdict`` takes four times as long."""
        document: dict[str, Any] = plain(self)
        return document


def plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    kind: Any = type(value)
    return {name: plain(getattr(value, name)) for name in hints_of(kind)}


def titled(name: str, label: str) -> str:
    """Return a name as people read it: with its label, where it has one."""
    return f"{name} ({label})" if label else name


def from_json(document: Any) -> Status:
    """Read what ``to_json`` made, also of another release. Raise ValueError.

    What is missing has its default; what is not known is left out.
    """
    status: Status = read(Status, document)
    return status


@cache
def hints_of(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def read(cls: Any, document: Any) -> Any:
    if not isinstance(document, dict):
        raise ValueError(f"expected an object for {cls.__name__}, not {type(document).__name__}")  # noqa: TRY004  of JSON
    hints = hints_of(cls)
    return cls(
        **{name: value_of(hints[name], document[name]) for name in hints if name in document}
    )


def value_of(hint: Any, value: Any) -> Any:
    """Return *value* of a document as *hint* says. Raise ValueError."""
    if get_origin(hint) is types.UnionType:
        return None if value is None else value_of(get_args(hint)[0], value)
    match value:
        case dict() if dataclasses.is_dataclass(hint):
            return read(hint, value)
        case dict() if get_origin(hint) is Mapping:
            return {str(key): value_of(get_args(hint)[1], each) for key, each in value.items()}
        case list() | tuple() if get_origin(hint) is tuple:
            return tuple(value_of(get_args(hint)[0], each) for each in value)
        case int() | float() if hint in {int, float} and abs(value) < LARGEST:
            return hint(value)
        case str() | bool() if hint is type(value):
            return value
    raise ValueError(f"expected {hint}, not {value!r:.100}")
