"""The page about adding an output: its example is installed, configured and run by the service."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.running import collector, configure, energy_monitor, wait_for

PAGE = (Path(__file__).parents[1] / "docs" / "add-an-output.md").read_text()
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL))
HOUSE = "  house: {type: simulated}\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Install the example as pip does, in a folder of its own."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "energy_monitor_board.py").write_text(BLOCKS["python"])
    (folder / "pyproject.toml").write_text(BLOCKS["toml"])
    words = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    quiet = "--disable-pip-version-check"
    command = [sys.executable, "-m", "pip", "install", *words, quiet, "--target", folder / "there"]
    done = subprocess.run([*command, folder], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(folder / "there")}


def configured(folder, file):
    outputs = BLOCKS["yaml"].replace("outputs:\n", "").replace("/srv/board.json", str(file))
    return configure(folder, HOUSE, outputs)


def test_the_example_shows_the_newest_values_that_it_selects(environment, tmp_path):
    board = tmp_path / "board.json"
    with collector(configured(tmp_path, board), **environment):
        shown = json.loads(wait_for(lambda: board.exists() and board.read_text(), "it is shown"))
    assert shown["tags"] == {"site": "home", "floor": "ground"}
    assert shown["devices"]
    assert all(
        quantity.startswith("active_power")
        for values in shown["devices"].values()
        for quantity in values
    )


def test_its_options_are_checked_like_those_of_any_other(environment, tmp_path):
    done = energy_monitor("check", "--config", configured(tmp_path, "here"), env=environment)
    assert done.returncode == 78
    assert "outputs.hall.file: 'here' does not start with '/'" in done.stderr


def test_the_page_names_what_there_is():
    for path in re.findall(r"`((?:tests|collector)/[\w/.]+)`", PAGE):
        assert (Path(__file__).parents[1] / path).exists(), path
