"""Where server tests must run (CI), one that cannot is a failure and not a skip."""

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
