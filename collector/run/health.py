"""What the service knows about itself: figures per source and output."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from collector.reading import Reading
from collector.status import DerivationStatus, Lateness, LatestReading, OutputStatus, SourceStatus

LATENESS_KEPT = 300


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
    lateness_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENESS_KEPT))
    latest: dict[str, Reading] = field(default_factory=dict)
    label: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


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
    """

    state: str = "starting"
    since_ms: float = 0
    last_error: str = ""
    made: int = 0
    number: int = 0
    passed_ms: int = 0
    label: str = ""


@dataclass
class Health:
    """The figures of all parts of the service; hold *lock* while changing or reading them."""

    sources: dict[str, SourceHealth]
    outputs: dict[str, OutputHealth]
    started_ms: float
    derivations: dict[str, DerivationHealth] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def readings(self, at_ms: int, backlog: dict[str, tuple[int, float]]) -> Iterator[Reading]:
        """Yield these figures as readings like any other; *backlog* is (readings, seconds)."""
        with self.lock:
            for name, source in self.sources.items():
                values = {
                    "lateness": max(source.lateness_s, default=0.0),
                    "read_duration": source.duration_s,
                    "reads": float(source.reads),
                    "read_failures": float(source.failures),
                    "slots_skipped": float(source.skipped),
                    "out_of_range": float(source.out_of_range),
                }
                yield Reading("collector", name, at_ms, values)
            for name, (count, age_s) in backlog.items():
                yield Reading(
                    "collector", name, at_ms, {"backlog": float(count), "backlog_age": age_s}
                )

    def source_statuses(self, now_ms: float) -> dict[str, SourceStatus]:
        with self.lock:
            return {name: source_status(source, now_ms) for name, source in self.sources.items()}

    def output_statuses(self, backlogs: Mapping[str, tuple[int, float]]) -> dict[str, OutputStatus]:
        """Return the figures of the outputs; *backlogs* has readings and seconds of each."""
        with self.lock:
            return {
                name: OutputStatus(
                    label=output.label,
                    state=output.state,
                    since_ms=round(output.since_ms),
                    last_delivery_ms=round(output.last_ms),
                    last_error=output.last_error,
                    delivered=output.delivered,
                    refused=output.refused,
                    backlog=backlogs[name][0],
                    backlog_s=round(backlogs[name][1], 1),
                )
                for name, output in self.outputs.items()
            }

    def derivation_statuses(self, next_number: int, now_ms: float) -> dict[str, DerivationStatus]:
        """Return the figures of the derivations; *next_number* is that of the journal."""
        with self.lock:
            return {
                name: DerivationStatus(
                    label=each.label,
                    state=each.state,
                    since_ms=round(each.since_ms),
                    last_error=each.last_error,
                    made=each.made,
                    backlog=max(next_number - each.number, 0),
                    backlog_s=behind_s(each, next_number, now_ms),
                )
                for name, each in self.derivations.items()
            }


def behind_s(each: DerivationHealth, next_number: int, now_ms: float) -> float:
    """Return how far a derivation is behind; 0 where it has all, or has read none yet."""
    if next_number <= each.number or not each.passed_ms:
        return 0.0
    return max(round((now_ms - each.passed_ms) / 1000, 1), 0.0)


def source_status(source: SourceHealth, now_ms: float) -> SourceStatus:
    return SourceStatus(
        label=source.label,
        state=source.state,
        since_ms=round(source.since_ms),
        age_s=round((now_ms - source.last_ms) / 1000, 3) if source.last_ms else None,
        lateness_s=lateness_of(source),
        read_duration_s=round(source.duration_s, 6),
        reads=source.reads,
        failures=source.failures,
        skipped=source.skipped,
        out_of_range=source.out_of_range,
        last_out_of_range=source.last_out_of_range,
        last_error=source.last_error,
        latest={
            device: LatestReading(
                kind=each.kind,
                label=source.labels.get(device, source.label),
                at_ms=each.at_ms,
                values=dict(each.values),
            )
            for device, each in source.latest.items()
        },
    )


def lateness_of(source: SourceHealth) -> Lateness | None:
    late = sorted(source.lateness_s)
    if not late:
        return None
    return Lateness(
        median=round(late[len(late) // 2], 6),
        p99=round(late[len(late) * 99 // 100], 6),
        worst=round(late[-1], 6),
    )


def resident_memory() -> int:
    """Return this process's resident memory in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
