"""CPU, memory and skipped slots of ``run`` with 4 to 32 devices of mixed kinds, each at 1 Hz.

Of four devices one is a meter on a line paced to 9600 8E1, which it shares with another; one a
meter behind one gateway for all; one talks VE.Direct; and one is by turns a heat pump, a lighting
processor, and twice a part of the simulated house.
"""

import itertools
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from collector.demo import heatpump, lights, vedirect
from tests.bench.lateness import house_words
from tests.bench.service import cpu_ms
from tests.fakes.mbap_device import Device, units
from tests.fakes.pty_line import paced_line
from tests.fakes.running import ask, collector, configure, wait_for_reads

SECONDS = int(os.environ.get("BENCH_SECONDS", "120")) // 6
SETTLE_S = 5  # first connections, logins and counts of what is slow are over by then
COUNTS = (4, 8, 16, 32)
MOST = max(COUNTS)
PARTS = ("fridge", "solar", "washing_machine", "base")


def measure():
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as devices:
        folder = Path(temporary)
        sources = mixed(folder, devices)
        found = {count: run(folder / str(count), sources[:count]) for count in COUNTS}
    for count, (cpu, rss, late, skipped, failed) in found.items():
        yield f"{count} devices: CPU, ms per second", f"{cpu:.1f}", "", True
        yield f"{count} devices: resident memory, MB", f"{rss:.1f}", "", True
        yield f"{count} devices: lateness, p99, of the median and the latest, ms", late, "", True
        lost = f"{skipped}, {failed}"
        yield f"{count} devices, {SECONDS} s: slots skipped, reads failed", lost, "", True
    yield from bounded(found)


def bounded(found):
    cpu = [each[0] for each in found.values()]
    slope, intercept = statistics.linear_regression(COUNTS, cpu)
    fit = statistics.correlation(COUNTS, cpu) ** 2
    yield "CPU of n devices, ms per second", f"{intercept:.1f} + {slope:.2f} n", "", True
    yield "how much of it that line explains, R²", f"{fit:.4f}", "", True
    rss = found[MOST][1]
    yield f"resident memory with {MOST} devices, MB", f"{rss:.1f}", "at most 90", rss <= 90
    skipped = sum(each[3] for each in found.values())
    yield "slots skipped, all runs", skipped, "0", skipped == 0


def mixed(folder, devices):
    """Start the devices, and return the sources that read them, as YAML, in the order of adding."""
    kinds = [
        on_lines(devices),
        behind_a_gateway(devices),
        of_a_shed(folder, devices),
        of_a_house(devices),
    ]
    options = itertools.chain.from_iterable(zip(*kinds, strict=True))
    return [f"  d{number}: {{{each}, every: 1s}}\n" for number, each in enumerate(options)]


def on_lines(devices):
    words = house_words()
    lines = [devices.enter_context(paced_line({1: words, 2: words})).path for _ in range(MOST // 8)]
    return [
        f"type: modbus, line: {line}, serial: {{parity: none}}, model: orno-we-515, address: {each}"
        for line in lines
        for each in (1, 2)
    ]


def behind_a_gateway(devices):
    addresses = range(1, MOST // 4 + 1)
    gateway = devices.enter_context(Device(units(dict.fromkeys(addresses, house_words()))))
    return [
        f"type: modbus, line: '{gateway.line}', model: orno-we-515, address: {each}"
        for each in addresses
    ]


def of_a_shed(folder, devices):
    ports = [folder / f"vedirect{number}" for number in range(MOST // 4)]
    for monitor, charger in zip(ports[::2], ports[1::2], strict=True):
        devices.enter_context(vedirect.start(monitor, charger))
    return [f"type: vedirect, line: {port}" for port in ports]


def of_a_house(devices):
    parts = iter(PARTS)
    sources = []
    for _ in range(MOST // 16):
        line = devices.enter_context(heatpump.start())
        sources.append(f"type: luxtronik, line: '{line}'")
        line, place = devices.enter_context(lights.start())
        sources.append(
            f"type: lutron_qs, line: '{line}', database: '{place}', user: {lights.USER}, "
            "password: !secret demo-lights"
        )
        sources += [f"type: simulated, part: {next(parts)}" for _ in range(2)]
    return sources


def run(folder, sources):
    """Return CPU in ms per second, memory in MB, lateness, slots skipped, reads failed."""
    file = configure(folder, "".join(sources))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "demo-lights").write_text(lights.PASSWORD)
    with collector(file) as process:
        for number in range(len(sources)):
            wait_for_reads(folder, f"d{number}")
        time.sleep(SETTLE_S)
        before, began, cpu = ask(folder)["sources"], time.monotonic(), cpu_ms(process.pid)
        time.sleep(SECONDS)
        cpu, took_s, status = cpu_ms(process.pid) - cpu, time.monotonic() - began, ask(folder)
    after = status["sources"]
    reads, skipped, failed = (
        sum(after[name][what] - before[name][what] for name in after)
        for what in ("reads", "skipped", "failures")
    )
    assert reads >= len(sources) * (SECONDS - 1), (reads, status)
    p99s_ms = [1000 * each["lateness_s"]["p99"] for each in after.values()]
    late = f"{statistics.median(p99s_ms):.1f}, {max(p99s_ms):.1f}"
    return cpu / took_s, status["resident_memory"] / 1e6, late, skipped, failed
