"""Where server tests must run (CI), one that cannot is a failure; elsewhere a skip that is told."""

import os
import re

import pytest

REQUIRED = os.environ.get("ENERGY_MONITOR_REQUIRE_SERVERS")
INSTALLABLE = re.compile(r"\bapt install\b|Debian package")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if REQUIRED and report.skipped and INSTALLABLE.search(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: must not be skipped here: {report.longrepr[2]}"


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Say last of all what was skipped for want of a server, and the command that mends it."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = terminal.stats.get("skipped", []) if terminal else []
    missing = [each for each in skipped if INSTALLABLE.search(str(each.longrepr))]
    if missing:
        terminal.line(
            f"{len(missing)} tests were skipped for want of a server; they are named above. "
            "To enable them: sudo tests/install-servers"
        )
