"""Makes the status of the service out of its figures, its journal and its clock."""

from collections.abc import Iterable
from dataclasses import replace

from collector.clock import Clock
from collector.config import Config
from collector.journal.journal import Journal
from collector.run.alerts import TOO_NEW, alert_status
from collector.run.health import (
    DerivationHealth,
    Health,
    LedgerHealth,
    OutputHealth,
    SourceHealth,
    resident_memory,
)
from collector.run.problems import backups, problems
from collector.safe_text import safe
from collector.status import (
    ClockStatus,
    DerivationStatus,
    Lateness,
    LatestReading,
    LedgerStatus,
    OutputStatus,
    PageStatus,
    SourceStatus,
    Status,
)

UNDATED_MS = 10**11  # no machine runs for three years without its clock being set


def status_of(config: Config, health: Health, journal: Journal, clock: Clock) -> Status:
    """Return how the service is doing at this moment."""
    now_ms = clock.wall_ms()
    frame = clock.frame()
    monotonic_ms = clock.monotonic_ms() + frame.offset_ms
    booted_ms = round(now_ms - clock.monotonic_ms())
    ages_s, alarms = backups(config)
    backlogs = backlogs_of(journal, health.outputs, now_ms)
    next_number = journal.log.next_number
    held, memory = journal.status(now_ms), resident_memory()
    with health.lock:
        status = Status(
            site=config.main.site,
            now_ms=round(now_ms),
            up_s=round((now_ms - health.started_ms) / 1000),
            clock=ClockStatus(trusted=frame.dated, steps=clock.steps),
            sources={
                name: source_status(each, monotonic_ms, booted_ms)
                for name, each in health.sources.items()
            },
            derivations={
                name: derivation_status(each, next_number, now_ms)
                for name, each in health.derivations.items()
            },
            outputs={
                name: output_status(each, *backlogs[name]) for name, each in health.outputs.items()
            },
            alerts={
                each.name: alert_status(each, health.meanings.get(each.rule, TOO_NEW), now_ms)
                for derivation in health.derivations.values()
                for each in derivation.alerts
            },
            journal=held,
            page=PageStatus(
                url=health.page.url,
                state=health.page.state,
                since_ms=round(health.page.since_ms),
                last_error=safe(health.page.last_error),
            ),
            ledger=ledger_status(health.ledger, next_number),
            resident_memory=memory,
            backups=ages_s,
        )
    return replace(status, problems=(*problems(status), *map(safe, alarms)))


def backlogs_of(
    journal: Journal, names: Iterable[str], now_ms: float
) -> dict[str, tuple[int, float]]:
    """Return how many readings each cursor of *names* lacks, and for how many seconds."""
    return {name: (journal.backlog(name), journal.behind_ms(name, now_ms) / 1000) for name in names}


def source_status(source: SourceHealth, now_ms: float, booted_ms: int) -> SourceStatus:
    """Return how a source is doing. Times from before the clock was right count from the boot."""
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
        last_out_of_range=safe(source.last_out_of_range),
        last_error=safe(source.last_error),
        latest={
            device: LatestReading(
                kind=each.kind,
                label=source.labels.get(device, source.label),
                at_ms=each.at_ms + booted_ms * (each.at_ms < UNDATED_MS),
                values=dict(each.values),
            )
            for device, each in source.latest.items()
        },
    )


def ledger_status(ledger: LedgerHealth, next_number: int) -> LedgerStatus:
    return LedgerStatus(
        state=ledger.state,
        last_error=safe(ledger.last_error),
        written_ms=round(ledger.written_ms),
        bytes=ledger.size,
        backlog=max(next_number - ledger.number, 0),
    )


def lateness_of(source: SourceHealth) -> Lateness | None:
    late = source.lateness_s.ordered
    if not late:
        return None
    return Lateness(
        median=round(late[len(late) // 2], 6),
        p99=round(late[len(late) * 99 // 100], 6),
        worst=round(late[-1], 6),
    )


def output_status(output: OutputHealth, backlog: int, backlog_s: float) -> OutputStatus:
    return OutputStatus(
        label=output.label,
        state=output.state,
        since_ms=round(output.since_ms),
        last_delivery_ms=round(output.last_ms),
        last_error=safe(output.last_error),
        delivered=output.delivered,
        refused=output.refused,
        backlog=backlog,
        backlog_s=round(backlog_s, 1),
    )


def derivation_status(
    derivation: DerivationHealth, next_number: int, now_ms: float
) -> DerivationStatus:
    """Return the figures of a derivation; *next_number* is that of the journal."""
    return DerivationStatus(
        label=derivation.label,
        state=derivation.state,
        since_ms=round(derivation.since_ms),
        last_error=safe(derivation.last_error),
        made=derivation.made,
        backlog=max(next_number - derivation.number, 0),
        backlog_s=behind_s(derivation, next_number, now_ms),
    )


def behind_s(derivation: DerivationHealth, next_number: int, now_ms: float) -> float:
    """Return how far a derivation is behind; 0 where it has all, or has read none yet."""
    if next_number <= derivation.number or not derivation.passed_ms:
        return 0.0
    return max(round((now_ms - derivation.passed_ms) / 1000, 1), 0.0)
