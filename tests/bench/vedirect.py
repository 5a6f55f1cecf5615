"""VE.Direct: how fast recorded bytes become blocks, and how old a value is when it is journalled.

The recordings are those of ../shared; where they are absent, what the demo's devices say instead.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

from vedirect.vedirect import VEDirect
from vedirect_m8.vedirect import Vedirect

from collector.demo.shed import Shed
from collector.demo.vedirect import CHARGER, MONITOR, said
from collector.sources.simulated.house import House
from collector.sources.vedirect.blocks import Parser
from collector.sources.vedirect.labels import values
from tests.fakes.far_end import open_pty
from tests.fakes.running import collector, configure, energy_monitor, wait_for_reads
from tests.fakes.talker import HISTORY, blocks
from tests.fakes.talker import MONITOR as FIRST

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings" / "vedirect"
CHUNK = 4096  # what is taken from a line at once
SECONDS = int(os.environ.get("BENCH_SECONDS", "120")) // 4
INTERVALS = ("200ms", "1s", "3s")
CHARACTER_S = 10 / 19200
ROUNDS, RATE_S = 100, 5


def measure():
    data = recorded()
    ours = rate(data, decode_ours)
    theirs = {"vedirect-m8": rate(data, decode_m8), "vedirect-jmfife": rate(data, decode_jmfife)}
    fastest = max(theirs, key=lambda name: theirs[name])
    yield "bytes to checked blocks, MB/s of one core", f"{ours:.1f}", "", True
    yield f"the fastest of PyPI, {fastest}, MB/s", f"{theirs[fastest]:.2f}", "", True
    wanted = min(20, 50 * theirs[fastest])
    yield (
        "bytes to checked blocks / what is wanted",
        f"{ours / wanted:.2f}",
        "at least 1",
        ours >= wanted,
    )
    yield "bytes to values, MB/s", f"{rate(data, decode_values):.1f}", "", True
    for every, age_s in ages().items():
        figure = f"1 Hz device read every {every}, {SECONDS} s: oldest value, s"
        yield figure, f"{age_s:.2f}", "at most 1.1", age_s <= 1.1


def recorded():
    files = sorted(RECORDINGS.glob("*.dump"))
    if files:
        return b"".join(each.read_bytes() for each in files)
    shed, now = Shed(House()), time.time()
    seconds = (now + each for each in range(600))
    return b"".join(said([*MONITOR, CHARGER], shed.monitor(t) | shed.charger(t)) for t in seconds)


def rate(data, decode):
    """Return MB per second of processor time, the best of many: neighbours only slow it down."""
    durations: list[float] = []
    end = time.monotonic() + RATE_S
    while len(durations) < ROUNDS and (len(durations) < 3 or time.monotonic() < end):
        began = time.process_time()
        decode(data)
        durations.append(time.process_time() - began)
    return len(data) / min(durations) / 1e6


def decode_ours(data):
    parser = Parser()
    return sum(
        bool(each)
        for at in range(0, len(data), CHUNK)
        for each in parser.feed(data[at : at + CHUNK])
    )


def decode_values(data):
    parser = Parser()
    for at in range(0, len(data), CHUNK):
        for each in parser.feed(data[at : at + CHUNK]):
            values(each)


def decode_m8(data):
    parser = Vedirect({"serial_port": "/dev/ttyUSB77"}, auto_start=False, max_packet_blocks=None)
    return sum(parser.input_read(data[at : at + 1]) is not None for at in range(len(data)))


def decode_jmfife(data):
    master, slave, path = open_pty()
    parser = VEDirect(path)
    found = sum(parser._input(data[at : at + 1]) is not None for at in range(len(data)))
    parser.ser.close()
    os.close(master)
    os.close(slave)
    return found


class Numbered:
    """A monitor that sends its two blocks once a second at 19200 baud, each time with a number.

    *sent_s* says when the last byte of each number was sent.
    """

    def __init__(self, phase_s):
        self.master, _, self.path = open_pty()
        self.phase_s = phase_s
        self.sent_s = {}
        threading.Thread(target=self.talk, daemon=True).start()

    def talk(self):
        due_s = time.monotonic() + self.phase_s
        for number in range(10**6):
            data = blocks(FIRST, HISTORY | {"H9": str(number)})
            for at in range(0, len(data), 16):
                time.sleep(max(0, due_s + at * CHARACTER_S - time.monotonic()))
                os.write(self.master, data[at : at + 16])
            self.sent_s[number] = time.time()
            due_s += 1


def ages():
    """Return by interval how old the oldest value was, at the slot that it is stamped with."""
    devices = {every: Numbered(0.3 * number) for number, every in enumerate(INTERVALS, 1)}
    sources = "".join(
        f"  d{every}: {{type: vedirect, line: {device.path}, every: {every}}}\n"
        for every, device in devices.items()
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with collector(configure(folder, sources)):
            wait_for_reads(folder, f"d{INTERVALS[-1]}", 2)
            time.sleep(SECONDS)
        lines = energy_monitor("journal", "export", "--format", "lp", "--data-dir", folder).stdout
    oldest = dict.fromkeys(INTERVALS, 0.0)
    for line in lines.splitlines():
        kind, fields, at_ms = line.split(" ")
        every = kind.partition("device=d")[2]
        if kind.startswith("battery,"):
            number = int(float(fields.partition("time_since_full_charge=")[2].split(",")[0]))
            age_s = int(at_ms) / 1000 - devices[every].sent_s[number]
            oldest[every] = max(oldest[every], age_s)
    return oldest
