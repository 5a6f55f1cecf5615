"""The house's RS-485 line: each of its meters as a Modbus RTU slave, behind one pseudo-terminal.

    python -m collector.demo.bus --link /tmp/meters

They run until interrupted, or until standard input closes when told ``--with-parent``, and then
take their link away.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from collector.demo.household import METERS, QUANTITIES, Household, only
from collector.demo.meter import READY, answer, registers, serve
from collector.demo.terminal import pseudo_terminal
from collector.errors import EnergyMonitorError
from collector.sources.modbus import devicemap
from collector.sources.simulated.house import BUILT


def replies(
    household: Household, clock: Callable[[], float] = time.time
) -> Callable[[bytes], bytes | None]:
    """Return what answers a frame as the meter of its address does, none where there is none."""
    maps = {meter.address: devicemap.load(meter.model) for meter in METERS}
    # What the demo does not read is there all the same, as 0: a read may run across it.
    still = {
        address: registers(each, {cell.quantity: 0.0 for cell in each.registers})
        for address, each in maps.items()
    }

    def reply(frame: bytes) -> bytes | None:
        for meter, values in household.meters(clock()) if frame[0] in maps else ():
            if meter.address == frame[0]:
                device = maps[meter.address]
                words = registers(device, only(values, QUANTITIES[meter.model]))
                words = still[meter.address] | words
                return answer(frame, meter.address, words, device.max_registers)
        return None

    return reply


def start(link: Path, *more: str) -> "subprocess.Popen[bytes]":
    """Start the meters as a process of its own, and return it when they answer at *link*.

    It ends when this process does, or its ``with`` block. *more* are arguments of ``main``. Raise
    EnergyMonitorError where it does not start; it has told why on standard error.
    """
    process = subprocess.Popen(  # noqa: S603  ourselves
        [sys.executable, "-m", "collector.demo.bus", "--with-parent", "--link", str(link), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it in its own time
    )
    assert process.stdout is not None
    if process.stdout.readline() != READY:
        with process:
            raise EnergyMonitorError(f"the simulated meters at {link} do not start")
    return process


def main(given: Sequence[str] | None = None) -> None:
    """Run the meters until interrupted. Raise EnergyMonitorError where they cannot."""
    parser = argparse.ArgumentParser(prog="python -m collector.demo.bus")
    add = parser.add_argument
    add("--link", type=Path, required=True, help="where their serial port is to appear")
    add("--seed", type=int, default=1, help="which house they measure")
    add("--timezone", default="Europe/Rome", help="time zone of the house")
    add("--built", type=date.fromisoformat, default=BUILT, help="first day of their counters")
    add("--with-parent", action="store_true", help="end when standard input closes")
    told = parser.parse_args(given)
    household = Household(told.seed, told.timezone, told.built)
    household.house.energies(time.time())  # adds up the days, before anybody waits for an answer
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    with pseudo_terminal(told.link) as port:
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        serve(port, replies(household), None, sys.stdin.fileno() if told.with_parent else None)


if __name__ == "__main__":
    try:
        main()
    except EnergyMonitorError as error:
        sys.exit(f"meters: {error}")
