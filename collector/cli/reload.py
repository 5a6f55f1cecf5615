"""``energy-monitor reload``: the service runs with the configuration as it is now."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from collector import config
from collector.cli import units
from collector.cli.arguments import config_option, pasteable
from collector.cli.check import report
from collector.config import Config
from collector.errors import EnergyMonitorError
from collector.run import control
from collector.status import Status
from collector.text import duration

ANSWERS_WITHIN_S = 60  # from when systemd calls it started
ASK_EVERY_S = 0.2
GROUPS = ("sources", "derivations", "outputs")


@click.command()
@config_option
def reload(file: Path) -> None:
    """Restart the service with the changed configuration, if there are no mistakes in it.

    First it says what 'check' says. With a mistake nothing is restarted, and the exit status is
    78. It waits until the service answers and prints what is new and what is gone. Exit status 1
    where no service of systemd reads this file: then it says how to restart.

    \b
    Example:
      sudo energy-monitor reload
    """
    loaded = report(file)
    if not is_the_units(file):
        click.echo(
            pasteable(
                "systemd runs no service with this file, so nothing was restarted: end the one "
                "that runs (Ctrl-C), and start it again with 'energy-monitor run'"
            ),
            err=True,
        )
        sys.exit(1)
    if os.geteuid() != 0:
        raise EnergyMonitorError("only root restarts the service: try 'sudo energy-monitor …'")
    before = running(loaded)
    began_s = time.monotonic()
    if units.systemctl("restart", units.COLLECTOR):
        raise not_started("does not start")
    after = answer_of(loaded)
    took = duration(time.monotonic() - began_s)
    click.secho(f"{units.COLLECTOR} runs with the new configuration ({took})", fg="green")
    for line in changes(before, after) if before else ():
        click.echo(f"  {line}")


def is_the_units(file: Path) -> bool:
    """Does systemd run the collector here, and with *file*?"""
    if not units.booted() or file.resolve() != config.DEFAULT_FILE.resolve():
        return False
    return units.asked("show", "--property=LoadState", "--value", units.COLLECTOR) == "loaded"


def running(loaded: Config) -> Status | None:
    """Return the status of the service that runs; None where none does, or none can be asked."""
    try:
        return control.status(loaded.socket)
    except EnergyMonitorError:
        return None


def answer_of(loaded: Config) -> Status:
    """Wait until the service answers; the one before has ended. Raise EnergyMonitorError."""
    deadline_s = time.monotonic() + ANSWERS_WITHIN_S
    while time.monotonic() < deadline_s:
        answer = running(loaded)
        if answer and all(holds(loaded, answer, group) for group in GROUPS):
            return answer
        time.sleep(ASK_EVERY_S)
    raise not_started(f"does not answer with the new configuration within {ANSWERS_WITHIN_S} s")


def holds(loaded: Config, answer: Status, group: str) -> bool:
    return set(getattr(loaded, group)) == set(getattr(answer, group))


def changes(before: Status, after: Status) -> Iterator[str]:
    """Say which sources, derivations and outputs are new, and which are gone."""
    found = False
    for group in GROUPS:
        old, new = getattr(before, group), getattr(after, group)
        for names, what in ((new.keys() - old.keys(), "new"), (old.keys() - new.keys(), "gone")):
            if names:
                found = True
                yield f"{group}, {what}: {', '.join(sorted(names))}"
    if not found:
        yield "the same sources and outputs as before"


def not_started(why: str) -> EnergyMonitorError:
    unit = units.COLLECTOR
    return EnergyMonitorError(f"{unit} {why}: sudo journalctl -u {unit} -n 20")
