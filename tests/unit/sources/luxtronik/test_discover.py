"""The search for heat pumps: at the line that is named, or by a call on the network."""

import json
import socket
import threading
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from collector import config
from collector.cli.main import main
from collector.sources.lutron_qs import discover as lutron
from collector.sources.luxtronik import discover
from collector.sources.luxtronik.discover import call_out, decode_echo
from collector.sources.luxtronik.source import Luxtronik
from tests.fakes import luxtronik_controller as fake
from tests.fakes.luxtronik_controller import Controller
from tests.fakes.searching import scanned


@pytest.fixture
def controller(monkeypatch):
    numbers = [0] * 200
    numbers[81:86] = b"V1.80"
    with Controller({3004: fake.calculations(numbers)}) as running:
        port = int(running.line.rpartition(":")[2])
        monkeypatch.setattr(Luxtronik, "manner", replace(Luxtronik.manner, ports=(port,)))
        yield running


def typed(*words):
    return CliRunner().invoke(main, ["scan", *words])


def test_a_heat_pump_is_recognised_at_its_line(controller):
    (found,) = scanned(controller.line).found
    assert (found.place, found.text) == (controller.line, "heat pump, firmware V1.80")
    assert controller.requests == [(3004, 0)]


def test_what_is_found_at_a_line_is_a_configuration(controller, tmp_path):
    shown = typed("--line", controller.line)
    assert shown.exit_code == 0
    assert "heat pump, firmware V1.80" in shown.stderr
    file = tmp_path / "config.yaml"
    file.write_text(shown.stdout)
    assert config.load(file).sources["heatpump1"].line == controller.line
    (found,) = json.loads(typed("--line", controller.line, "--json").stdout)
    assert (found["type"], found["options"]) == ("luxtronik", {"line": controller.line})
    assert found["text"] == "heat pump, firmware V1.80"


def test_a_heat_pump_that_answers_the_call_is_found(controller, monkeypatch):
    monkeypatch.setattr("collector.lines.adapter.ports", list)
    monkeypatch.setattr(lutron, "call_out", list)
    monkeypatch.setattr(discover, "call_out", lambda: [controller.line])
    assert f"line: {controller.line}" in typed().stdout
    monkeypatch.setattr(discover, "call_out", list)
    shown = typed()
    assert shown.exit_code == 1
    assert "no serial port is there, and nothing that is known answers" in shown.stdout


def test_something_else_at_that_line_is_told(controller):
    controller.replies[3004] = b"HTTP/1.1 400 Bad Request\r\n"
    (reason,) = scanned(controller.line).skipped
    assert "asked for 3004, answered is" in reason
    shown = typed("--line", controller.line)
    assert shown.exit_code == 1
    assert "no known device answered" in shown.stdout
    assert "23 (lutron_qs)" in shown.stdout
    assert "502, 1502 (modbus)" in shown.stdout


def test_a_line_that_can_be_none_is_refused():
    shown = typed("--line", "tcp://pump")
    assert shown.exit_code == 1
    assert "'tcp://pump' is not a line; write tcp://HOST:PORT" in shown.stderr


# Discovery


def echoing(reply):
    """Return a UDP socket on loopback that answers one call, once with *reply*, once with noise."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("127.0.0.1", 0))

    def serve():
        call, caller = door.recvfrom(100)
        assert call == b"2000;111;1;\x00"
        for each in (call, b"\xff\xfe", reply, reply):
            door.sendto(each, caller)

    threading.Thread(target=serve, daemon=True).start()
    return door


@pytest.mark.parametrize(
    ("reply", "port"),
    [(b"2500;111;8889;\0", 8889), (b"2500;111;8888;more;", 8888), (b"2500;111;\0", 8888)],
)
def test_a_controller_that_answers_the_call_is_found_once(reply, port):
    with echoing(reply) as door:
        assert call_out([door.getsockname()], 0.5) == [f"tcp://127.0.0.1:{port}"]


def test_a_network_without_a_heat_pump_is_listened_to_only_so_long():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert call_out([nobody.getsockname()], 0.05) == []


def test_a_port_that_talks_without_end_does_not_hold_the_search():
    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))

        def chatter():
            _, caller = door.recvfrom(100)
            while not stop.is_set():
                door.sendto(b"noise", caller)
                time.sleep(0.001)

        thread = threading.Thread(target=chatter)
        thread.start()
        assert call_out([door.getsockname()], 5) == []
        stop.set()
        thread.join()


@given(st.binary(max_size=40).map(lambda tail: b"2500;111;" + tail) | st.binary(max_size=40))
def test_any_answer_to_a_call_is_a_port_or_nothing(data):
    port = decode_echo(data)
    assert port is None or 0 < port < 65536


@pytest.mark.parametrize("told", [b"0", b"65536", b"-1", b"1e3", b"88 89", "٣".encode()])
def test_a_port_that_cannot_be_is_no_answer(told):
    assert decode_echo(b"2500;111;" + told + b";") is None
