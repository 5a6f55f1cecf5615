"""The page about adding a meter: its example is a map, and its commands do what they promise."""

import re
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from collector.cli.main import main
from collector.sources.modbus.registers import Type

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-meter.md").read_text()
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def house(tmp_path):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "acme-m1.yaml").write_text(EXAMPLE)
    return tmp_path


def models(house, *words):
    return CliRunner().invoke(main, ["models", *words, "--config", str(house / "config.yaml")])


def test_the_example_is_listed_and_shown(house):
    assert "acme-m1" in models(house).stdout
    shown = models(house, "acme-m1")
    assert "Acme M1" in shown.stdout
    assert re.search(r"active_energy +Wh +0x0048 +04 +uint32 +10", shown.stdout)


def test_a_wrong_example_is_refused_with_its_line_and_the_others_are_listed(house):
    file = house / "devices" / "acme-m1.yaml"
    file.write_text(EXAMPLE.replace("voltage: 230.2", "voltage: 115.1"))
    shown = models(house, "acme-m1")
    assert shown.exit_code == 78
    assert "proofs.0.values.voltage: is 230.2, not 115.1" in shown.stderr
    listed = models(house)
    assert listed.exit_code == 0
    assert "orno-we-515" in listed.stdout
    assert "acme-m1.yaml:19" in listed.stderr


def test_every_rule_of_the_page_names_types_that_there_are():
    (rule,) = re.findall(r"written: (.*?)\. A", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", rule)) == set(get_args(Type))
