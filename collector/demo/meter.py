"""A meter that does not exist: a Modbus RTU slave behind a pseudo-terminal, showing the house.

    python -m collector.demo.meter --model orno-we-515 --address 1 --link /tmp/meter

It is told apart from a real one only by what it measures: its registers are those of the device
map, filled from the simulated house as it is now. It runs until it is interrupted, or until its
standard input closes when told ``--with-parent``, and then takes its link away.
(Modbus Application Protocol V1.1b3, 6.3, 6.4 and 7; Modbus over Serial Line V1.02, 2.5)
"""

import argparse
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from collector.demo.terminal import Wire, pseudo_terminal, send
from collector.errors import EnergyMonitorError
from collector.sources.modbus import devicemap
from collector.sources.modbus.devicemap import DeviceMap
from collector.sources.modbus.registers import Cell
from collector.sources.modbus.rtu import READ_FUNCTIONS, REFUSAL_BIT, REQUEST_BYTES, crc
from collector.sources.simulated.house import House

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
SHORTEST_FRAME = 4
LONGEST_FRAME = 256
MOST_REGISTERS = 125
READY = b"ready\n"
# V514 calls registers between its groups reserved: a read may run across so many of them.
RESERVED_WORDS = 32
# A frame comes through a pseudo-terminal in one piece; what is not whole by then is noise.
NOISE_AFTER_S = 0.05


def answer(
    frame: bytes, address: int, words: Mapping[int, int], most: int = MOST_REGISTERS
) -> bytes | None:
    """Return what a slave at *address* answers to *frame*; None where it keeps silent.

    *words* are its registers, and *most* is how many it reads at once.
    """
    if not is_whole(frame) or frame[0] != address:
        return None
    function = frame[1]
    if function not in READ_FUNCTIONS:
        return refusal(address, function, ILLEGAL_FUNCTION)
    if len(frame) != REQUEST_BYTES:
        return refusal(address, function, ILLEGAL_VALUE)
    first, count = struct.unpack_from(">HH", frame, 2)
    if not 1 <= count <= most:
        return refusal(address, function, ILLEGAL_VALUE)
    asked = range(first, first + count)
    if any(each not in words for each in asked):
        return refusal(address, function, ILLEGAL_ADDRESS)
    data = b"".join(words[each].to_bytes(2, "big") for each in asked)
    return closed(bytes([address, function, len(data)]) + data)


def refusal(address: int, function: int, reason: int) -> bytes:
    return closed(bytes([address, function | REFUSAL_BIT, reason]))


def closed(frame: bytes) -> bytes:
    return frame + crc(frame)


def is_whole(frame: bytes) -> bool:
    return len(frame) >= SHORTEST_FRAME and crc(frame[:-2]) == frame[-2:]


def encode(cell: Cell, value: float) -> tuple[int, ...]:
    """Return the words that *cell* holds when it shows *value*, most exactly."""
    size = 2 * cell.length
    number = value / cell.scale
    if cell.type == "float32":
        data = struct.pack(">f", number)
    elif cell.type.startswith("bcd"):
        data = bytes.fromhex(f"{round(number):0{2 * size}d}")
    else:
        data = round(number).to_bytes(size, "big", signed=cell.type.startswith("int"))
    words = struct.unpack(f">{cell.length}H", data)
    return words if cell.word_order == "big" else words[::-1]


def registers(device: DeviceMap, values: Mapping[str, float]) -> dict[int, int]:
    """Return the word at each address of *device* when it measures *values*.

    Cells by which it is recognised hold what is expected there, and reserved registers hold 0.
    A quantity that *values* has not is not there.
    """
    cells: list[tuple[Cell, float]] = [(probe, sum(probe.within) / 2) for probe in device.probe]
    cells += [(each, values[each.quantity]) for each in device.registers if each.quantity in values]
    words: dict[int, int] = {}
    for cell, value in cells:
        words |= dict(enumerate(encode(cell, value), cell.address))
    for before, after in pairwise(sorted(words)):
        if after - before <= RESERVED_WORDS:
            words |= dict.fromkeys(range(before + 1, after), 0)
    return words


def serve(
    port: int,
    reply: Callable[[bytes], bytes | None],
    wire: Wire | None = None,
    parent: int | None = None,
) -> None:
    """Answer the frames that come from *port*, until the pipe *parent* closes."""
    watched = [port] if parent is None else [port, parent]
    heard = b""
    while True:
        ready, _, _ = select.select(watched, [], [], NOISE_AFTER_S if heard else None)
        if parent in ready:
            return
        heard = (heard + os.read(port, LONGEST_FRAME))[-LONGEST_FRAME:] if ready else b""
        if is_whole(heard):
            said = reply(heard)
            if said is not None:
                send(port, said, wire, len(heard))
            heard = b""


def start(model: str, address: int, link: Path, *more: str) -> "subprocess.Popen[bytes]":
    """Start a meter as a process of its own, and return it when it answers at *link*.

    It ends when this process does, or its ``with`` block. *more* are arguments of ``main``.
    Raise EnergyMonitorError where it does not start; it has told why on standard error.
    """
    arguments = ["--model", model, "--address", str(address), "--link", str(link), *more]
    process = subprocess.Popen(  # noqa: S603  ourselves
        [sys.executable, "-m", "collector.demo.meter", "--with-parent", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it in its own time
    )
    assert process.stdout is not None
    if process.stdout.readline() != READY:
        with process:
            msg = f"the simulated meter at {link} does not start"
            raise EnergyMonitorError(msg)
    return process


def milliseconds(text: str) -> float:
    return float(text.removesuffix("ms"))


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m collector.demo.meter")
    add = parser.add_argument
    add("--model", required=True, help="name of the device map, such as orno-we-515")
    add("--address", type=int, default=1, choices=range(1, 248), metavar="1-247")
    add("--link", type=Path, required=True, help="where the meter's serial port is to appear")
    add("--seed", type=int, default=1, help="which house it measures")
    add("--timezone", default="Europe/Rome", help="time zone of the house")
    add("--baudrate", type=int, help="be as slow as a line of that speed")
    add("--bits", type=int, default=11, help="of a character on the line: 11 for 8E1, 10 for 8N1")
    add("--turnaround", type=milliseconds, default=8.0, help="time to answer on the line, in ms")
    add("--with-parent", action="store_true", help="end when standard input closes")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Run a meter until it is interrupted. Raise EnergyMonitorError where it cannot."""
    told = arguments(given)
    device = devicemap.load(told.model)
    house = House(told.seed, told.timezone)
    house.at(time.time())  # adds up the days until now, before anybody waits for an answer
    wire = None
    if told.baudrate is not None:
        wire = Wire(told.bits / told.baudrate, told.turnaround / 1000)

    def reply(frame: bytes) -> bytes | None:
        words = registers(device, house.at(time.time()))
        return answer(frame, told.address, words, device.max_registers)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    with pseudo_terminal(told.link) as port:
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        serve(port, reply, wire, sys.stdin.fileno() if told.with_parent else None)


if __name__ == "__main__":
    try:
        main()
    except EnergyMonitorError as error:
        sys.exit(f"meter: {error}")
