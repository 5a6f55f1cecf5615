"""Roles of devices: what is read, what contradicts itself, and what seems to be missing."""

import re
from pathlib import Path

import pytest

from collector.config import load, read
from collector.contract.roles import plan, roles_of
from collector.errors import ConfigFault
from collector.run import wiring
from collector.sources.modbus import discover as modbus
from collector.sources.vedirect import discover as vedirect

TOP = "sources:\n"


def source(name, role="", **more):
    options = {"type": "simulated", **more} | ({"role": role} if role else {})
    text = ", ".join(f"{key}: {value}" for key, value in options.items())
    return f"  {name}: {{{text}}}\n"


def written(tmp_path, *lines, extra=""):
    file = tmp_path / "config.yaml"
    file.write_text(f"data_dir: {tmp_path}\n{TOP}{''.join(lines)}{extra}")
    return file


def faults(file):
    with pytest.raises(ConfigFault) as caught:
        wiring.check(read(file))
    return [(each.line, each.path, each.message) for each in caught.value.faults]


GRID, SOLAR = source("mains", "grid"), source("roof", "solar", part="solar")


def test_roles_are_read_and_the_derivation_is_there(tmp_path):
    oven = source("oven", "part of mains", part="cooker")
    config = load(written(tmp_path, GRID, SOLAR, oven))
    assert wiring.check(config) == []
    assert list(config.derivations) == ["flows", "energy", "alerts"]
    found = plan(roles_of(config.sources))
    assert found.parts == {"oven": "house"}
    assert (found.of("grid"), found.of("solar")) == (("mains",), ("roof",))


def test_without_a_role_there_is_no_derivation(tmp_path):
    assert load(written(tmp_path, source("mains"))).derivations.keys() == {"energy", "alerts"}


def test_a_derivation_that_is_configured_is_the_only_one(tmp_path):
    extra = "derivations:\n  power: {type: flows, every: 10s}\n"
    assert list(load(written(tmp_path, GRID, extra=extra)).derivations) == [
        "power",
        "energy",
        "alerts",
    ]


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("grd", "'grd' is not a role: one of grid, solar, battery, house, heat_pump, part of NAME"),
        ("part of", "is not a role"),
        ("part of a b", "is not a role"),
    ],
)
def test_a_wrong_role_is_told_with_what_there_is(role, said, tmp_path):
    ((line, path, message),) = faults(written(tmp_path, source("mains", role)))
    assert (line, path) == (3, "sources.mains.role")
    assert said in message


@pytest.mark.parametrize(
    ("lines", "where", "said"),
    [
        ([GRID, source("two", "grid")], (4, "sources.two.role"), "'mains' is the grid already"),
        (
            [GRID, source("oven", "part of ovn")],
            (4, "sources.oven.role"),
            "no device 'ovn' has a role; did you mean 'oven'?",
        ),
        (
            [GRID, source("a", "part of b"), source("b", "part of a")],
            (4, "sources.a.role"),
            "parts go round in a circle: a → b → a",
        ),
        (
            [GRID, source("a", "part of a")],
            (4, "sources.a.role"),
            "parts go round in a circle: a → a",
        ),
        (
            [GRID, SOLAR, source("a", "part of roof")],
            (5, "sources.a.role"),
            "'roof' is solar, which has no parts",
        ),
        (
            [GRID, SOLAR, source("home", "house")],
            (5, "sources.home.role"),
            "the house follows from grid and solar",
        ),
        (
            [GRID, source("bank", "battery", part="solar")],
            (4, "sources.bank.role"),
            "'bank' counts no energy",
        ),
        (
            [GRID, source("x", roles="{mains: solar}")],
            (4, "sources.x.roles.mains"),
            "it has a role in 'mains' too",
        ),
    ],
)
def test_contradictions_are_found_with_their_line(lines, where, said, tmp_path):
    line, path, message = faults(written(tmp_path, *lines))[0]
    assert (line, path) == where
    assert said in message


def test_two_meters_at_the_grid_add_up_where_that_is_said(tmp_path):
    extra = "derivations:\n  flows: {type: flows, sum: [grid]}\n"
    file = written(tmp_path, GRID, source("two", "grid"), extra=extra)
    assert wiring.check(read(file)) == []


def test_a_sole_meter_is_asked_about(tmp_path):
    (advice,) = wiring.check(read(written(tmp_path, source("mains"))))
    assert "mains: is this the meter between house and grid? 'role: grid'" in advice
    assert wiring.check(read(written(tmp_path, source("mains"), source("two")))) == []


def test_a_search_names_the_role_of_what_is_plainly_solar_or_a_battery():
    inverter = modbus.found("tcp://x", None, 1, ("sunspec",), "Fronius Symo, models 1, 103, 160")
    assert "'role: solar' shows it in the power flow" in inverter.remarks[""]
    meter = modbus.found("tcp://x", None, 1, ("sunspec",), "Fronius Meter, models 1, 203")
    assert "role" not in meter.remarks[""]
    monitor = vedirect.found("/dev/ttyUSB0", {"PID": "0xA389", "SER#": "HQ1", "SOC": "1000"})
    assert "'role: battery' shows it in the power flow" in monitor.remarks[""]


def test_the_example_of_the_page_is_right(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "flows.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "config.yaml"
    file.write_text(f"data_dir: {tmp_path}\n{example}")
    config = read(file)
    assert not any("role" in advice for advice in wiring.check(config))
    assert plan(roles_of(config.sources)).parts == {
        "heating": "house",
        "kitchen": "house",
        "oven": "kitchen",
    }
