"""The control socket: whatever a client does, the service goes on and others are answered."""

import json
import socket
import threading
import time

import pytest

from collector.errors import EnergyMonitorError
from collector.run import control


@pytest.fixture
def served(tmp_path):
    """Serve a place; yield its path, and a dictionary whose 'answer' may be changed."""
    path, stop = tmp_path / "control.sock", threading.Event()
    held = {"answer": lambda request: {"you asked": request["ask"]}}
    door = control.listen(path)

    def answer(request):
        return held["answer"](request)

    arguments = (door, answer, stop)
    thread = threading.Thread(target=control.serve_at, args=arguments)
    thread.start()
    yield path, held
    stop.set()
    control.end(path)
    thread.join(2)  # less than it would wait for a client
    assert not thread.is_alive()


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(path))
    return client


def say(path, data):
    """Send *data* and return what is answered."""
    with connect(path) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as lines:
            return json.loads(lines.readline())


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{\n", b"[]\n", b"1\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"a":' * 100_000],
    ids=range(8),
)
def test_what_is_no_request_gets_an_error_and_the_next_one_an_answer(served, data):
    path, _ = served
    assert "one JSON object on one line" in say(path, data)["error"]
    assert control.ask(path, {"ask": "x"}) == {"you asked": "x"}


@pytest.mark.parametrize(
    "answer",
    [lambda request: request["gone"], lambda _: {"a": object()}, lambda _: json.loads("[" * 99999)],
)
def test_an_error_of_ours_is_told_and_logged_and_stops_nothing(served, answer, caplog):
    path, held = served
    good, held["answer"] = held["answer"], answer
    with pytest.raises(EnergyMonitorError, match="could not answer, internal error"):
        control.ask(path, {"ask": "x"})
    assert "internal error" in caplog.text
    assert "Traceback" in caplog.text
    held["answer"] = good
    assert control.ask(path, {"ask": "x"}) == {"you asked": "x"}


def test_a_request_that_is_too_large_is_not_even_read(served, monkeypatch):
    monkeypatch.setattr(control, "MAX_REQUEST", 1000)
    path, _ = served
    assert "at most 1000 bytes" in say(path, b"[" + b"{}," * 400 + b"{}]\n")["error"]
    assert control.ask(path, {"ask": "x"}) == {"you asked": "x"}


def test_clients_that_idle_do_not_keep_others_waiting(served):
    path, _ = served
    idle = [connect(path) for _ in range(control.CLIENTS_AT_ONCE - 1)]
    assert control.ask(path, {"ask": "x"}) == {"you asked": "x"}
    for each in idle:
        each.close()


def test_too_many_idle_clients_are_hung_up_on_for_the_others(served, monkeypatch):
    monkeypatch.setattr(control, "WAIT_S", 0.3)
    path, _ = served
    idle = [connect(path) for _ in range(3 * control.CLIENTS_AT_ONCE)]
    assert control.ask(path, {"ask": "x"}) == {"you asked": "x"}
    for each in idle:
        each.close()


def test_a_client_that_drips_is_hung_up_on(served, monkeypatch):
    monkeypatch.setattr(control, "WAIT_S", 0.5)
    path, _ = served
    with connect(path) as client, pytest.raises(OSError, match=r"Broken pipe|reset"):
        drip(client)


def drip(client):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        client.sendall(b" ")
        time.sleep(0.05)


def test_a_client_that_does_not_listen_is_hung_up_on(served, monkeypatch):
    monkeypatch.setattr(control, "WAIT_S", 0.3)
    path, held = served
    held["answer"] = lambda _: {"long": "x" * 10_000_000}
    deaf = [connect(path) for _ in range(control.CLIENTS_AT_ONCE)]
    for each in deaf:
        each.sendall(b'{"ask": "x"}\n')
    held["answer"] = lambda _: {"short": 1}
    assert control.ask(path, {"ask": "x"}) == {"short": 1}
    for each in deaf:
        each.close()


def test_an_answer_that_takes_long_is_still_given(served, monkeypatch):
    monkeypatch.setattr(control, "WAIT_S", 0.2)
    path, held = served
    held["answer"] = lambda _: {"done": not threading.Event().wait(0.5)}
    assert control.ask(path, {"ask": "x"}) == {"done": True}


def test_no_answer_in_time_is_told_from_no_service(served, monkeypatch, tmp_path):
    monkeypatch.setattr(control, "ANSWER_WITHIN_S", 0.2)
    path, held = served
    go_on = threading.Event()
    held["answer"] = lambda _: {"waited": go_on.wait(20)}
    with pytest.raises(control.NoAnswer, match="is running, but did not answer within"):
        control.ask(path, {"ask": "x"})
    go_on.set()
    with pytest.raises(control.NotRunning, match="is it running"):
        control.ask(tmp_path / "nothing.sock", {"ask": "x"})


@pytest.mark.parametrize("before", ["nothing", "socket", "file", "folder", "link"])
def test_the_place_of_the_socket_is_taken_over_whatever_stands_there(tmp_path, before):
    path, stop = tmp_path / "a" / "control.sock", threading.Event()
    path.parent.mkdir()
    if before == "socket":  # of a service that was killed
        control.listen(path).close()
    elif before == "file":
        path.write_text("x")
    elif before == "folder":
        (path / "inside").mkdir(parents=True)
    elif before == "link":
        path.symlink_to("/nowhere")
    arguments = (control.listen(path), lambda _: {"here": True}, stop)
    thread = threading.Thread(target=control.serve_at, args=arguments)
    thread.start()
    assert control.ask(path, {}) == {"here": True}
    stop.set()
    control.end(path)
    thread.join(10)
