"""A client that is slow, silent, greedy or many takes nothing from another."""

import time
from contextlib import ExitStack

import pytest

from collector.page import server
from tests.fakes.page import a_house, ask, connect, options_with, read_answer, say, serving

LATE_S = 20


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setattr(server, "DEADLINE_S", 0.5)
    monkeypatch.setattr(server, "IDLE_S", 1.0)
    monkeypatch.setattr(server, "LOOK_EVERY_S", 0.05)
    with serving() as options:
        yield options


def is_hung_up(client, keep_talking=b""):
    """Tell whether the server ends a connection, also while its client goes on talking."""
    client.settimeout(0.1)
    deadline = time.monotonic() + LATE_S
    while time.monotonic() < deadline:
        try:
            if keep_talking:
                client.sendall(keep_talking)
            if not client.recv(65536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_one_who_says_nothing_is_hung_up_on(page):
    with connect(page) as client:
        assert is_hung_up(client)


def test_one_who_never_ends_his_request_is_hung_up_on(page):
    with connect(page) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert is_hung_up(client, b"X: y\r\n")


def test_one_who_never_takes_his_answer_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(server, "DEADLINE_S", 4.0)
    monkeypatch.setattr(server, "LOOK_EVERY_S", 0.05)
    names = [f"voltage_l{phase}" for phase in (1, 2, 3)]
    with serving(show=lambda: a_house(30_000, names)) as options, connect(options) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        deadline = time.monotonic() + LATE_S
        while time.monotonic() < deadline:
            time.sleep(0.2)
            try:
                client.sendall(b"G")
            except OSError:
                return
        raise AssertionError("it waits for ever")


def test_a_connection_is_kept_for_the_next_scrape_and_not_for_ever(page):
    with connect(page) as client:
        for _ in range(3):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += client.recv(65536)
            time.sleep(0.7)  # longer than the deadline of a request
        assert is_hung_up(client)


def test_hundreds_who_keep_their_connections_leave_room_for_the_next(monkeypatch):
    monkeypatch.setattr(server, "DEADLINE_S", 60.0)
    with serving() as options, ExitStack() as open_ones:
        for _ in range(200):
            client = open_ones.enter_context(connect(options))
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
            assert len(client.getsockname()) == 2
        assert ask(options, "/healthz")[0] == 200


def test_a_flood_at_once_is_answered_and_logs_nothing(page, caplog):
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(page) as client:
        client.sendall(
            request * 50 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        _, _, rest = read_answer(client)
    assert rest.count("HTTP/1.1 200 OK") == 50
    assert caplog.records == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
    ],
)
def test_what_is_too_large_or_no_request_is_refused(page, request_bytes, status):
    assert say(page, request_bytes)[0] == status
    assert ask(page, "/healthz")[0] == 200


def test_a_head_that_is_too_large_is_read_no_further(page):
    head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n"
    try:
        status = say(page, head)[0]
    except (BrokenPipeError, ConnectionResetError):
        status = 0
    assert status in {0, 431}
    assert ask(page, "/healthz")[0] == 200


def test_a_body_without_an_end_ends(page):
    with connect(page) as client:
        client.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert is_hung_up(client, b"40\r\n" + b"x" * 64 + b"\r\n")


def test_it_listens_at_ipv6_too():
    with serving(options_with(address="::1")) as options:
        assert ask(options, host="[::1]:9992")[0] == 200
