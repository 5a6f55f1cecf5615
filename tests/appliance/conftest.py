"""Where no lab can be had, its tests are skipped: a line per module says why.

Where there is one, figures, and what stood in for what, are told in the end.
"""

from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.appliance import lab
from tests.appliance.machine import Machine

LINES = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items):
    ours = [each for each in items if each.path.parent == Path(__file__).parent]
    reason = lab.obstacle() if ours else None
    for each in ours:
        if reason:
            each.add_marker(pytest.mark.skip(reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    report = (yield).get_result()
    if report.skipped:
        file, _, reason = report.longrepr
        report.longrepr = (file, None, reason)  # with no line, all of a module are told in one


@pytest.fixture(scope="session")
def machine_of():
    """Return what makes a machine that is booted in the beginning, and taken away in the end."""

    @contextmanager
    def made(name, **options):
        machine = Machine(name, **options)
        try:
            machine.boot()
            yield machine
        finally:
            machine.close()

    return made


@pytest.fixture(scope="session")
def tell(pytestconfig):
    """Return what takes a line that is told when all tests have run."""
    return pytestconfig.stash.setdefault(LINES, []).append


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(LINES, []):
        terminalreporter.line(f"lab: {line}")
