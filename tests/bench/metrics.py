"""A scrape of 64 devices with 20 quantities over HTTP, and the memory that serving it takes.

The page has a process of its own, is given a Status of 64 sources, and makes the text anew for each
scrape. Beside it: the memory of ``run`` with and without the page.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from collector.run.health import resident_memory
from tests.bench.telegraf import cpu_ns
from tests.fakes.running import ask, collector, configure, wait_for, wait_for_reads
from tests.servers.influxd import free_port

DEVICES, QUANTITIES = 64, 20
SCRAPES = 2_000
REQUESTS = 10_000
WINDOWS, SOME = 40, 40
HOUSE = "".join(f"  s{number}: {{type: simulated, part: fridge}}\n" for number in range(4))


def measure():
    program = [sys.executable, "-m", "tests.bench.metrics"]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        port = int(process.stdout.readline())
        yield from scrapes(process, port)
        process.stdin.close()
    with tempfile.TemporaryDirectory() as folder:
        without, with_page = (memory(Path(folder) / str(port), port) for port in (0, free_port()))
    taken = with_page - without
    yield "run with the page, after 100 scrapes: memory more, MB", f"{taken:.1f}", "", True


def scrapes(process, port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    size = len(scrape(connection))
    took_ms = timed(connection)
    p99 = statistics.quantiles(took_ms, n=100)[98]
    yield "text of 64 devices with 20 quantities, kB", f"{size / 1000:.0f}", "", True
    yield "scrape over HTTP, median, ms", f"{statistics.median(took_ms):.2f}", "", True
    yield "scrape over HTTP, p99, ms", f"{p99:.2f}", "at most 5", p99 <= 5
    least = statistics.quantiles(timed(connection, "/healthz"), n=100)[98]
    yield "the least request (/healthz) in the same minute, p99, ms", f"{least:.2f}", "", True
    cpu_ms = [cpu_of_some(process, connection) for _ in range(WINDOWS)]
    figure = f"CPU of a scrape, ms: the median of {WINDOWS} times {SOME}"
    yield figure, f"{statistics.median(cpu_ms):.2f}", "", True
    least = min(cpu_ms)
    yield "the least of these, as on a calm core", f"{least:.2f}", "at most 1.5", least <= 1.5
    before = rss(process)
    for _ in range(REQUESTS):
        scrape(connection)
    grown = rss(process) - before
    yield "memory more after 10,000 scrapes, MB", f"{grown:.2f}", "at most 1", grown <= 1


def cpu_of_some(process, connection):
    """Return the CPU of a scrape in ms."""
    began_ns = cpu_ns(process.pid)
    for _ in range(SOME):
        scrape(connection)
    return (cpu_ns(process.pid) - began_ns) / SOME / 1e6


def timed(connection, path="/metrics"):
    took_ms = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        scrape(connection, path)
        took_ms.append(1000 * (time.perf_counter() - began))
    return took_ms


def scrape(connection, path="/metrics"):
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


def rss(process):
    with Path(f"/proc/{process.pid}/status").open(encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def memory(folder, port):
    """Return the memory of ``run`` in MB, where there is a *port* after some scrapes."""
    with collector(configure(folder, HOUSE, port=port)):
        wait_for_reads(folder, "s0", 3)
        if port:
            wait_for(lambda: ask(folder)["page"]["state"] == "serving", "it serves")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            for _ in range(100):
                scrape(connection)
                time.sleep(0.05)
        else:
            time.sleep(5)
        return ask(folder)["resident_memory"] / 1e6


def serve():
    """Serve 64 devices until standard input ends; print the port."""
    from collector.clock import Clock  # noqa: PLC0415  measured by those who start this
    from collector.contract.metric_names import metrics  # noqa: PLC0415
    from collector.reading import Reading  # noqa: PLC0415
    from collector.run.now import Now  # noqa: PLC0415
    from collector.status import Lateness, SourceStatus, Status  # noqa: PLC0415
    from tests.fakes.page import serving  # noqa: PLC0415

    assert resident_memory()
    now, names = Now(Clock()), list(metrics())[:QUANTITIES]
    at_ms = round(time.time()) * 1000
    for number in range(DEVICES):
        values = {name: round(230.1 + number + place / 10, 1) for place, name in enumerate(names)}
        reading = Reading("electricity", f"meter{number}", at_ms, values)
        now.hear(f"meter{number}", {}, [reading], dict.fromkeys(names, 3_600_000))
    late = Lateness(median=0.001, p99=0.002, worst=0.003)
    sources = {
        f"meter{number}": SourceStatus(state="alive", reads=3600, lateness_s=late)
        for number in range(DEVICES)
    }
    status = Status(site="home", now_ms=at_ms, sources=sources)
    with serving(show=lambda: (status, now.show()), kept_s=0) as options:
        print(options.port, flush=True)
        os.read(0, 1)


if __name__ == "__main__":
    serve()
