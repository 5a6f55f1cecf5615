"""What ``energy-monitor demo`` runs: simulated devices, the real collector, a live table."""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from collector.demo import heatpump, lights, meter, vedirect
from collector.demo.live import draw
from collector.errors import EnergyMonitorError
from collector.run import control
from collector.status import Status
from collector.text import counted

OURS = "# The demo's house. The real thing differs in the line, and has outputs.\n"
CONFIG = """\
site: demo
data_dir: {folder}
runtime_dir: {folder}
clock: {{trust: always}}
page: {{port: 0}}  # that of an installation here may be served
sources:
  mains:
    type: modbus
    line: {line}
    serial: {{parity: none}}  # a pseudo-terminal knows no parity
    model: orno-we-515
    address: 1
    every: 1s
  battery:
    type: vedirect
    line: {battery}
    expect: {{PID: "0x204"}}
  sun:
    type: vedirect
    line: {sun}
  heatpump:
    type: luxtronik
    line: {heat_pump}
    every: 5s
    quantities:
      [outside_temperature, flow_temperature, return_temperature, hot_water_temperature,
       flow_rate, heat_power, active_power, heat_energy, active_energy_heating, operating_mode,
       compressor1_starts, coefficient_of_performance]
  lights:
    type: lutron_qs
    line: {lights}
    user: {user}
    password: !secret demo-lights
    database: {database}
  pi:
    type: host
    every: 10s
"""
METER, BATTERY, SUN = "meter", "battery", "sun"  # the simulated devices' serial ports
START_WITHIN_S = 10
LINE_EVERY_S = 5


def run(duration_s: float | None, folder: Path) -> int:
    """Run the demo for *duration_s*, or until Ctrl-C; return its exit status."""
    folder = folder.absolute()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with alone_in(folder):
        status = run_in(folder, duration_s)
    click.echo(f"the journal is in {folder}; look into it with:")
    click.echo(f"  {sys.argv[0]} journal tail --data-dir {shlex.quote(str(folder))}")
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


def configure(folder: Path, heat_pump: str, processor: tuple[str, str]) -> Path:
    """Write the demo's configuration. Raise EnergyMonitorError where one is that is not ours.

    *processor* is the line of the lights, and where their database is.
    """
    file = folder / "config.yaml"
    if file.exists() and not file.read_bytes().startswith(OURS.encode()):
        msg = f"{file} is not the demo's: name another folder with --data-dir"
        raise EnergyMonitorError(msg)
    ports = {"line": METER, "battery": BATTERY, "sun": SUN}
    places = {"folder": folder, **{key: folder / name for key, name in ports.items()}}
    quoted = {key: json.dumps(str(each), ensure_ascii=False) for key, each in places.items()}
    network = {"heat_pump": heat_pump, "lights": processor[0], "database": processor[1]}
    file.write_text(OURS + CONFIG.format(**quoted, **network, user=lights.USER), encoding="utf-8")
    secret = folder / "secrets" / "demo-lights"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text(lights.PASSWORD, encoding="utf-8")
    return file


def run_in(folder: Path, duration_s: float | None) -> int:
    """Run devices and collector, and show what is read; return the collector's exit status."""
    with (
        heatpump.start() as heat_pump,
        lights.start() as processor,
        meter.start("orno-we-515", 1, folder / METER),
        vedirect.start(folder / BATTERY, folder / SUN),
        (folder / "collector.log").open("w") as log,
        start(configure(folder, heat_pump, processor), log) as collector,
    ):
        try:
            show_until(collector, folder, duration_s)
        except KeyboardInterrupt:
            pass  # so people end it
        finally:
            collector.terminate()
        return collector.wait(10)


def start(file: Path, log: IO[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "collector.cli", "run", "--config", str(file)]
    return subprocess.Popen(command, stderr=log, start_new_session=True)  # noqa: S603  ourselves


def show_until(
    collector: "subprocess.Popen[bytes]", folder: Path, duration_s: float | None
) -> None:
    """Draw what the collector has just read, until the time is over."""
    end = time.monotonic() + (float("inf") if duration_s is None else duration_s)
    terminal = sys.stdout.isatty()
    answer = first_answer(collector, folder)
    if terminal:
        click.clear()
    while time.monotonic() < end:
        if collector.poll() is not None:
            log = (folder / "collector.log").read_text(encoding="utf-8")
            raise EnergyMonitorError(f"the collector has stopped:\n{log}")
        if terminal:
            draw(head_of(answer), answer)
        else:
            click.echo(sentence(answer))
        time.sleep(max(0, min(1 if terminal else LINE_EVERY_S, end - time.monotonic())))
        answer = control.status(folder / "control.sock")
    if not terminal:
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


def head_of(answer: Status) -> str:
    readings = counted(answer.journal.readings, "reading")
    now = time.strftime("%H:%M:%S")
    return f"Energy Monitor demo   {now}   {readings} in the journal   Ctrl-C ends"


def sentence(answer: Status) -> str:
    """Say in one line how it is going."""
    mains = answer.sources["mains"]
    reading = next(iter(mains.latest.values()), None)
    if reading is None:
        return f"no reading yet: {mains.last_error}"
    values = reading.values
    late = mains.lateness_s
    lateness = (
        f"late by {late.median * 1000:.1f} ms (p99 {late.p99 * 1000:.1f} ms), " if late else ""
    )
    return (
        f"{time.strftime('%H:%M:%S')}  {values['active_power']:.0f} W  "
        f"{values['voltage']:.1f} V  {values['active_energy'] / 1000:.2f} kWh  "
        f"{mains.reads} reads, {mains.failures} failed, {mains.skipped} skipped, "
        f"{lateness}{counted(answer.journal.readings, 'reading')} in the journal"
    )
