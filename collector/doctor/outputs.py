"""The outputs: do they deliver, how far are they behind, and does the far side answer?"""

import shlex
import time
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

from collector.contract.documents import parsed
from collector.doctor.case import MEND_STACK, PATIENCE, Case
from collector.doctor.finding import Finding, labelled
from collector.doctor.secrets import mend_login
from collector.doctor.stored import influxdbs
from collector.errors import ReadFault
from collector.lines import http
from collector.lines.http_answer import Answer
from collector.status import JournalStatus, OutputStatus
from collector.text import counted, duration

BETWEEN_SAMPLES_S = 2.0  # a backlog goes out batch after batch: this sees several
SLACK_S = 30
LOCAL = {"localhost", "127.0.0.1", "::1"}


def delivering(case: Case) -> Iterator[Finding]:
    """Does every output deliver, and if it is behind, for how long still?"""
    outputs = case.answer().outputs
    for finding in each_output(case):
        name = finding.what.partition(":")[0]
        yield from labelled(name, outputs[name].label, [finding])


def each_output(case: Case) -> Iterator[Finding]:
    status = case.answer()
    later = None
    for name, output in status.outputs.items():
        every_s = getattr(case.config.outputs.get(name), "every", 3) if case.config else 5
        if output.state == "away":
            yield away(case, name, output)
        elif output.state == "failed":
            yield Finding(
                "error",
                f"{name}: failed, an internal error: {output.last_error}",
                f"{output.backlog:,} readings wait for it; it is tried again every minute.",
                "journalctl -u energy-monitor-collector    # has the traceback; please report it",
            )
        elif output.backlog_s > SLACK_S + 3 * every_s:
            if later is None:
                time.sleep(BETWEEN_SAMPLES_S)
                later = case.again().answer()
            yield catching_up(name, output, later.outputs[name], later.now_ms, status.now_ms)
        elif output.state == "starting":
            yield Finding("unknown", f"{name}: nothing has been delivered yet")
        else:
            yield Finding(
                "ok",
                f"{name}: delivering, {counted(output.backlog, 'reading')} to go; "
                f"{output.delivered:,} since the service started",
            )


def away(case: Case, name: str, output: OutputStatus) -> Finding:
    status = case.answer()
    lasts = room_s(status.journal, case.main.journal.max_size)
    kept = f"; the journal has room for another {duration(lasts)}" if lasts else ""
    since = duration((status.now_ms - output.since_ms) / 1000)
    return Finding(
        "error",
        f"{name}: away for {since}: {output.last_error}",
        f"{output.backlog:,} readings wait for it in the journal{kept}.",
        mend_login(case, "outputs", name, output.last_error)
        or mend_server(case, name, output.last_error),
    )


def room_s(journal: JournalStatus, limit: int) -> float | None:
    """Return for how long the journal has room, as fast as it has grown; None while too new."""
    if journal.days < 1 / 24 or not journal.bytes:
        return None
    return float((limit - journal.bytes) / journal.bytes * journal.days * 86_400)


def catching_up(
    name: str, before: OutputStatus, after: OutputStatus, after_ms: float, before_ms: float
) -> Finding:
    """Tell how far an output is behind, and by two samples when it will not be any more."""
    seconds = (after_ms - before_ms) / 1000
    gain = (before.backlog - after.backlog) / seconds
    behind = f"{name}: {counted(after.backlog, 'reading')} behind, {duration(after.backlog_s)}"
    if not after.backlog:
        return Finding("ok", f"{name}: delivering; no backlog any more")
    if gain > 0:
        left = duration(after.backlog / gain)
        return Finding("ok", f"{behind}; it gains {gain:,.0f} a second and is done in {left}")
    return Finding(
        "warning",
        f"{behind}, and it gains nothing",
        "The server accepts readings more slowly than they arrive, or not at all.",
        "journalctl -u energy-monitor-collector --since -1h",
    )


def is_ours(case: Case, url: str) -> bool:
    """Does *url* lead to the database that is installed on this machine with us?"""
    return case.machine.has_stack and urlsplit(url).hostname in LOCAL


def mend_server(case: Case, name: str, error: str = "") -> str:
    """Return what mends a server that takes no readings; one that is starting is left alone."""
    options = case.config.outputs.get(name) if case.config else None
    url = getattr(options, "url", "")
    if urlsplit(url).scheme not in {"http", "https"}:
        return "journalctl -u energy-monitor-collector -n 20"
    if getattr(options, "type", "") != "influxdb":
        return f"curl -i {shlex.quote(url)}    # is it running there?"
    if is_ours(case, url) and str(HTTPStatus.SERVICE_UNAVAILABLE.value) in error:
        return "sudo docker logs --tail 20 energy-monitor-influxdb-1    # it is still starting"
    if is_ours(case, url):
        return MEND_STACK
    return f"curl -i {health(url)}    # is it running there?"


def health(url: str) -> str:
    """Return the address of InfluxDB's health, quoted for a shell."""
    return shlex.quote(f"{url.rstrip('/')}/health")


def reachable(case: Case) -> Iterator[Finding]:
    """Does InfluxDB answer from here?"""
    for name, options in influxdbs(case):
        try:
            page = http.get(f"{options.url.rstrip('/')}/health", limits=PATIENCE, name="it")
        except ReadFault as error:
            why = "Readings wait in the journal, and no dashboard shows anything."
            what = f"{name}: InfluxDB at {options.url} does not answer: {error}"
            yield Finding("error", what, why, mend_server(case, name))
            continue
        if page.status == HTTPStatus.OK:
            yield Finding("ok", f"{name}: InfluxDB{version_in(page)} at {options.url} answers")
        else:
            yield Finding(
                "warning",
                f"{name}: {options.url} answered {page.status} when asked for its health",
                "It is still starting, has a problem, or is not InfluxDB."
                if page.status != HTTPStatus.UNAUTHORIZED
                else "A proxy before it wants a login of its own, or it is not InfluxDB.",
                mend_server(case, name, str(page.status))
                if page.status != HTTPStatus.UNAUTHORIZED
                else f"curl -i {health(options.url)}    # name in 'url' what needs no such login",
            )


def version_in(page: Answer) -> str:
    try:
        version = parsed(page.text)["version"]
    except (ValueError, LookupError, TypeError):
        return ""
    return f" {str(version).removeprefix('v')}"


CHECKS = (delivering, reachable)
