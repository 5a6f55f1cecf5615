"""The doctor tells whether the page is served, and what mends it."""

import socket
from dataclasses import replace

from collector.contract.page import PageOptions
from collector.doctor import examine, page
from collector.secrets import Secret
from collector.status import PageStatus
from tests.fakes.doctor_case import a_status, open_in
from tests.fakes.page import options_with, serving


def only(tmp_path, status, extra=""):
    opened = open_in(tmp_path, status=a_status(page=status), extra=extra)
    ((_, (finding,)),) = examine.examine(opened, {"": page.CHECKS})
    return finding


def test_what_is_served_is_asked_once(tmp_path):
    with serving() as options:
        finding = only(tmp_path, PageStatus(url=options.url, state="serving"))
    assert (finding.severity, finding.what) == (
        "ok",
        f"the page and /metrics are served at {options.url}, to this computer alone",
    )


def test_what_does_not_answer_is_an_error(tmp_path):
    options = options_with()
    finding = only(tmp_path, PageStatus(url=options.url, state="serving"))
    assert finding.severity == "error"
    assert "does not answer" in finding.what


def test_a_port_that_is_taken_is_told_with_the_command_that_names_who_has_it(tmp_path):
    error = "port 9992 is used by another program; 'sudo ss …"
    finding = only(
        tmp_path,
        PageStatus(url="http://127.0.0.1:9992", state="away", last_error=error),
    )
    assert finding.severity == "error"
    assert finding.mend.startswith("sudo ss -ltnp sport = :")


def test_a_password_that_is_missing_is_told_with_the_command_that_stores_it(tmp_path):
    opened = open_in(tmp_path, status=a_status())
    assert opened.config is not None
    locked = replace(opened.config.main, page=PageOptions(password=Secret("page-password")))
    opened = replace(opened, config=replace(opened.config, main=locked))
    words = "secret 'page-password' has not reached the service"
    assert page.mend(opened, words) == "sudo energy-monitor secret set page-password"


def test_off_and_starting_are_no_faults(tmp_path):
    off = only(tmp_path, PageStatus())
    assert (off.severity, off.what) == ("ok", "the page is switched off: page.port is 0")
    assert only(tmp_path, PageStatus(url="x", state="starting")).severity == "unknown"


def test_what_listens_everywhere_is_asked_on_this_computer(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = options_with(tmp_path, address="0.0.0.0", port=port)
    assert page.reachable(options, options.url) == f"http://127.0.0.1:{port}"
