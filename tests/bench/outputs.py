"""Every output at once, and /metrics: ten meters at 1 Hz, each output to a server of its own.

The servers run on this computer, EmonCMS from its recorded answers. Beside it: the memory that each
output takes alone.
"""

import http.client
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench.lateness import house_words
from tests.bench.meters import meters
from tests.bench.servers import database
from tests.bench.telegraf import SOURCE, cpu_ns
from tests.fakes import emoncms
from tests.fakes.http_answers import HttpAnswers
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for, wait_for_reads
from tests.servers import mosquitto, postgres, redis_server
from tests.servers.influxd import free_port

SECONDS = int(os.environ.get("BENCH_SECONDS", "120"))
ALONE_S = SECONDS // 8
SETTLE_S = 10  # first connections and tables are there by then
SCRAPE_EVERY_S = 5
METERS = 10
MOST_MB, MOST_LATE_MS = 90, 10
INPUTS = (
    "{m0.active_power: {processes: [{process: log_to_feed, feed: power}, "
    "{process: power_to_kwh, feed: kwh}]}}"
)


def measure():
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        outputs = servers(folder, stack)
        lines = stack.enter_context(meters(METERS, house_words()))
        sources = "".join(
            SOURCE.format(number=number, line=line, model="orno-we-515")
            for number, line in enumerate(lines.paths)
        )
        base, cpu, alone_ms, _ = run(folder, sources, {}, SECONDS)
        yield (
            "no output: resident memory, MB; CPU, ms per second",
            f"{base:.1f}, {cpu:.1f}",
            "",
            True,
        )
        late = f"{statistics.median(alone_ms):.1f}, {max(alone_ms):.1f}"
        yield "no output: lateness, p99, of the median meter, the latest, ms", late, "", True
        for name, options in {**outputs, "page": ""}.items():
            rss, cpu, *_ = run(folder, sources, {name: options}, ALONE_S)
            figure = f"{rss - base:.1f}, {cpu:.1f}"
            yield f"{name}: memory more, MB; CPU, ms per second", figure, "", True
        rss, cpu, late_ms, lost = run(folder, sources, {**outputs, "page": ""}, SECONDS)
    yield "all outputs: resident memory, MB", f"{rss:.1f}", f"at most {MOST_MB}", rss <= MOST_MB
    yield "all outputs: CPU, ms per second", f"{cpu:.1f}", "", True
    yield f"all outputs, {SECONDS} s: slots skipped", lost, "0", lost == 0
    late = statistics.median(late_ms)
    figure = "all outputs: lateness, p99, of the median meter, ms"
    yield figure, f"{late:.1f}", f"at most {MOST_LATE_MS}", late <= MOST_LATE_MS
    yield "the same of the latest meter, ms", f"{max(late_ms):.1f}", "", True


def servers(folder, stack):
    """Start a server for each output; return the options of each."""
    _, influxdb = stack.enter_context(database(folder))
    broker = stack.enter_context(mosquitto.running(folder / "broker"))
    postgresql = stack.enter_context(postgres.running())
    redis = stack.enter_context(redis_server.running(folder))
    account = stack.enter_context(HttpAnswers(emoncms.Account()))
    secrets = {"postgresql-password": postgres.PASSWORD, "key": emoncms.WRITE_KEY}
    for name, value in secrets.items():
        (folder / "secrets" / name).write_text(value)
    (folder / "files").mkdir()
    outputs = {
        "influxdb": f"{influxdb}, token: !secret influxdb-token",
        "mqtt": f"url: '{broker.line}'",
        "mqtt_history": f"url: '{broker.line}', topic: history",
        "redis": f"url: '{redis.line}'",
        "emoncms": f"url: '{account.url}', key: !secret key, inputs: {INPUTS}",
        "postgresql": f"url: '{postgresql.url}', database: energy, "
        "password: !secret postgresql-password",
        "file": f"folder: '{folder}/files'",
    }
    file = configure(folder, "  pi: {type: host}\n", written({"emoncms": outputs["emoncms"]}))
    done = energy_monitor("setup", "emoncms", "--config", file)
    assert done.returncode == 0, done.stderr
    return outputs


def written(outputs):
    return "".join(f"  {name}: {{type: {name}, {options}}}\n" for name, options in outputs.items())


def run(folder, sources, outputs, seconds):
    """Return memory in MB, CPU in ms per second, the p99 of each meter's lateness, slots lost."""
    outputs = dict(outputs)
    port = free_port() if "page" in outputs else 0
    outputs.pop("page", None)
    file = configure(folder, sources, written(outputs), port=port)
    with collector(file) as process:
        wait_for_reads(folder, f"m{METERS - 1}", SETTLE_S)
        before, began, cpu = ask(folder)["sources"], time.monotonic(), cpu_ns(process.pid)
        while time.monotonic() < began + seconds:
            if port:
                scrape(port)
            time.sleep(SCRAPE_EVERY_S)
        took_s, cpu, status = time.monotonic() - began, cpu_ns(process.pid) - cpu, ask(folder)
        wait_for(lambda: delivering(ask(folder)), "every output delivers")
    states = {name: each["last_error"] for name, each in status["outputs"].items()}
    assert not any(states.values()), states
    after = status["sources"].values()
    lost = sum(each["skipped"] + each["failures"] for each in after)
    lost -= sum(each["skipped"] + each["failures"] for each in before.values())
    late_ms = [1000 * each["lateness_s"]["p99"] for each in after]
    return status["resident_memory"] / 1e6, cpu / 1e6 / took_s, late_ms, lost


def delivering(status):
    outputs = status["outputs"].values()
    return all(each["state"] == "delivering" and each["delivered"] for each in outputs)


def scrape(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read()
    connection.close()
