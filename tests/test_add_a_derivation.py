"""The page about adding a derivation: its example is installed, checked and run."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from collector.journal.reader import read_all
from collector.reading import decode
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "add-a-derivation.md").read_text()
TWO = "  a: {type: simulated, every: 100ms}\n  b: {type: simulated, part: fridge, every: 100ms}\n"


def block(language):
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return text


@pytest.fixture
def house(tmp_path, monkeypatch):
    packages = tmp_path / "packages"
    about = packages / "both-1.dist-info"
    about.mkdir(parents=True)
    (packages / "both.py").write_text(block("python"))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: both\nVersion: 1\n")
    points = tomllib.loads(block("toml"))["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in points.items()
    ]
    (about / "entry_points.txt").write_text("".join(lines))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), str(ROOT)]))
    return configure(tmp_path / "house", TWO, extra=block("yaml"))


def test_the_example_derives(house):
    checked = energy_monitor("check", "--config", house)
    assert checked.returncode == 0, checked.stderr
    assert "derivations: house" in checked.stdout
    folder = house.parent
    with collector(house):
        wait_for(lambda: ask(folder)["derivations"]["house"]["made"] > 3, "it derives")
    readings = [decode(line) for _, line in read_all(folder / "journal" / "log")]
    together = [each for each in readings if each.kind == "together"]
    assert {each.device for each in together} == {"house"}
    newest = {}
    expected = []
    for each in readings:
        if each.kind == "electricity":
            newest[each.device] = each.values["active_power"]
            if len(newest) == 2:
                expected.append((each.at_ms, sum(newest.values())))
    made = [(each.at_ms, each.values["active_power"]) for each in together]
    assert made == expected[expected.index(made[0]) :][: len(made)]
