"""Lutron processors are found by a call on the network, and recognised at their line."""

import json
import socket
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from collector import config
from collector.cli.main import main
from collector.sources.lutron_qs import discover as lutron_search
from collector.sources.lutron_qs import fetch
from collector.sources.lutron_qs.discover import call_out, is_echo
from collector.sources.lutron_qs.source import Lutron
from collector.sources.luxtronik import discover as luxtronik
from tests.fakes.http_answers import Reply
from tests.fakes.lutron_processor import database, running
from tests.fakes.searching import scanned

ECHO = b"<LUTRON=2><PRODFAM=Gulliver><PRODTYPE=Processor><SERNUM=01a2><IPADDR=10.0.0.9>"
SUMMARY = "database of 11/05/2026 18:30:00: 7 zones, 5 of them lights with a wattage, 1 LEDs"


@pytest.fixture
def server(monkeypatch):
    with running() as processor:
        port = int(processor.line.rpartition(":")[2])
        monkeypatch.setattr(Lutron, "manner", replace(Lutron.manner, ports=(port,)))
        yield processor


@pytest.fixture
def web(monkeypatch):
    with database() as (served, url):
        monkeypatch.setattr(fetch, "usual_place", lambda _: url)
        yield served


def typed(*words):
    return CliRunner().invoke(main, ["scan", *words])


def test_one_that_answers_the_call_is_found():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        called = []

        def answer():
            data, caller = door.recvfrom(100)
            called.append(data)
            for said in (b"<LUTRON=1>", ECHO, ECHO, b"\xff"):
                door.sendto(said, caller)

        thread = threading.Thread(target=answer)
        thread.start()
        assert call_out(("127.0.0.1", door.getsockname()[1]), 0.5) == ["tcp://127.0.0.1:23"]
        thread.join()
    assert called == [b"<LUTRON=1>"]


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_none(data):
    assert is_echo(data) in (True, False)
    assert is_echo(ECHO)
    assert not is_echo(b"<LUTRON=1><SERNUM=><PRODFAM=Gulliver>")


@pytest.mark.usefixtures("web")
def test_a_processor_is_recognised_without_a_login(server):
    (found,) = scanned(server.line).found
    assert (found.place, found.text) == (server.line, f"Lutron, {SUMMARY}")
    assert server.heard == server.logins == []


@pytest.mark.usefixtures("web")
def test_what_is_found_is_a_configuration(server, tmp_path):
    shown = typed("--line", server.line)
    assert shown.exit_code == 0
    assert f"Lutron, {SUMMARY}" in shown.stderr
    file = tmp_path / "config.yaml"
    file.write_text(shown.stdout)
    assert config.load(file).sources["lights1"].line == server.line
    assert "password: !secret lutron-password" in shown.stdout
    (found,) = json.loads(typed("--line", server.line, "--json").stdout)
    assert (found["type"], found["options"]["line"]) == ("lutron_qs", server.line)
    assert SUMMARY in found["text"]


@pytest.mark.usefixtures("web")
def test_one_that_is_found_by_the_call_is_shown(server, monkeypatch):
    monkeypatch.setattr("collector.lines.adapter.ports", list)
    monkeypatch.setattr(luxtronik, "call_out", list)
    monkeypatch.setattr(lutron_search, "call_out", lambda: [server.line])
    assert f"line: {server.line}" in typed().stdout


def test_something_else_that_asks_for_a_login_is_told(server, web):
    web.answer = lambda _: Reply(404)
    (found,) = scanned(server.line).found
    assert not found.options
    assert "asks for a login, but http://" in found.text
    shown = typed("--line", server.line)
    assert shown.exit_code == 1
    assert f"  # {server.line}: asks for a login, but http://" in shown.stdout


def test_one_that_asks_for_a_login_is_not_asked_by_other_sources(server, web, monkeypatch):
    monkeypatch.setattr(Lutron, "manner", replace(Lutron.manner, ports=()))
    web.answer = lambda _: Reply(404)
    assert [each.kind for each in scanned(server.line).found] == ["lutron_qs"]
    assert server.heard == server.logins == []
