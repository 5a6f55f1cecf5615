"""Figures of the service about itself, per source, output and derivation."""

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector.contract.alert import Alarm, Meaning
from collector.reading import Reading

LATENESS_KEPT = 300


class LastLateness:
    """How late the last reads began, in seconds; *ordered* by size, so that nobody has to sort."""

    def __init__(self) -> None:
        self.last: deque[float] = deque()
        self.ordered: list[float] = []

    def append(self, late_s: float) -> None:
        if len(self.last) == LATENESS_KEPT:
            del self.ordered[bisect_left(self.ordered, self.last.popleft())]
        self.last.append(late_s)
        insort(self.ordered, late_s)


@dataclass
class SourceHealth:
    """One source: *state* is starting, alive, silent or failed; times are UTC ms, 0 for never."""

    state: str = "starting"
    since_ms: float = 0
    last_ms: int = 0
    last_error: str = ""
    reads: int = 0
    failures: int = 0
    skipped: int = 0
    out_of_range: int = 0
    last_out_of_range: str = ""
    duration_s: float = 0
    lateness_s: LastLateness = field(default_factory=LastLateness)
    latest: dict[str, Reading] = field(default_factory=dict)
    label: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def silence_s(self, now_ms: float) -> float:
        """Return for how long it has not been read; 0 while it is, or was not yet tried."""
        if self.state not in {"silent", "failed"}:
            return 0.0
        return max(round((now_ms - self.since_ms) / 1000, 1), 0.0)


@dataclass
class OutputHealth:
    """One output: *state* is starting, delivering, away or failed; times are UTC ms or 0."""

    state: str = "starting"
    since_ms: float = 0
    last_ms: float = 0
    last_error: str = ""
    delivered: int = 0
    refused: int = 0
    label: str = ""


@dataclass
class DerivationHealth:
    """One derivation: *state* is starting, deriving, waiting or failed.

    *made* counts its readings; *number* is the next that it needs, *passed_ms* its last one's time.
    *alerts* are those of it that stand.
    """

    state: str = "starting"
    since_ms: float = 0
    last_error: str = ""
    made: int = 0
    number: int = 0
    passed_ms: int = 0
    label: str = ""
    alerts: Sequence[Alarm] = ()


@dataclass
class PageHealth:
    """The page: *state* is off, starting, serving, away or failed; *url* is where it is."""

    url: str = ""
    state: str = "off"
    since_ms: float = 0
    last_error: str = ""


@dataclass
class LedgerHealth:
    """The ledger: *state* is starting, keeping, waiting or 'damaged, made anew'."""

    state: str = "starting"
    last_error: str = ""
    number: int = 0
    written_ms: float = 0
    size: int = 0


@dataclass
class Health:
    """The figures of all parts of the service; hold *lock* while changing or reading them."""

    sources: dict[str, SourceHealth]
    outputs: dict[str, OutputHealth]
    started_ms: float
    derivations: dict[str, DerivationHealth] = field(default_factory=dict)
    ledger: LedgerHealth = field(default_factory=LedgerHealth)
    lock: threading.Lock = field(default_factory=threading.Lock)
    page: PageHealth = field(default_factory=PageHealth)
    meanings: Mapping[str, Meaning] = field(default_factory=dict)

    def readings(self, at_ms: int, backlog: dict[str, tuple[int, float]]) -> Iterator[Reading]:
        """Yield these figures as readings like any other; *backlog* is (readings, seconds)."""
        with self.lock:
            for name, source in self.sources.items():
                values = {
                    "lateness": max(source.lateness_s.ordered[-1:], default=0.0),
                    "read_duration": source.duration_s,
                    "reads": float(source.reads),
                    "read_failures": float(source.failures),
                    "slots_skipped": float(source.skipped),
                    "out_of_range": float(source.out_of_range),
                    "silence": source.silence_s(at_ms),
                }
                yield Reading("collector", name, at_ms, values)
            for name, (count, age_s) in backlog.items():
                yield Reading(
                    "collector", name, at_ms, {"backlog": float(count), "backlog_age": age_s}
                )


def resident_memory() -> int:
    """Return this process's resident memory in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
