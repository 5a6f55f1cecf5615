"""What holds for every test: which are left out and that it is shown, and how hypothesis looks.

Where server tests must run (CI), one that cannot is a failure; elsewhere it is skipped and counted.
"""

import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from collector import secrets

REQUIRED = os.environ.get("ENERGY_MONITOR_REQUIRE_SERVERS")
INSTALLABLE = re.compile(r"\bapt install\b|Debian package")
SLOW = "slow: left out by --quick"
# A busy machine makes no example wrong. CI judges a change, so it tries the same examples every
# time; new ones are tried where somebody can look at what they find.
settings.register_profile("tests", deadline=None, derandomize=bool(REQUIRED))
settings.load_profile("tests")


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out the tests marked slow")


def pytest_collection_modifyitems(config, items):
    if config.getoption("quick"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(SLOW))


@pytest.fixture
def open_folder():
    """A folder that every user may look into, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def pytest_runtest_teardown():
    secrets.known.clear()  # the words of one test's secrets are hidden in no other


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if REQUIRED and report.skipped and INSTALLABLE.search(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: must not be skipped here: {report.longrepr[2]}"


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Say last of all what was left out, and the command that runs it."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if not terminal:  # a worker of pytest-xdist
        return
    reasons = [str(each.longrepr) for each in terminal.stats.get("skipped", [])]
    if slow := sum(SLOW in each for each in reasons):
        terminal.line(f"{slow} slow tests were left out. To run them too: make test-all")
    if missing := sum(bool(INSTALLABLE.search(each)) for each in reasons):
        terminal.line(
            f"{missing} tests were skipped for want of a server; they are named above. "
            "To enable them: sudo tests/install-servers"
        )
