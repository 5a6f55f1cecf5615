"""Lateness of the read's start against its slot, 1 Hz, on a line paced to 9600 8E1, 8 ms."""

import contextlib
import os
import tempfile
import time
from pathlib import Path

from collector.demo import meter
from collector.sources.modbus import devicemap
from collector.sources.simulated.house import House
from tests.fakes.pty_line import paced_line
from tests.fakes.running import ask, collector, configure, wait_for_reads

SECONDS = int(os.environ.get("BENCH_SECONDS", "120"))
SOURCE = (
    "  {name}: {{type: modbus, line: {line}, serial: {{parity: none}}, model: orno-we-515, "
    "address: {address}, every: 1s}}\n"
)


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        yield from one_meter(folder)
    with tempfile.TemporaryDirectory() as temporary:
        yield from three_meters(Path(temporary))


def one_meter(folder):
    pace = ("--baudrate", "9600", "--bits", "11", "--turnaround", "8ms")
    line = folder / "meter"
    with meter.start("orno-we-515", 1, line, *pace):
        (mains,) = read_for(folder, SOURCE.format(name="mains", line=line, address=1), ["mains"])
    late = mains["lateness_s"]
    yield "one meter: lateness, median, ms", f"{late['median'] * 1000:.2f}", "", True
    p99 = late["p99"] * 1000
    yield f"one meter, {SECONDS} s: lateness, p99, ms", f"{p99:.2f}", "at most 5", p99 <= 5
    skipped = mains["skipped"]
    yield f"one meter, {SECONDS} s: slots skipped", skipped, "0", skipped == 0


def three_meters(folder):
    """Meters 1 and 3 answer, meter 2 is dead."""
    words = house_words()
    with paced_line({1: words, 3: words}) as line:
        sources = "".join(
            SOURCE.format(name=name, line=line.path, address=address)
            for address, name in enumerate(["one", "dead", "three"], 1)
        )
        found = read_for(folder, sources, ["one", "three"])
    skipped = sum(each["skipped"] for each in found)
    failed = sum(each["failures"] for each in found)
    yield f"three meters, one dead, {SECONDS} s: slots skipped", skipped, "0", skipped == 0
    yield "three meters, one dead: reads of the living that failed", failed, "0", failed == 0


def house_words():
    device_map = devicemap.load("orno-we-515")
    words = meter.registers(device_map, House(1, "Europe/Rome").at(time.time()))
    for start, end in ((0x0130, 0x015C), (0xA000, 0xA028)):
        words |= {address: words.get(address, 0) for address in range(start, end)}
    return words


def read_for(folder, sources, names):
    file = configure(folder, sources)
    with collector(file), contextlib.suppress(KeyboardInterrupt):
        wait_for_reads(folder, names[0])
        time.sleep(SECONDS)
        status = ask(folder)
    return [status["sources"][name] for name in names]
