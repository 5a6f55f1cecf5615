"""Outputs beside Telegraf's, same readings in one run: MQTT, and a scrape of Prometheus.

MQTT: a day of one meter at 1 Hz with 12 values, one message per reading with QoS 1, into one
mosquitto; ours out of the journal, Telegraf's out of a file. Scrapes: 64 devices with 20 values;
our memory is that of ``run`` with four devices, the journal and the page. Both take turns to be
first. The CPU is the kernel's count for the process, of MQTT its start included.
"""

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from collector.journal.journal import Journal
from tests.bench.metrics import DEVICES, QUANTITIES, cpu_of_some, memory, rss, scrape
from tests.bench.readings import lines
from tests.bench.telegraf import cpu_ns
from tests.fakes.running import configure, wait_for
from tests.servers import mosquitto
from tests.servers.influxd import free_port

READINGS = 86_400
PAIRS = 3
WINDOWS = 20
MOST_S = 120
AGENT = """
[agent]
  omit_hostname = true
  quiet = true
  flush_interval = "1s"
  metric_batch_size = 1000
"""
TAIL = """
[[inputs.tail]]
  files = ["{file}"]
  initial_read_offset = "beginning"
  max_undelivered_lines = 1000
  data_format = "influx"
  influx_timestamp_precision = "1ms"
"""
MQTT = """
[[outputs.mqtt]]
  servers = ["tcp://127.0.0.1:{port}"]
  topic = "telegraf/home/mains/history"
  qos = 1
  data_format = "json"
"""
PROMETHEUS = """
[[inputs.file]]
  interval = "10s"
  files = ["{file}"]
  data_format = "influx"
[[outputs.prometheus_client]]
  listen = "127.0.0.1:{port}"
  expiration_interval = "0s"
  collectors_exclude = ["gocollector", "process"]
"""


def measure():
    program = shutil.which("telegraf")
    if program is None:
        yield "Telegraf: there is no 'telegraf' on the PATH", "not measured", "", True
        return
    with tempfile.TemporaryDirectory() as folder:
        yield from beside("mqtt", "µs a reading", mqtt(Path(folder), program))
    with tempfile.TemporaryDirectory() as folder:
        yield from beside("/metrics", "ms a scrape", scrapes(Path(folder), program))


def beside(name, unit, pairs):
    """Yield the figures of *pairs*, each the CPU and the memory of ours and of Telegraf."""
    for at, what in enumerate((f"CPU, {unit}", "memory, MB")):
        ours, theirs = (statistics.median(each[who][at] for each in pairs) for who in (0, 1))
        ratio = statistics.median(one[at] / other[at] for one, other in pairs)
        figure = f"{ours:.1f}, {theirs:.1f}"
        yield f"{name}: {what}, of ours and of Telegraf", figure, "", True
        yield f"{name}: {what}: ours / Telegraf", f"{ratio:.2f}", "at most 1", ratio <= 1


def in_turn(ours, theirs):
    """Measure both *PAIRS* times, in turn the first."""
    pairs = []
    for number in range(PAIRS):
        one = ours() if number % 2 else None
        other = theirs()
        pairs.append((one or ours(), other))
    return pairs


def mqtt(folder, program):
    with mosquitto.running(folder / "broker", extra="sys_interval 1") as broker:
        file = configure(
            folder,
            "  pi: {type: host}\n",
            f"  history: {{type: mqtt_history, url: '{broker.line}'}}\n",
        )
        fill(folder)
        given = AGENT + TAIL.format(file=folder / "lines") + MQTT.format(port=broker.port)
        (folder / "telegraf.conf").write_text(given)

        def ours():
            command = [sys.executable, "-m", "tests.bench.drain", str(file), "history"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            return found["start_us"] + found["cpu_us"], found["peak_mb"]

        def theirs():
            before = received(broker)
            with running(program, folder) as process:
                until_s = time.monotonic() + MOST_S
                while received(broker) - before < READINGS:
                    assert time.monotonic() < until_s, "it does not publish all"
                return cpu_ns(process.pid) / READINGS / 1e3, peak_mb(process)

        return in_turn(ours, theirs)


def fill(folder):
    """Write a day's readings into a journal, and into the file that Telegraf reads."""
    journal = Journal(folder / "journal", "boot", ["history"])
    journal.open()
    day = list(lines(READINGS, start_ms=(int(time.time()) - READINGS) * 1000))
    for begin in range(0, len(day), 60):
        journal.append(day[begin : begin + 60])
    journal.log.close_segments()
    journal.close()
    text = b"\n".join(each.replace(b",device=", b",site=home,device=") for each in day)
    (folder / "lines").write_bytes(text + b"\n")


def received(broker):
    """Return how many messages the broker has been given."""
    words = ["-p", str(broker.port), "-t", "$SYS/broker/publish/messages/received", "-C", "1"]
    done = subprocess.run(
        [mosquitto.program("mosquitto_sub"), *words], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@contextmanager
def running(program, folder):
    command = [program, "--config", str(folder / "telegraf.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def peak_mb(process):
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def scrapes(folder, program):
    values = ",".join(f"quantity_{number}={230.1 + number}" for number in range(QUANTITIES))
    rows = "".join(f"electricity,device=meter{each} {values}\n" for each in range(DEVICES))
    (folder / "lines").write_text(rows)
    port, house = free_port(), folder / "house"
    given = AGENT + PROMETHEUS.format(file=folder / "lines", port=port)
    (folder / "telegraf.conf").write_text(given)

    def theirs():
        with running(program, folder) as process:
            wait_for(lambda: is_there(port), "it serves")
            return scraped(process, port), rss(process)

    def ours():
        command = [sys.executable, "-m", "tests.bench.metrics"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdin
            cpu_ms = scraped(process, int(process.stdout.readline()))
            process.stdin.close()
        house.mkdir(exist_ok=True)
        return cpu_ms, memory(house, free_port())

    return in_turn(ours, theirs)


def is_there(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return scrape(connection).count(b"\n") > DEVICES * QUANTITIES
    except OSError:
        return False
    finally:
        connection.close()


def scraped(process, port):
    """Return the CPU of a scrape in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took_ms = [cpu_of_some(process, connection) for _ in range(WINDOWS)]
    connection.close()
    return statistics.median(took_ms)
