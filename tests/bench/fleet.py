"""A hundred simulated sites into one VictoriaMetrics: live, in an outage, and after it.

BENCH_SECONDS is how long they are live (600), BENCH_SITES how many they are (100).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from tests.bench.fleet_sites import HOUR_S, QUANTITIES
from tests.bench.service import cpu_ms
from tests.servers import victoria
from tests.servers.influxd import free_port

SECONDS = int(os.environ.get("BENCH_SECONDS", "600"))
SITES = int(os.environ.get("BENCH_SITES", "100"))
PROCESSES = 2
OUTAGE_S = 180  # until every pause has grown to its longest
DRAIN_S = 240
STEP_S = 5


class Fleet:
    """The processes of all sites."""

    def __init__(self, processes):
        self.processes = processes

    def ask(self, word):
        for each in self.processes:
            each.stdin.write(f"{word}\n")
            each.stdin.flush()
        return [float(each.stdout.readline()) for each in self.processes]

    def hour(self):
        for each in self.processes:
            each.stdin.write("hour\n")
            each.stdin.flush()
        for each in self.processes:
            assert each.stdout.readline() == "done\n"

    def end(self):
        for each in self.processes:
            each.stdin.write("stop\n")
            each.stdin.flush()
        return [json.loads(each.stdout.readline()) for each in self.processes]


@contextmanager
def fleet(folder, url):
    (folder / "token").write_text("none")
    share = SITES // PROCESSES
    words = [sys.executable, "-m", "tests.bench.fleet_sites", str(folder), url]
    processes = [
        subprocess.Popen(
            [*words, str(number * share), str(share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for each in processes:
            assert next(iter(each.stdout or ())) == "ready\n"
        yield Fleet(processes)
    finally:
        for each in processes:
            each.kill()
            each.wait()


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        with victoria.running(folder, port) as server, fleet(folder, server.url) as sites:
            live_from = time.time()
            time.sleep(5)
            before, ours = cpu_ms(server.pid), sum(sites.ask("cpu"))
            time.sleep(SECONDS)
            served = (cpu_ms(server.pid) - before) / SECONDS
            own = (sum(sites.ask("cpu")) - ours) * 1000 / SECONDS / SITES
            memory = rss_mb(server.pid)
            live_to = time.time()
            server.stop()
            down_at = time.time()
            sites.hour()
            time.sleep(max(OUTAGE_S - (time.time() - down_at), 0))
            with victoria.running(folder, port) as again:
                up_at = time.time()
                waiting = sum(sites.ask("left"))
                while sum(sites.ask("left")) > 2 * SITES and time.time() < up_at + DRAIN_S:
                    time.sleep(0.2)
                caught_up_s = time.time() - up_at
                time.sleep(10)
                done = sites.end()
                yield from figures_live(done, live_from + 5, live_to, served, own, memory)
                yield from figures_outage(done, down_at, up_at, waiting, caught_up_s)
                yield from figures_stored(done, again)


def rss_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def tries(done, begin, end):
    """Return the tries between two times, of all sites."""
    return [
        each for part in done for site in part["sent"] for each in site if begin <= each[0] < end
    ]


def figures_live(done, begin, end, served, own, memory):
    name = f"{SITES} sites at 1 Hz with {QUANTITIES} quantities, {SECONDS} s"
    found = tries(done, begin, end)
    yield f"{name}: requests per second", f"{len(found) / (end - begin):.1f}", "", True
    most = max(Counter(int(each[0]) for each in found).values())
    yield "most of these in one second", f"{most}", "", True
    late = [at % 1 for at, *_ in found]
    share = sum(each < 0.3 for each in late) / len(late)
    yield "of these within 0.3 s after a full second", f"{share:.2f}", "", True
    took = sorted(each[3] for each in found)
    yield (
        "a request takes, median and p99, ms",
        (f"{took[len(took) // 2] * 1000:.0f}, {took[len(took) * 99 // 100] * 1000:.0f}"),
        "",
        True,
    )
    yield "CPU of VictoriaMetrics, ms per second", f"{served:.0f}", "", True
    yield "its memory, MB", f"{memory:.0f}", "", True
    yield "CPU of a site, journal and delivery, ms per second", f"{own:.2f}", "", True


def figures_outage(done, down_at, up_at, waiting, caught_up_s):
    away = tries(done, down_at + OUTAGE_S / 2, up_at)
    yield (
        "in the outage, each pause grown: tries per second of all sites",
        (f"{len(away) / (up_at - down_at - OUTAGE_S / 2):.1f}"),
        "",
        True,
    )
    back = tries(done, up_at, up_at + caught_up_s)
    yield "readings that wait when the server is back", f"{waiting:,.0f}", "", True
    yield "until all are delivered, s", f"{caught_up_s:.0f}", "at most 120", caught_up_s <= 120
    seconds = Counter(int(each[0] - up_at) for each in back if each[1] > HOUR_S / 2)
    most = max(seconds.values())
    yield f"most of the {SITES} sites that begin in one second", f"{most}", "at most 10", most <= 10
    first = sum(count for second, count in seconds.items() if second < 1)
    yield "of these in the first second", f"{first}", "", True
    print(f"    from the server's return, per {STEP_S} s: sites that begin, requests, readings")
    for begin in range(0, int(caught_up_s) + 1, STEP_S):
        part = [each for each in back if begin <= each[0] - up_at < begin + STEP_S]
        large = [each for each in part if each[1] > HOUR_S / 2]
        readings = sum(each[1] for each in part if each[2])
        print(f"    {begin:>4} s {len(large):>4} {len(part):>5} {readings:>8,}  {'#' * len(large)}")


def figures_stored(done, server):
    """Is everything there that was journalled?"""
    journalled = sum(part["journalled"] for part in done) * SITES // PROCESSES
    stored = server.count("electricity_voltage")
    yield (
        "readings journalled that are not stored",
        f"{journalled - stored}",
        "0",
        (stored == journalled),
    )
