"""What is stored: how old the newest point of every source is in every InfluxDB.

This is the criterion that counts: everything before it can look well while nothing arrives.
"""

import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from collector.contract import Context, OutputOptions
from collector.contract.documents import parsed
from collector.doctor.case import AS_ROOT, Case
from collector.doctor.finding import CannotTell, Finding
from collector.doctor.sources import interval_s
from collector.errors import OutputAway
from collector.lines.serial import Lines
from collector.outputs.influxdb.output import LOOK_BACK, Answer, InfluxDB, InfluxDBOptions, token_in
from collector.outputs.influxdb.site import LATELY
from collector.reading import Reading, decode, encode
from collector.run.identity import installation
from collector.run.selection import Selection
from collector.safe_text import safe
from collector.status import SourceStatus
from collector.text import duration

SLACK_S = 30


def influxdbs(case: Case) -> Iterator[tuple[str, InfluxDBOptions]]:
    for name, options in case.sound().outputs.items():
        if isinstance(options, InfluxDBOptions):
            yield name, options


def stored(case: Case) -> Iterator[Finding]:
    """How old is the newest point of every source in every InfluxDB?"""
    for name, options in influxdbs(case):
        if options.read_token is None:
            yield Finding(
                "advice",
                f"{name}: what it has stored cannot be asked for: there is no 'read_token'",
                "With it, readings that the database has lost are sent again.",
                f"sudo energy-monitor setup influxdb {name} && sudoedit {case.file}"
                f"    # read_token: !secret influxdb-read-token",
            )
            continue
        now_ms = case.status.now_ms if case.status else time.time() * 1000
        newest = newest_stored(case, name, options)
        for source in case.sound().sources:
            yield freshness(case, name, source, newest, now_ms)


def freshness(
    case: Case, output: str, source: str, newest: dict[str, int], now_ms: float
) -> Finding:
    """Compare what is stored of *source* with the newest reading, or without one with now."""
    assert case.config is not None
    patience_s = SLACK_S + 3 * (interval_s(case, source) + case.config.outputs[output].every)
    status = case.status.sources.get(source) if case.status else None
    read = sent_to(case.config.outputs[output], status)
    if status and status.latest and not read:
        return Finding("ok", f"{source}: {output} does not select it")
    devices = sorted(read) or [source]
    lacking = ", ".join(device for device in devices if device not in newest)
    place = f"{source} in {output}"
    if lacking and status and (now_ms - status.since_ms) / 1000 < patience_s:
        return Finding("unknown", f"{place}: nothing is stored yet; it has just started")
    if lacking:
        return missing(case, f"{place}: nothing of {lacking} is stored in the last 30 days", output)
    stored_ms = min(newest[device] for device in devices)
    what = f"{place}: newest point {duration((now_ms - stored_ms) / 1000)} ago"
    due_ms = min(read.values()) if read else now_ms
    if (due_ms - stored_ms) / 1000 > patience_s:
        return missing(case, what, output)
    return Finding("ok", what)


def sent_to(options: OutputOptions, status: SourceStatus | None) -> dict[str, int]:
    """Return the time of the newest reading by device, as the output has selected and renamed."""
    selection, latest = Selection(options), status.latest if status else {}
    if not selection.changes:
        return {device: each.at_ms for device, each in latest.items()}
    lines = [
        selection.apply(encode(Reading(each.kind, device, each.at_ms, each.values)))
        for device, each in latest.items()
    ]
    return {reading.device: reading.at_ms for reading in map(decode, filter(None, lines))}


def missing(case: Case, what: str, output: str) -> Finding:
    status = case.status.outputs.get(output) if case.status else None
    return Finding(
        "warning" if status and status.state == "delivering" else "error",
        what,
        "Unstored readings are on no dashboard; they may still be in the journal.",
        f"energy-monitor status; energy-monitor journal dead-letters {output}",
    )


def newest_stored(case: Case, name: str, options: InfluxDBOptions) -> dict[str, int]:
    """Return the time of the newest point of every device, in ms. Raise CannotTell.

    An hour is looked through first, and more only where a source of the configuration lacks.
    """
    config = case.sound()
    context = Context(config.main.site, Lines(), case.file.parent, Path())
    database = InfluxDB(name, options, context)
    found: dict[str, int] = {}
    try:
        for span in LOOK_BACK:
            found = ask_newest(database, span) | found
            if set(config.sources) <= set(found):
                break
    except OutputAway as error:
        denied = isinstance(error.__cause__ and error.__cause__.__cause__, PermissionError)
        mend = AS_ROOT if denied else ""
        raise CannotTell(f"what is stored cannot be asked for: {error}", mend) from error
    finally:
        database.close()
    return found


def ask_newest(database: InfluxDB, span: str) -> dict[str, int]:
    """Ask for the newest point of every device within *span*, such as 1h. Raise OutputAway."""
    assert database.options.read_token is not None
    bucket, _, policy = database.options.bucket.partition("/")
    query = (
        f"SELECT * FROM /.*/ WHERE {database.ours} AND time > now() - {span} "  # noqa: S608  of plain words
        "GROUP BY device ORDER BY time DESC LIMIT 1"
    )
    fields = {"db": bucket, "epoch": "ms", "q": query} | ({"rp": policy} if policy else {})
    answer = database.ask("GET", "/query", fields, token_in(database.options.read_token))
    return newest_in(answer)


def newest_in(answer: Answer) -> dict[str, int]:
    """Return the newest time of each device in an answer of InfluxQL. Raise OutputAway."""
    found: dict[str, int] = {}
    try:
        result = parsed(answer.said)["results"][0]
        if answer.status != HTTPStatus.OK or "error" in result:
            raise OutputAway(f"it answered {answer}")
        for series in result.get("series", ()):
            device, at_ms = series["tags"]["device"], int(series["values"][0][0])
            found[device] = max(at_ms, found.get(device, 0))
    except (ValueError, LookupError, TypeError) as error:
        raise OutputAway(f"it answered {answer}") from error
    return found


def alone(case: Case) -> Iterator[Finding]:
    """Does another installation write our site into the same database?"""
    ours = installation(case.sound().data_dir)
    for name, options in influxdbs(case):
        if options.read_token is None or not ours:
            continue
        context = Context(case.sound().main.site, Lines(), case.file.parent, Path())
        database = InfluxDB(name, options, context)
        try:
            others = (database.marks(LATELY) or set()) - {ours}
        finally:
            database.close()
        if others:
            yield Finding(
                "error",
                f"{name}: another installation writes site {context.site!r} there: "
                f"{safe(', '.join(sorted(others))[:200])}",
                "Two houses become one in every dashboard, and nothing can part them again.",
                f"sudoedit {case.file}    # here or there: give it another 'site'",
            )


CHECKS = (stored, alone)
