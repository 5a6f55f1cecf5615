"""Bus time of one WE-515 cycle, all its values, against the cheapest set of reads there is."""

import statistics
import tempfile
import time
from itertools import product
from pathlib import Path

from collector.demo import meter
from collector.lines.serial import Framing, Lines
from collector.sources.modbus import devicemap
from collector.sources.modbus.meter import Meter
from collector.sources.modbus.plan import Block, Wire, cost_ms, plan
from collector.sources.modbus.rtu_line import RtuLine

CYCLES = 20
MOST_REGISTERS = 125  # of the protocol (Modbus Application Protocol V1.1b3, 6.3)


def measure():
    device_map = devicemap.load("orno-we-515")
    framing = Framing(9600, "even", 1)
    wire = Wire(1000 * framing.character_s, 1000 * framing.silence_s, 8.0)
    blocks = [Block(each.function, each.address, each.length) for each in device_map.registers]
    planned = cost_ms(plan(frozenset(blocks), wire, device_map.max_registers, frozenset()), wire)
    cheapest = min(cost_ms(reads, wire) for reads in every_way(sorted(blocks)))
    alone = cost_ms(blocks, wire)
    yield "one request per value, ms", f"{alone:.0f}", "", True
    yield "planned, ms", f"{planned:.0f}", "", True
    ratio = planned / cheapest
    yield "planned / cheapest of all ways there are", f"{ratio:.2f}", "1.00", ratio < 1.005
    measured = measured_ms(device_map)
    yield (
        "measured on a line paced to 9600 8E1 with 8 ms turnaround, ms",
        f"{measured:.0f}",
        "",
        True,
    )


def every_way(blocks):
    """Yield every way to read neighbours together or apart."""
    for joins in product((False, True), repeat=len(blocks) - 1):
        reads = [blocks[0]]
        for block, joined in zip(blocks[1:], joins, strict=True):
            if joined:
                reads[-1] = reads[-1]._replace(words=block.end - reads[-1].address)
            else:
                reads.append(block)
        if all(read.words <= MOST_REGISTERS for read in reads):
            yield reads


def measured_ms(device_map):
    """Return the median time of a cycle through the real line code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meter"
        pace = ("--baudrate", "9600", "--bits", "11", "--turnaround", "8ms")
        with meter.start("orno-we-515", 1, path, *pace):
            bus = Lines().get(str(path), Framing(9600, "none", 1), RtuLine)
            ours = Meter("mains", bus, 1, device_map)
            ours.open()
            times = []
            for _ in range(CYCLES):
                began = time.monotonic()
                ours.fetch(device_map.registers)
                times.append(1000 * (time.monotonic() - began))
                time.sleep(0.05)
            bus.close()
    return statistics.median(times)
