"""The search for heat pumps: at the line that is named, or by a call on the network."""

import json

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli.main import main
from collector.scan.found import FoundHeatPump, Unusable
from collector.scan.scan import scan
from collector.sources.lutron_qs import discover
from collector.sources.luxtronik import protocol
from tests.fakes import luxtronik_controller as fake
from tests.fakes.luxtronik_controller import Controller


@pytest.fixture
def controller():
    numbers = [0] * 200
    numbers[81:86] = b"V1.80"
    with Controller({3004: fake.calculations(numbers)}) as running:
        yield running


def typed(*words):
    return CliRunner().invoke(main, ["scan", *words])


def test_a_heat_pump_is_recognised_at_its_line(controller):
    assert list(scan([controller.line]))[-1] == FoundHeatPump(controller.line, "V1.80")
    assert controller.requests == [(3004, 0)]


def test_what_is_found_at_a_line_is_a_configuration(controller, tmp_path):
    shown = typed("--line", controller.line)
    assert shown.exit_code == 0
    assert "heat pump, firmware V1.80" in shown.stderr
    file = tmp_path / "config.yaml"
    file.write_text(shown.stdout)
    assert config.load(file).sources["heatpump1"].line == controller.line
    found = {"type": "luxtronik", "line": controller.line, "firmware": "V1.80"}
    assert json.loads(typed("--line", controller.line, "--json").stdout) == [found]


def test_a_heat_pump_that_answers_the_call_is_found(controller, monkeypatch):
    monkeypatch.setattr("collector.lines.adapter.ports", list)
    monkeypatch.setattr(discover, "discover", list)
    monkeypatch.setattr(protocol, "discover", lambda: [controller.line])
    assert f"line: {controller.line}" in typed().stdout
    monkeypatch.setattr(protocol, "discover", list)
    shown = typed()
    assert shown.exit_code == 1
    assert (
        "no serial port is there, and no heat pump or lighting processor answers on the network"
        in shown.stdout
    )


def test_something_else_at_that_line_is_told(controller):
    controller.replies[3004] = b"HTTP/1.1 400 Bad Request\r\n"
    *_, event = scan([controller.line])
    assert isinstance(event, Unusable)
    assert "asked for 3004, answered is" in event.reason
    shown = typed("--line", controller.line)
    assert shown.exit_code == 1
    assert "no heat pump or lighting processor answered" in shown.stdout


def test_a_line_that_can_be_none_is_refused():
    shown = typed("--line", "tcp://pump")
    assert shown.exit_code == 1
    assert "'tcp://pump' is no line: tcp://HOST:PORT" in shown.stderr
