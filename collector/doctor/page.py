"""The page: is it served, and to whom?"""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

from collector.contract.page import PageOptions
from collector.doctor.case import PATIENCE, RESTART, Case
from collector.doctor.finding import CannotTell, Finding, Severity
from collector.errors import ReadFault
from collector.lines import http

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where one asks, not where one listens
WHY = "Neither you nor Prometheus sees anything there. Readings are stored as ever."


def served(case: Case) -> Iterator[Finding]:
    """Are the page and /metrics served where the configuration says?"""
    page = case.answer().page
    if page.state == "off":
        if case.config and case.config.main.page.port:
            raise CannotTell("the service runs with an older configuration (see 'sources')")
        yield Finding("ok", "the page is switched off: page.port is 0")
    elif page.state == "failed":
        yield Finding(
            "error",
            f"{page.url} failed, an internal error: {page.last_error}",
            WHY,
            "journalctl -u energy-monitor-collector    # has the traceback; please report it",
        )
    elif page.state == "serving":
        yield from answering(case, page.url)
    else:
        what = page.last_error or "the service has just started"
        severity: Severity = "error" if page.last_error else "unknown"
        yield Finding(severity, f"{page.url} is not served: {what}", WHY, mend(case, what))


def mend(case: Case, what: str) -> str:
    port = case.main.page.port
    if "another program" in what:
        return f"sudo ss -ltnp sport = :{port}    # end it, or set another 'page.port'; {RESTART}"
    if "no address" in what:
        return f"ip -brief address    # correct 'page.address'; {RESTART}"
    if case.main.page.password and "secret" in what:
        return f"sudo energy-monitor secret set {case.main.page.password.name}"
    return RESTART


def answering(case: Case, url: str) -> Iterator[Finding]:
    """Ask it once: a firewall of this computer, or a port that another took, would be seen."""
    try:
        status = http.get(f"{reachable(case.main.page, url)}/healthz", limits=PATIENCE, name="it")
    except ReadFault as error:
        yield Finding("error", f"{url} does not answer: {error}", WHY, RESTART)
        return
    if status.status != HTTPStatus.OK:
        yield Finding("error", f"{url}/healthz answered {status.status}", WHY, RESTART)
        return
    who = "with the password" if case.main.page.password else "to this computer alone"
    yield Finding("ok", f"the page and /metrics are served at {url}, {who}")


def reachable(options: PageOptions, url: str) -> str:
    """Return *url* with an address that one can connect to."""
    other = ANYWHERE.get(options.address)
    if not other:
        return url
    return replace(options, address=other).url


CHECKS = (served,)
