"""A source from a package outside the tree is scanned, checked and read: no file of ours knows."""

import json
import re
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.outside import package
from tests.fakes.running import configure, energy_monitor

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-source.md").read_text()
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

GAUGE = '''
from dataclasses import dataclass
from pathlib import Path

from collector.contract import Found, Manner, SourceOptions
from collector.errors import LineAway
from collector.options import option
from collector.reading import Reading


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """A gauge whose level stands in a file."""

    line: str = option("the file", example="/run/gauge")


class Gauge:
    Options = Options
    manner = Manner("listens", ("/",))
    quantities = ("temperature",)
    patience_s = 1.0

    def __init__(self, name, options, context):
        self.name, self.line = name, options.line

    @staticmethod
    def discover(search):
        for port in search.ports:
            search.progress(f"looking at {port}", 0.5)
            maker = Path(port).read_text().splitlines()[1]
            yield Found("gauge", port, f"gauge by {maker}", {"line": port, "every": "5s"},
                        remarks={"": maker})

    def open(self): ...

    def read(self, at_ms, quantities):
        values = {"temperature": float(Path(self.line).read_text().splitlines()[0])}
        return [Reading("climate", self.name, at_ms, values)]

    def close(self): ...


class Broken(Gauge):
    @staticmethod
    def discover(search):
        raise KeyError("a bug")
'''


@pytest.fixture
def environment(tmp_path):
    return package(tmp_path / "there", "gauge", GAUGE, gauge="Gauge", a_broken="Broken")


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "level"
    file.write_text("21.5\nAcme \x1b[31m# 'red' \"x\"\n")
    return file


def test_it_is_scanned_checked_and_read(environment, file, tmp_path):
    shown = energy_monitor("scan", "--line", file, env=environment)
    assert shown.returncode == 0, shown.stderr
    assert f"{file}  gauge by Acme ?[31m# 'red'" in shown.stderr
    assert "\x1b[31m#" not in shown.stdout + shown.stderr
    house = configure(tmp_path, shown.stdout.removeprefix("sources:\n"))
    checked = energy_monitor("check", "--config", house, env=environment)
    assert checked.returncode == 0, checked.stderr
    read = energy_monitor("read", "gauge1", "--json", "--config", house, env=environment)
    assert json.loads(read.stdout)["values"] == {"temperature": 21.5}
    listed = energy_monitor("scan", "--line", file, "--json", env=environment)
    assert json.loads(listed.stdout)[0]["options"] == {"line": str(file), "every": "5s"}


def test_a_broken_search_beside_it_is_reported(environment, file):
    shown = energy_monitor("scan", "--line", file, env=environment)
    assert "a_broken: internal error: KeyError: 'a bug'" in shown.stderr


@contextmanager
def answering(answer):
    """Serve *answer* to whoever connects and asks; yield the line."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    near, _ = server.accept()
                except OSError:
                    return
                with near:
                    if near.recv(10):
                        near.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def pool_at(folder, line):
    """Install the example of the page, at the port of *line* instead of its usual one."""
    text = EXAMPLE.replace("(4711,)", f"({line.rpartition(':')[2]},)")
    assert 'pool = "energy_monitor_pool:Pool"' in PAGE
    return package(folder / "there", "energy_monitor_pool", text, pool="Pool")


def test_the_example_of_the_page_is_scanned_checked_and_read(tmp_path):
    with answering(b"POOL 23.4\n") as line:
        environment = pool_at(tmp_path, line)
        shown = energy_monitor("scan", "--line", line, env=environment)
        assert (shown.returncode, shown.stderr) == (0, f"{line}  pool at 23.4 °C\n")
        house = configure(tmp_path, shown.stdout.removeprefix("sources:\n"))
        checked = energy_monitor("check", "--config", house, env=environment)
        assert checked.returncode == 0, checked.stderr
        read = energy_monitor("read", "pool1", "--json", "--config", house, env=environment)
        assert json.loads(read.stdout)["values"] == {"temperature": 23.4}


def test_what_is_no_device_of_the_example_is_said_to_be_none(tmp_path):
    with answering(b"HTTP/1.1 400\n") as line:
        shown = energy_monitor("scan", "--line", line, env=pool_at(tmp_path, line))
    assert shown.returncode == 1
    assert "is not the answer of a pool thermometer" in shown.stderr
