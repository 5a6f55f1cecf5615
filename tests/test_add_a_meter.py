"""The page about adding a meter: its example is a map, and its commands do what they promise."""

import re
from importlib.resources import files
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from collector.cli import schemas
from collector.cli.main import main
from collector.quantity import catalogue
from collector.sources.modbus.devicemap import load, names
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
    assert "acme-m1.yaml:20" in listed.stderr


def test_the_example_may_be_shared_as_it_stands(house):
    example = load("acme-m1", [house / "devices"])
    assert len(example.probe) > 1
    for register in example.registers:
        unit = catalogue()[register.quantity].unit
        assert re.search(rf"quantity: {register.quantity},.*# {unit}\b", EXAMPLE)


def test_the_schema_accepts_every_map_and_refuses_what_the_loader_refuses():
    schema = schemas.map_schema()
    for name in names():
        text = files("collector").joinpath("devices", "modbus", f"{name}.yaml").read_text()
        jsonschema.validate(yaml.safe_load(text), schema)
    example = yaml.safe_load(EXAMPLE)
    jsonschema.validate(example, schema)
    for wrong in (
        {"quantity": "volltage", "address": 0, "type": "uint16"},
        {"quantity": "voltage", "address": 65536, "type": "uint16"},
        {"quantity": "voltage", "address": 0, "type": "uint17"},
        {"quantity": "voltage", "address": 0, "type": "uint16", "factor": 10},
        {"quantity": "voltage", "type": "uint16"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(example | {"registers": [wrong]}, schema)
    with pytest.raises(jsonschema.ValidationError, match="proofs"):
        jsonschema.validate({key: example[key] for key in example if key != "proofs"}, schema)


def test_every_rule_of_the_page_names_types_that_there_are():
    (rule,) = re.findall(r"written: (.*?)\. A", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", rule)) == set(get_args(Type))
