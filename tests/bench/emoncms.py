"""A backlog of 24 h of one meter at 1 Hz into EmonCMS, a row of 12 values per 10 s.

Its inputs count energy. The real one where EMONCMS_HOME names it, else recorded answers.
"""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.backlog import READINGS, deliver_day
from tests.bench.readings import lines
from tests.fakes import emoncms as fake
from tests.fakes.http_answers import HttpAnswers
from tests.fakes.running import configure, energy_monitor
from tests.servers import emoncms as real

MOST_S = 60
INPUTS = (
    "inputs: {mains.active_power: {processes: [{process: log_to_feed, feed: power}, "
    "{process: power_to_kwh, feed: kwh}]}, mains.active_energy: {processes: "
    "[{process: wh_accumulator, feed: wh}]}}"
)


@contextmanager
def server(folder):
    try:
        with real.running(folder) as running:
            yield "EmonCMS", running
            return
    except pytest.skip.Exception:
        pass
    with HttpAnswers(fake.Account()) as answers:
        yield "recorded EmonCMS", real.EmonCMS(answers.url, fake.WRITE_KEY, fake.READ_KEY)


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with server(folder) as (name, running):
            (folder / "secrets").mkdir()
            (folder / "secrets" / "key").write_text(running.write_key)
            output = f"type: emoncms, url: '{running.url}', key: !secret key, {INPUTS}"
            file = configure(folder, "  pi: {type: host}\n", f"  history: {{{output}}}\n")
            done = energy_monitor("setup", "emoncms", "--config", file)
            assert done.returncode == 0, done.stderr
            took = deliver_day(folder, output)
            numbers = {each["name"]: each["id"] for each in running.ask("/feed/list.json")}
            counted = running.ask("/feed/timevalue.json", {"id": numbers["wh"]})["value"]
        yield (
            f"a day into {name}, a row per 10 s, s",
            f"{took:.1f}",
            f"at most {MOST_S}",
            (took <= MOST_S),
        )
        first, last = (line.decode() for line in ends())
        true = wh(last) - wh(first)
        good = abs(counted - true) < 0.001 * true
        yield "energy counted there / true", f"{counted / true:.4f}", "1 ± 0.001", good


def ends():
    """Return the first and the last reading of that day that become rows."""
    every = list(lines(READINGS))
    return every[0], every[-10]


def wh(line):
    return float(line.partition(",active_energy=")[2].partition(",")[0])
