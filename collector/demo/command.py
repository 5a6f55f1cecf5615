"""What ``energy-monitor demo`` runs: simulated devices, the real collector, a live table."""

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import click

from collector.demo import (
    bus,
    configuration,
    heatpump,
    history,
    lights,
    stack,
    vedirect,
    view,
)
from collector.demo.configuration import BATTERY, BUS, SUN, Place
from collector.errors import EnergyMonitorError
from collector.run import control
from collector.status import Status
from collector.text import counted

START_WITHIN_S = 30  # of a busy Raspberry Pi
LINE_EVERY_S = 5
READ_S = 4  # to read a sentence before the screen is cleared


def run(duration_s: float | None, folder: Path, *, with_grafana: bool = False) -> int:
    """Run the demo for *duration_s*, or until Ctrl-C; return its exit status."""
    folder = folder.absolute()
    if with_grafana and (reason := stack.why_not()):
        click.echo(f"{reason}. The demo goes on without it.")
        time.sleep(READ_S if sys.stdout.isatty() else 0)
        with_grafana = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with alone_in(folder):
        status = run_in(folder, duration_s, with_grafana=with_grafana)
    click.echo(f"journal and ledger are in {folder}; look into them with:")
    click.echo(f"  {sys.argv[0]} journal tail --data-dir {shlex.quote(str(folder))}")
    click.echo(f"  {sys.argv[0]} bill --config {shlex.quote(str(folder / 'config.yaml'))}")
    return status


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make *folder* and keep other demos out of it. Raise EnergyMonitorError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    door = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"a demo is running in {folder} already: name another folder with --data-dir"
            raise EnergyMonitorError(msg) from error
        yield
    finally:
        os.close(door)


def run_in(folder: Path, duration_s: float | None, *, with_grafana: bool) -> int:
    """Run devices and collector, and show what is read; return the collector's exit status."""
    configuration.check_ours(folder)
    now = time.time()
    place = configuration.place_in(folder, now)
    history.take(folder)
    is_written = history.is_written(folder)
    with ExitStack() as running, ThreadPoolExecutor() as together:
        past = [together.submit(history.write_readings, folder, place.household(), now)]
        heat_pump, processor, *_ = together.map(
            lambda start: running.enter_context(start()), devices(folder, place)
        )
        past.pop().result()
        log = running.enter_context((folder / "collector.log").open("w"))
        more = stack.outputs() if with_grafana else ""
        file = configuration.configure(folder, place, heat_pump, processor, more)
        if with_grafana:
            click.echo("InfluxDB and Grafana are started; the first time takes minutes.")
            running.enter_context(stack.running(file, place.timezone))
            past.append(together.submit(upload_past, file, place))
        collector = running.enter_context(start(file, log))
        if not is_written:  # the first figure does not wait for it
            house = place.household()
            past.append(together.submit(history.write_ledger, folder, house, place.read_since))
        try:
            with suppress(KeyboardInterrupt):  # so people end it
                show_until(
                    collector, folder, duration_s, grafana_of(folder) if with_grafana else []
                )
        finally:
            collector.terminate()
        status = collector.wait(10)
        for each in past:
            each.result()
        history.take(folder)
        return status


def upload_past(file: Path, place: Place) -> None:
    from collector.config import load  # noqa: PLC0415  the demo without Grafana needs neither
    from collector.demo.upload import upload  # noqa: PLC0415

    upload(load(file), place.household(), place.read_since)


def grafana_of(folder: Path) -> list[str]:
    """Return where Grafana is, and how to get in."""
    password = (folder / "secrets" / stack.ADMIN).read_text(encoding="ascii")
    return [f"Grafana: {stack.GRAFANA}   (user admin, password {password})"]


def devices(folder: Path, place: Place) -> list[Callable[[], AbstractContextManager[Any]]]:
    """Return what starts each simulated device, as a process of its own."""
    return [
        partial(heatpump.start, *place.arguments),
        partial(lights.start, *place.arguments),
        partial(bus.start, folder / BUS, *place.arguments),
        partial(vedirect.start, folder / BATTERY, folder / SUN, *place.arguments),
    ]


def start(file: Path, log: IO[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "collector.cli", "run", "--config", str(file)]
    return subprocess.Popen(command, stderr=log, start_new_session=True)  # noqa: S603  ourselves


def show_until(
    collector: "subprocess.Popen[bytes]",
    folder: Path,
    duration_s: float | None,
    places: Sequence[str],
) -> None:
    """Draw what the collector has just read, until the time is over, below *places* to look at."""
    end = time.monotonic() + (float("inf") if duration_s is None else duration_s)
    answer = first_answer(collector, folder)
    terminal = sys.stdout.isatty()
    if terminal:
        click.clear()
    say = partial(view.draw, places=places) if terminal else Piped(places)
    while time.monotonic() < end:
        if collector.poll() is not None:
            log = (folder / "collector.log").read_text(encoding="utf-8")
            raise EnergyMonitorError(f"the collector has stopped:\n{log}")
        say(answer)
        time.sleep(max(0, min(1, end - time.monotonic())))
        answer = control.status(folder / "control.sock")
    if not terminal:
        click.echo(sentence(answer))


class Piped:
    """Says where to look, once it can be looked at, and now and then how it is going."""

    def __init__(self, places: Sequence[str]) -> None:
        self.places = list(places)
        self.is_page_told = False
        self.due_s = 0.0

    def __call__(self, answer: Status) -> None:
        if answer.page.state == "serving" and not self.is_page_told:
            self.is_page_told = True
            self.places.append(f"page: {answer.page.url}/")
        for place in self.places:
            click.echo(place)
        self.places = []
        if time.monotonic() >= self.due_s:
            self.due_s = time.monotonic() + LINE_EVERY_S
            click.echo(sentence(answer))


def first_answer(collector: "subprocess.Popen[bytes]", folder: Path) -> Status:
    """Wait until the collector answers and has read something."""
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            answer = control.status(folder / "control.sock")
            if answer.sources["mains"].latest or time.monotonic() > deadline:
                return answer
        except (control.NotRunning, control.NoAnswer):
            if time.monotonic() > deadline or collector.poll() is not None:
                log = (folder / "collector.log").read_text(encoding="utf-8")
                raise EnergyMonitorError(f"the collector does not start:\n{log}") from None
        time.sleep(0.1)


def sentence(answer: Status) -> str:
    """Say in one line how it is going."""
    mains = answer.sources["mains"]
    reading = next(iter(mains.latest.values()), None)
    if reading is None:
        return f"no reading yet: {mains.last_error}"
    known, late = view.house_power(answer), mains.lateness_s
    house = f"house {known[0]:.0f} W, " if known else ""
    lateness = (
        f"late by {late.median * 1000:.1f} ms (p99 {late.p99 * 1000:.1f} ms), " if late else ""
    )
    alerts = f"{counted(len(answer.alerts), 'alert')}, " if answer.alerts else ""
    return (
        f"{time.strftime('%H:%M:%S')}  {house}grid {reading.values['active_power']:.0f} W, "
        f"{mains.reads} reads, {mains.failures} failed, {mains.skipped} skipped, "
        f"{lateness}{alerts}{counted(answer.journal.readings, 'reading')} in the journal"
    )
