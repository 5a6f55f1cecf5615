"""A source from a package outside the tree is scanned, checked and read: no file of ours knows."""

import json

import pytest

from tests.fakes.outside import package
from tests.fakes.running import configure, energy_monitor

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
