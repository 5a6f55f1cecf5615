"""Victron devices that do not exist: they talk VE.Direct behind pseudo-terminals, of the shed.

    python -m collector.demo.vedirect --monitor /tmp/battery --charger /tmp/sun

They are told apart from real ones only by what they measure. They run until interrupted, or until
standard input closes when told ``--with-parent``, and then take their links away.
"""

import argparse
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from collector.demo.shed import Shed
from collector.demo.terminal import pseudo_terminal, send
from collector.errors import EnergyMonitorError
from collector.sources.simulated.house import BUILT, House
from collector.sources.vedirect import labels

READY = b"ready\n"
EVERY_S = 1.0

# Labels in the order of a recording, with what they say where the shed has no value for them.
MONITOR = (
    "PID=0x204 V I P CE SOC TTG=-1 Alarm=OFF Relay=OFF AR=0 BMV=702 FW=0308",
    "H1 H2 H3 H4 H5=0 H6 H7 H8 H9 H10 H11=0 H12=0 H17 H18",
)
CHARGER = (
    "PID=0xA045 FW=123 SER#=HQ2601DEMO1 V I VPV PPV CS MPPT OR ERR=0 LOAD=ON IL H19 H20 H21 H22 "
    "H23 HSDS"
)


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """Write one block, ended by the byte that makes its sum 0."""
    text = "".join(f"\r\n{label}\t{value}" for label, value in [*fields, ("Checksum", "")])
    block = text.encode("ascii")
    return block + bytes([-sum(block) % 256])


def filled(form: str, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield the fields of *form*, those whose quantity has a value with the number that says it."""
    for label, _, text in (each.partition("=") for each in form.split()):
        field = labels.table().fields.get(label)
        if field is None or field.quantity not in values:
            yield label, text
            continue
        number = round(values[field.quantity] / field.scale)
        yield label, f"0x{number:08X}" if label == "OR" else str(number)


def said(forms: Iterable[str], values: Mapping[str, float]) -> bytes:
    """Return the blocks that a device sends when it measures *values*."""
    return b"".join(encode(filled(form, values)) for form in forms)


def talk(shed: Shed, monitor: int | None, charger: int | None, parent: int | None) -> None:
    """Say how things are at each port once a second, until the pipe *parent* closes."""
    watched = [] if parent is None else [parent]
    due_s = time.monotonic()
    while True:
        now = time.time()
        if monitor is not None:
            send(monitor, said(MONITOR, shed.monitor(now)), None, 0)
        if charger is not None:
            send(charger, said([CHARGER], shed.charger(now)), None, 0)
        due_s = max(due_s + EVERY_S, time.monotonic())
        if select.select(watched, [], [], due_s - time.monotonic())[0]:
            return


def start(monitor: Path, charger: Path, *more: str) -> "subprocess.Popen[bytes]":
    """Start both as a process of its own, and return it when they talk at these links.

    It ends when this process does, or its ``with`` block. *more* are arguments of ``main``. Raise
    EnergyMonitorError where it does not start; it has told why on standard error.
    """
    arguments = ["--monitor", str(monitor), "--charger", str(charger), "--with-parent", *more]
    process = subprocess.Popen(  # noqa: S603  ourselves
        [sys.executable, "-m", "collector.demo.vedirect", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it in its own time
    )
    assert process.stdout is not None
    if process.stdout.readline() != READY:
        with process:
            msg = f"the simulated devices at {monitor} and {charger} do not start"
            raise EnergyMonitorError(msg)
    return process


def main(given: Sequence[str] | None = None) -> None:
    """Run the devices until interrupted. Raise EnergyMonitorError where they cannot."""
    parser = argparse.ArgumentParser(prog="python -m collector.demo.vedirect")
    add = parser.add_argument
    add("--monitor", type=Path, help="where the battery monitor's serial port is to appear")
    add("--charger", type=Path, help="where the solar charger's serial port is to appear")
    add("--seed", type=int, default=1, help="which house the shed stands beside")
    add("--timezone", default="Europe/Rome", help="time zone of the house")
    add("--built", type=date.fromisoformat, default=BUILT, help="first day of its counters")
    add("--with-parent", action="store_true", help="end when standard input closes")
    told = parser.parse_args(given)
    shed = Shed(House(told.seed, told.timezone, told.built))
    shed.counters(time.time())  # adds up the days until now, before anybody waits for a block
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    with ExitStack() as ports:
        monitor, charger = (
            ports.enter_context(pseudo_terminal(link)) if link else None
            for link in (told.monitor, told.charger)
        )
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        talk(shed, monitor, charger, sys.stdin.fileno() if told.with_parent else None)


if __name__ == "__main__":
    try:
        main()
    except EnergyMonitorError as error:
        sys.exit(f"vedirect: {error}")
