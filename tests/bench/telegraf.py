"""CPU of ``run`` beside Telegraf's, on the same meters: 1, 10 and 64, and one with host and output.

Each meter is behind a pseudo-terminal of its own and is read at 1 Hz, all 17 values in 3 requests.
Ours keeps what it reads in the journal; Telegraf discards it. With an output both deliver every
3 s, to a server that says 204 to anything. Both take turns in pairs; the CPU is the kernel's count
for the process, in ns.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from collector.sources.modbus import devicemap
from tests.bench.lateness import house_words
from tests.bench.meters import meters
from tests.fakes.http_answers import HttpAnswers, Reply
from tests.fakes.running import collector, configure, wait_for

MODEL = "orno-we-515"
REQUESTS = 3  # both ask so many times for all values
BRIDGED_REGISTERS = 10  # with so many, Telegraf asks for the same blocks as ours
SECONDS = int(os.environ.get("BENCH_SECONDS", "120")) // 6
PAIRS = 3
SETTLE_S = 6  # imports, first connections and the first deliveries are over by then
CASES = {
    "1 meter": (1, False, 1),
    "10 meters": (10, False, 1),
    "64 meters": (64, False, 2),
    "1 meter, host and InfluxDB output": (1, True, 1),
}
SOURCE = (
    "  m{number}: {{type: modbus, line: {line}, serial: {{parity: none}}, model: {model}, "
    "every: 1s}}\n"
)
HOST = "  pi: {type: host, every: 10s}\n"
OUTPUT = (
    "  history: {{type: influxdb, url: '{url}', org: o, bucket: b, token: !secret token, "
    "every: 3s}}\n"
)

AGENT = """
[agent]
  interval = "1s"
  flush_interval = "3s"
  omit_hostname = true
  quiet = true
"""
DISCARD = "[[outputs.discard]]\n"
INFLUXDB = """
[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "none"
  organization = "o"
  bucket = "b"
"""
METER = """
[[inputs.modbus]]
  name = "m{number}"
  controller = "file://{line}"
  timeout = "1s"
  baud_rate = 9600
  data_bits = 8
  parity = "N"
  stop_bits = 1
  configuration_type = "request"
  [[inputs.modbus.request]]
    slave_id = 1
    byte_order = "ABCD"
    register = "holding"
    optimization = "max_insert"
    optimization_max_register_fill = {bridged}
    fields = [{fields}]
"""
MACHINE = "".join(
    f'[[inputs.{name}]]\n  interval = "10s"\n' for name in ("cpu", "mem", "disk", "system")
)


def measure():
    if shutil.which("telegraf") is None:
        yield "Telegraf: there is no 'telegraf' on the PATH", "not measured", "", True
        return
    for name, (count, delivers, most) in CASES.items():
        with tempfile.TemporaryDirectory() as folder, meters(count, house_words()) as lines:
            pairs = [pair(Path(folder) / str(each), lines, each, delivers) for each in range(PAIRS)]
        ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        yield f"{name}: CPU of ours, ms per second", f"{ours:.2f}", "", True
        yield f"{name}: CPU of Telegraf, ms per second", f"{theirs:.2f}", "", True
        yield f"{name}: ours / Telegraf", f"{ratio:.2f}", f"at most {most}", ratio <= most


def pair(folder, lines, number, delivers):
    """Return the CPU of ours and of Telegraf, in ms per second; they take turns to be first."""
    found = {}
    with HttpAnswers(lambda _asked: Reply()) as server:
        url = server.url if delivers else None
        for which in (ours, telegraf) if number % 2 else (telegraf, ours):
            posts = len(server.asked)
            with which(folder / which.__name__, lines.paths, url) as process:
                found[which] = cpu_ms_per_s(process, lines)
            assert not delivers or len(server.asked) - posts >= SECONDS // 4, which
    return found[ours], found[telegraf]


@contextmanager
def ours(folder, paths, url):
    sources = "".join(
        SOURCE.format(number=number, line=line, model=MODEL) for number, line in enumerate(paths)
    )
    output = OUTPUT.format(url=url) if url else ""
    file = configure(folder, sources + (HOST if url else ""), output)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "token").write_text("none")
    with collector(file) as process:
        yield process


@contextmanager
def telegraf(folder, paths, url):
    folder.mkdir(parents=True)
    fields = ", ".join(field(each) for each in devicemap.load(MODEL).registers)
    parts = [AGENT, INFLUXDB.format(url=url) + MACHINE if url else DISCARD]
    for number, line in enumerate(paths):
        parts.append(
            METER.format(number=number, line=line, bridged=BRIDGED_REGISTERS, fields=fields)
        )
    file = folder / "telegraf.conf"
    file.write_text("".join(parts))
    with subprocess.Popen(["telegraf", "--config", file]) as process:
        try:
            yield process
        finally:
            process.terminate()


def field(register):
    """Describe a register to Telegraf."""
    return (
        f'{{address={register.address}, name="{register.quantity}", '
        f'type="{register.type.upper()}", scale={register.scale}}}'
    )


def cpu_ms_per_s(process, lines):
    """Return the CPU for a second's reads, so that one who leaves out reads gains nothing by it."""
    first = lines.answered() + len(lines.paths) * REQUESTS
    wait_for(lambda: lines.answered() >= first, "every meter is read")
    time.sleep(SETTLE_S)
    answered, before = lines.answered(), cpu_ns(process.pid)
    time.sleep(SECONDS)
    used, reads = cpu_ns(process.pid) - before, (lines.answered() - answered) / REQUESTS
    assert reads >= len(lines.paths) * SECONDS / 2, f"{reads} reads in {SECONDS} s"
    return used / 1e6 / (reads / len(lines.paths))


def cpu_ns(pid):
    """Return the CPU time that a process has used, of its threads that ended too."""
    return time.clock_gettime_ns(~pid << 3 | 2)  # the id of its clock (clock_getcpuclockid, man 3)
