"""The collector's own figures as metrics, out of its Status.

What the catalogue has too keeps its name from there.
"""

from collections.abc import Iterable, Iterator, Mapping

from collector.contract.metric_names import PREFIX, Metric, metrics
from collector.status import DerivationStatus, OutputStatus, SourceStatus, Status

Figure = tuple[Metric, float]

STARTING = "starting"  # neither up nor down: not known yet

UP = Metric(f"{PREFIX}up", "gauge", "1 when the source answers")
OUTPUT_UP = Metric(f"{PREFIX}output_up", "gauge", "1 when the output delivers")
DELIVERED = Metric(f"{PREFIX}delivered_total", "counter", "readings that the output has delivered")
REFUSED = Metric(f"{PREFIX}refused_total", "counter", "readings that the far side refused for ever")
DERIVATION_UP = Metric(f"{PREFIX}derivation_up", "gauge", "1 when the derivation works")
DERIVED = Metric(f"{PREFIX}derived_total", "counter", "readings that the derivation has made")
DERIVATION_BACKLOG = Metric(
    f"{PREFIX}derivation_backlog", "gauge", "readings that the derivation has not used yet"
)
JOURNAL_READINGS = Metric(f"{PREFIX}journal_readings", "gauge", "readings in the journal")
JOURNAL_HELD = Metric(
    f"{PREFIX}journal_held", "gauge", "readings that are only in memory until the disk takes them"
)
JOURNAL_UNDATED = Metric(
    f"{PREFIX}journal_undated", "gauge", "readings that wait for a clock that is right"
)
JOURNAL_FAULTS = Metric(f"{PREFIX}journal_faults", "gauge", "files that the disk refuses")
BACKUP_RUN_AGE = Metric(
    f"{PREFIX}backup_run_age_seconds", "gauge", "time since the task of backups last went well"
)
CLOCK_TRUSTED = Metric(f"{PREFIX}clock_trusted", "gauge", "1 when the clock is trusted")
CLOCK_STEPS = Metric(f"{PREFIX}clock_steps_total", "counter", "steps of the clock since the start")
STARTED = Metric(f"{PREFIX}start_timestamp_seconds", "gauge", "when the collector was started")
PROBLEMS = Metric(f"{PREFIX}problems", "gauge", "problems that 'energy-monitor status' names")


def own_figures(status: Status) -> Iterator[tuple[Mapping[str, str], Iterable[Figure]]]:
    """Yield figures by the labels that they have besides ``site``."""
    known = metrics()
    yield {}, of_service(status)
    for name, source in status.sources.items():
        yield {"source": name}, of_source(source)
    for name, output in status.outputs.items():
        yield {"output": name}, of_output(output)
    for name, derivation in status.derivations.items():
        yield {"derivation": name}, of_derivation(derivation)
    for cause, count in status.journal.dropped.items():
        yield {"cause": cause}, [(known["readings_dropped"], count)]
    for task, age_s in status.backups.items():
        yield {"task": task}, [(BACKUP_RUN_AGE, age_s)]


def of_service(status: Status) -> Iterator[Figure]:
    known, journal = metrics(), status.journal
    yield STARTED, round(status.now_ms / 1000 - status.up_s)
    yield known["resident_memory"], status.resident_memory
    yield PROBLEMS, len(status.problems)
    yield CLOCK_TRUSTED, int(status.clock.trusted)
    yield CLOCK_STEPS, status.clock.steps
    yield JOURNAL_READINGS, journal.readings
    yield known["journal_size"], journal.bytes
    yield JOURNAL_HELD, journal.held
    yield JOURNAL_UNDATED, journal.undated
    yield JOURNAL_FAULTS, len(journal.faults)
    if not journal.dropped:
        yield known["readings_dropped"], 0


def of_source(source: SourceStatus) -> Iterator[Figure]:
    known = metrics()
    if source.state != STARTING:
        yield UP, int(source.state == "alive")
    yield known["reads"], source.reads
    yield known["read_failures"], source.failures
    yield known["slots_skipped"], source.skipped
    yield known["out_of_range"], source.out_of_range
    yield known["read_duration"], source.read_duration_s
    if source.lateness_s:
        yield known["lateness"], source.lateness_s.worst


def of_output(output: OutputStatus) -> Iterator[Figure]:
    known = metrics()
    if output.state != STARTING:
        yield OUTPUT_UP, int(output.state == "delivering")
    yield DELIVERED, output.delivered
    yield REFUSED, output.refused
    yield known["backlog"], output.backlog
    yield known["backlog_age"], output.backlog_s


def of_derivation(derivation: DerivationStatus) -> Iterator[Figure]:
    if derivation.state != STARTING:
        yield DERIVATION_UP, int(derivation.state == "deriving")
    yield DERIVED, derivation.made
    yield DERIVATION_BACKLOG, derivation.backlog
