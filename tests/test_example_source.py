"""The sample package in examples/: installed by pip, found by its entry point, read like any."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.fakes.running import configure, energy_monitor

EXAMPLE = Path(__file__).parent.parent / "examples" / "energy-monitor-source-example"
MODULE = "energy_monitor_thermometer.py"
CELLAR = "  cellar: {{type: thermometer, file: {file}, every: 1m}}\n"


def installed(folder, quantity="temperature"):
    """Install the package as pip does, in a folder of its own; return an environment with it."""
    copy = folder / "package"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    module = copy / MODULE
    module.write_text(module.read_text().replace('= "temperature"', f'= "{quantity}"'))
    words = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    quiet = "--disable-pip-version-check"
    command = [sys.executable, "-m", "pip", "install", *words, quiet, "--target", folder / "there"]
    done = subprocess.run([*command, copy], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(folder / "there")}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("example"))


@pytest.fixture
def thermometer(tmp_path):
    file = tmp_path / "temperature"
    file.write_text("18437\n")
    return file


def test_it_is_found_by_its_entry_point_and_accepted(environment, thermometer, tmp_path):
    file = configure(tmp_path, CELLAR.format(file=thermometer))
    done = energy_monitor("check", "--config", file, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sources: cellar" in done.stdout


def test_it_is_read_like_any_other(environment, thermometer, tmp_path):
    file = configure(tmp_path, CELLAR.format(file=thermometer))
    done = energy_monitor("read", "cellar", "--json", "--config", file, env=environment)
    assert yaml.safe_load(done.stdout)["values"] == {"temperature": 18.437}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "'' is no temperature in thousandths of a degree"),
        ("85000\n", "has not measured yet"),
    ],
)
def test_why_it_is_not_read_is_told(environment, thermometer, tmp_path, text, sentence):
    thermometer.unlink() if text is None else thermometer.write_text(text)
    file = configure(tmp_path, CELLAR.format(file=thermometer))
    done = energy_monitor("read", "cellar", "--config", file, env=environment)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_its_options_are_checked_like_those_of_any_other(environment, tmp_path):
    file = configure(tmp_path, "  cellar: {type: thermometer, fil: /x}\n")
    done = energy_monitor("check", "--config", file, env=environment)
    assert done.returncode == 78
    assert "sources.cellar.fil: unknown option; did you mean 'file'?" in done.stderr


def test_a_quantity_that_is_not_in_the_catalogue_is_refused(tmp_path, thermometer):
    file = configure(tmp_path / "house", CELLAR.format(file=thermometer))
    done = energy_monitor(
        "check", "--config", file, env=installed(tmp_path, quantity="soil_moisture")
    )
    assert done.returncode == 78
    sentence = "sources.cellar.type: it reads 'soil_moisture', which is not in the catalogue"
    assert sentence in done.stderr
    assert sentence in (EXAMPLE.parents[1] / "docs" / "add-a-source.md").read_text()


def test_without_the_package_its_type_is_not_known(thermometer, tmp_path):
    file = configure(tmp_path, CELLAR.format(file=thermometer))
    done = energy_monitor("check", "--config", file)
    assert "no source named 'thermometer'" in done.stderr
