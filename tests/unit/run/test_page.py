"""The page's thread: what keeps it from serving is said, and mended without a restart."""

import logging
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from collector.clock import Clock
from collector.contract.page import Home, PageOptions, wrong_with
from collector.run import page as run_page
from collector.run.health import PageHealth
from collector.run.page import PageThread, sentence
from collector.secrets import Secret
from tests.fakes.page import PASSWORD, a_house, ask, options_with

LATE_S = 20


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(run_page, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(run_page, "LONGEST_PAUSE_S", 0.1)


@contextmanager
def running(options):
    health, stop = PageHealth(options.url, "starting"), threading.Event()
    page = PageThread(options, a_house, Home(), Clock(), health, threading.Lock())
    thread = threading.Thread(target=page.run, args=(stop,))
    thread.start()
    try:
        yield health
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def wait_until(health, state):
    deadline = time.monotonic() + LATE_S
    while health.state != state:
        assert time.monotonic() < deadline, health
        time.sleep(0.01)


def test_it_serves_and_says_where(caplog):
    caplog.set_level(logging.INFO)
    with running(options_with()) as health:
        wait_until(health, "serving")
        assert ask(options := PageOptions(port=int(health.url.rpartition(":")[2])))[0] == 200
    assert [each.message for each in caplog.records] == [f"page: {options.url}"]


def test_a_port_that_is_taken_is_said_once_and_served_as_soon_as_it_is_free(caplog):
    options = options_with()
    with socket.create_server(("127.0.0.1", options.port)), running(options) as health:
        wait_until(health, "away")
        time.sleep(0.5)
        assert f"port {options.port} is used by another program" in health.last_error
        assert "page.port" in health.last_error
        assert len(caplog.records) == 1
    with running(options) as health:
        wait_until(health, "serving")
        assert health.last_error == ""


def test_it_is_tried_again_in_the_same_run():
    options = options_with()
    taken = socket.create_server(("127.0.0.1", options.port))
    with running(options) as health:
        wait_until(health, "away")
        taken.close()
        wait_until(health, "serving")
        assert ask(options)[0] == 200


def test_an_address_that_this_computer_does_not_have_is_waited_for(tmp_path):
    options = options_with(tmp_path, address="192.0.2.1")
    with running(options) as health:
        wait_until(health, "away")
    assert "no address 192.0.2.1" in health.last_error


def test_without_its_password_it_serves_nobody_until_that_is_stored(tmp_path):
    options = options_with(tmp_path)
    (tmp_path / "page-password").unlink()
    with running(options) as health:
        wait_until(health, "away")
        assert "sudo energy-monitor secret set page-password" in health.last_error
        (tmp_path / "page-password").write_text(PASSWORD)
        wait_until(health, "serving")


def test_a_bug_ends_the_page_alone_and_is_tried_again(monkeypatch, caplog):
    def broken(_):
        raise ZeroDivisionError("of this test")

    with monkeypatch.context() as patch:
        patch.setattr("collector.page.server.listening", broken)
        options = options_with()
        with running(options) as health:
            wait_until(health, "failed")
            patch.undo()
            wait_until(health, "serving")
    assert [bool(each.exc_info) for each in caplog.records] == [True]


def test_ports_below_1024_are_root_s():
    assert "needs root" in sentence(PermissionError(13, "x"), PageOptions(port=80))


def test_an_address_beyond_this_computer_needs_a_password():
    for address in ("0.0.0.0", "192.168.1.5", "::", "::ffff:10.0.0.1"):
        option, message = wrong_with(PageOptions(address=address)) or ("", "")
        assert option == "address"
        assert "page-password" in message
        assert wrong_with(PageOptions(address=address, password=Secret("page-password"))) is None
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        assert wrong_with(PageOptions(address=address)) is None
    assert "not an IP address" in (wrong_with(PageOptions(address="localhost")) or ("", ""))[1]
