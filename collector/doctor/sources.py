"""The service and its sources: who is read, how long ago, and how well."""

from collections.abc import Iterator
from pathlib import Path

from collector.doctor.case import AS_ROOT, RELOAD, RESTART, Case
from collector.doctor.finding import Finding, labelled
from collector.doctor.secrets import mend_login
from collector.status import SourceStatus
from collector.text import amount, duration

MANY = 0.01  # of the reads: more than the odd disturbance
STARTS_WITHIN_S = 60
STALE_S = 60


def running(case: Case) -> Iterator[Finding]:
    """Does the service answer?"""
    if case.status is not None:
        memory, up = amount(case.status.resident_memory), duration(case.status.up_s)
        yield Finding("ok", f"the service is up for {up} and takes {memory} of memory")
    elif case.away is not None and isinstance(case.away.__cause__, PermissionError):
        yield Finding("unknown", "the service answers only root and its own user", "", AS_ROOT)
    else:
        yield Finding(
            "error",
            f"no service answers at {case.main.runtime_dir}/control.sock",
            "Nothing is read while it does not run.",
            f"{RESTART}; journalctl -u energy-monitor-collector -n 20",
        )


def each_source(case: Case) -> Iterator[Finding]:
    """How is every source doing?"""
    if case.status is None:
        return  # ``running`` reports it
    sources = case.status.sources
    for name, source in sources.items():
        findings = (state(case, name, source), *quality(name, source))
        yield from labelled(name, source.label, findings)
    wanted = set(case.config.sources) if case.config else set(sources)
    for name in sorted(wanted ^ set(sources)):
        yield Finding(
            "warning",
            f"{name}: in the configuration, but not read"
            if name in wanted
            else f"{name}: read, but no longer in the configuration",
            "The service still runs with the configuration that it was started with.",
            RELOAD,
        )


def loaded(case: Case) -> Iterator[Finding]:
    """Has the configuration been changed since the service started?"""
    if case.status is None or case.config is None:
        return
    if set(case.config.sources) != set(case.status.sources):
        return  # ``each_source`` reports it
    started_s = case.status.now_ms / 1000 - case.status.up_s
    for file in case.config.faults.files:
        changed_s = Path(str(file)).stat().st_mtime
        if changed_s > started_s + 1:
            yield Finding(
                "warning",
                f"{file} was changed {duration(case.status.now_ms / 1000 - changed_s)} ago, after "
                "the service had started",
                "The service still runs with the configuration that it was started with.",
                RELOAD,
            )


def state(case: Case, name: str, source: SourceStatus) -> Finding:
    """Tell one source's state and the age of its last reading."""
    if source.state == "silent":
        last = f"read {ago(source)}" if source.age_s else "never read since the start"
        return Finding(
            "error",
            f"{name}: silent: {source.last_error}; {last}",
            "It is retried; what it measures meanwhile is not recorded.",
            mend_login(case, "sources", name, source.last_error)
            or f"sudo systemctl stop energy-monitor-collector; sudo energy-monitor read {name}; "
            "sudo systemctl start energy-monitor-collector",
        )
    if source.state == "failed":
        return Finding(
            "error",
            f"{name}: failed, an internal error: {source.last_error}",
            "It is read again twice a minute; other sources go on.",
            "journalctl -u energy-monitor-collector    # has the traceback; please report it",
        )
    if source.state != "alive":
        return unread(case, name, source)
    if (source.age_s or 0) > STALE_S + 3 * interval_s(case, name):
        return Finding(
            "advice",
            f"{name}: answers, but its newest reading is of {ago(source)}",
            "Old bills and weather reports are normal; old meter readings are not.",
            f"sudo energy-monitor journal tail | grep {name}",
        )
    late = source.lateness_s
    how = f", {late.p99 * 1000:.1f} ms late at most (p99)" if late else ""
    return Finding("ok", f"{name}: alive, read {ago(source)}{how}")


def ago(source: SourceStatus) -> str:
    return f"{duration(source.age_s)} ago"


def unread(case: Case, name: str, source: SourceStatus) -> Finding:
    """Tell of a source that has not answered yet, and has not been called silent."""
    if case.answer().up_s < STARTS_WITHIN_S + interval_s(case, name):
        mend = "sudo energy-monitor doctor    # again, in a minute"
        return Finding("unknown", f"{name}: not read yet; the service has just started", "", mend)
    return Finding(
        "warning",
        f"{name}: has not answered since the service started: {source.last_error}",
        "Its line may have no time left for it.",
        RELOAD,
    )


def interval_s(case: Case, name: str) -> float:
    """Return the shortest interval at which a source is read."""
    if case.config is None or name not in case.config.sources:
        return 1.0
    options = case.config.sources[name]
    return float(min([options.every, *(group.every for group in options.read)]))


def quality(name: str, source: SourceStatus) -> Iterator[Finding]:
    """Tell of reads that fail, slots that are skipped and values that cannot be."""
    tried = source.reads + source.failures
    if tried and source.state == "alive" and source.failures / tried > MANY:
        yield Finding(
            "warning",
            f"{name}: {source.failures / tried:.1%} of {tried:,} reads failed",
            "A bad contact, A and B without a terminating resistor, a cable beside a motor, or a "
            "second master on the line.",
            "journalctl -u energy-monitor-collector --since -1h",
        )
    slots = source.reads + source.skipped
    if slots and source.skipped / slots > MANY:
        yield Finding(
            "warning",
            f"{name}: {source.skipped / slots:.1%} of {slots:,} slots were skipped",
            "Its line was still busy when they were due; what it measured then is not known.",
            "energy-monitor check    # shows overloaded lines",
        )
    if source.out_of_range:
        yield Finding(
            "warning",
            f"{name}: {source.out_of_range:,} values were left out, the last one "
            f"{source.last_out_of_range}",
            "They are outside the possible range: often the model does not quite match the meter.",
            f"energy-monitor read {name} --raw    # while the service is stopped",
        )


CHECKS = (running, each_source, loaded)
