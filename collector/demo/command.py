"""What ``energy-monitor demo`` runs: a simulated meter, the real collector, a live table."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from collector import control, show
from collector.demo import meter
from collector.errors import EnergyMonitorError

CONFIG = """\
# The demo's house. The real thing differs in the line, and has outputs.
site: demo
data_dir: {folder}
runtime_dir: {folder}
clock: {{trust: always}}
sources:
  mains:
    type: modbus
    line: {line}
    serial: {{parity: none}}  # a pseudo-terminal knows no parity
    model: orno-we-515
    address: 1
    every: 1s
  pi:
    type: host
    every: 10s
"""
START_WITHIN_S = 10
LINE_EVERY_S = 5


def run(duration_s: float | None, folder: Path) -> int:
    """Run the demo for *duration_s*, or until Ctrl-C; return its exit status."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yaml"
    line = folder / "meter"
    file.write_text(CONFIG.format(folder=folder, line=line), encoding="utf-8")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with meter.start("orno-we-515", 1, line), (folder / "collector.log").open("w") as log:
        command = [sys.executable, "-m", "collector", "run", "--config", str(file)]
        with subprocess.Popen(command, stderr=log, start_new_session=True) as collector:  # noqa: S603  ourselves
            try:
                show_until(collector, folder, duration_s)
            except KeyboardInterrupt:
                pass
            finally:
                collector.terminate()
            status = collector.wait(10)
    click.echo(f"the journal is in {folder}; look into it with:")
    click.echo(f"  {sys.argv[0]} journal tail --data-dir {folder}")
    return status


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
            draw(answer)
        else:
            click.echo(sentence(answer))
        time.sleep(max(0, min(1 if terminal else LINE_EVERY_S, end - time.monotonic())))
        answer = control.ask(folder / "control.sock", {"ask": "status"})
    if not terminal:
        click.echo(sentence(answer))


def first_answer(collector: "subprocess.Popen[bytes]", folder: Path) -> dict[str, Any]:
    """Wait until the collector answers and has read something."""
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            answer = control.ask(folder / "control.sock", {"ask": "status"})
            if answer["sources"]["mains"]["latest"] or time.monotonic() > deadline:
                return answer
        except control.NotRunning:
            if time.monotonic() > deadline or collector.poll() is not None:
                log = (folder / "collector.log").read_text(encoding="utf-8")
                raise EnergyMonitorError(f"the collector does not start:\n{log}") from None
        time.sleep(0.1)


def draw(answer: dict[str, Any]) -> None:
    """Draw the table over the one before, without flicker, cut to the terminal's size."""
    columns, rows = os.get_terminal_size()
    journal = answer["journal"]
    head = (
        f"Energy Monitor demo   {time.strftime('%H:%M:%S')}   "
        f"{journal['readings']} readings in the journal   Ctrl-C ends"
    )
    lines = [head[:columns], "", *show.live(answer).splitlines()]
    sys.stdout.write("\033[H" + "".join(f"{line}\033[K\n" for line in lines[: rows - 1]) + "\033[J")
    sys.stdout.flush()


def sentence(answer: dict[str, Any]) -> str:
    """Say in one line how it is going."""
    mains = answer["sources"]["mains"]
    reading = next(iter(mains["latest"].values()), None)
    if reading is None:
        return f"no reading yet: {mains['last_error']}"
    values = reading["values"]
    late = mains["lateness_s"]
    return (
        f"{time.strftime('%H:%M:%S')}  {values['active_power']:.0f} W  "
        f"{values['voltage']:.1f} V  {values['active_energy'] / 1000:.2f} kWh  "
        f"{mains['reads']} reads, {mains['failures']} failed, {mains['skipped']} skipped, "
        f"late by {late['median'] * 1000:.1f} ms (p99 {late['p99'] * 1000:.1f} ms), "
        f"{answer['journal']['readings']} readings in the journal"
    )
