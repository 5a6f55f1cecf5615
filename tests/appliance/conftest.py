"""Where no lab can be had, its tests are skipped, with the reason."""

from contextlib import contextmanager

import pytest

from tests.appliance import lab
from tests.appliance.machine import Machine


@pytest.fixture(scope="session", autouse=True)
def _a_lab_can_be_had():
    if reason := lab.obstacle():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def machine_of():
    """Return what makes a machine that is taken away in the end, and booted in the beginning."""

    @contextmanager
    def made(name, **options):
        machine = Machine(name, **options)
        try:
            machine.boot()
            yield machine
        finally:
            machine.close()

    return made
