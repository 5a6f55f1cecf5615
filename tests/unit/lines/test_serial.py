"""Lines: shared, locked, and back after they were away."""

import errno
import os
import socket
import termios
import threading
import time
from contextlib import contextmanager

import pytest
import serial

from collector.errors import LineAway
from collector.lines.serial import Framing, LineConflict, Lines, SerialLine, why_away
from tests.fakes.far_end import open_pty

FRAMING = Framing()  # 9600 8N1: a pseudo-terminal knows no parity


class OtherLine(SerialLine):
    pass


@pytest.fixture
def pty():
    master, slave, path = open_pty()
    yield master, path
    os.close(master)
    os.close(slave)


@contextmanager
def opened(url):
    line = SerialLine(url, FRAMING)
    line.open()
    try:
        yield line
    finally:
        line.close()


def heard(line, size):
    """Return what comes, as soon as it is *size* bytes; a machine under load takes its time."""
    data, deadline_s = b"", time.monotonic() + 5
    while len(data) < size and time.monotonic() < deadline_s:
        data += line.receive(size - len(data))
    return data


def test_sources_that_name_one_line_share_it():
    lines = Lines()
    first = lines.get("/dev/ttyUSB0", FRAMING, SerialLine)
    assert lines.get("/dev/ttyUSB0", Framing(9600, "none", 1), SerialLine) is first
    assert lines.get("/dev/ttyUSB1", FRAMING, SerialLine) is not first


def test_one_line_has_one_setting():
    lines = Lines()
    lines.get("/dev/ttyUSB0", Framing(9600, "even"), SerialLine)
    with pytest.raises(LineConflict, match="already used with 9600 8E1: 2400 8N1"):
        lines.get("/dev/ttyUSB0", Framing(2400), SerialLine)


def test_one_line_is_read_in_one_way():
    lines = Lines()
    lines.get("/dev/ttyUSB0", FRAMING, SerialLine)
    with pytest.raises(LineConflict, match="another type"):
        lines.get("/dev/ttyUSB0", FRAMING, OtherLine)


@pytest.mark.parametrize(
    "url", ["ttyUSB0", "socket://meter", "socket://meter:x", "tcp://meter:502", "loop://"]
)
def test_what_is_no_line_is_refused_with_what_is(url):
    with pytest.raises(
        LineConflict, match=r"is not a line; accepted: /dev/serial/by-id/…, .*socket://HOST"
    ):
        Lines().get(url, FRAMING, SerialLine)


@pytest.mark.parametrize("url", ["/dev/ttyAMA0", "socket://10.0.0.7:4001", "rfc2217://pi:2000"])
def test_ports_and_serial_servers_are_lines(url):
    assert Lines().get(url, FRAMING, SerialLine).port == url


@pytest.mark.parametrize(
    ("framing", "told", "character_ms", "silence_ms"),
    [
        (Framing(9600, "even", 1), "9600 8E1", 1.146, 4.01),
        (Framing(9600, "none", 1), "9600 8N1", 1.042, 4.01),
        (Framing(2400, "odd", 2), "2400 8O2", 5.0, 17.5),
        (Framing(115200, "none", 1), "115200 8N1", 0.0868, 1.75),
    ],
)
def test_a_framing_knows_how_long_a_character_and_the_silence_last(
    framing, told, character_ms, silence_ms
):
    assert str(framing) == told
    assert framing.character_s * 1000 == pytest.approx(character_ms, rel=1e-3)
    assert framing.silence_s * 1000 == pytest.approx(silence_ms, rel=1e-3)


def test_bytes_go_out_and_come_in(pty):
    master, path = pty
    with opened(path) as line:
        line.send(b"question")
        assert os.read(master, 100) == b"question"
        os.write(master, b"answer")
        assert heard(line, 6) == b"answer"
        assert line.waiting() == 0
        assert line.receive(1) == b""


def test_all_that_has_come_is_taken_in_one_piece(pty):
    master, path = pty
    with opened(path) as line:
        assert not line.comes_within(0)
        assert line.receive_some(1) == b""
        os.write(master, b"answer")
        assert line.comes_within(5)
        assert line.receive_some(1) == b"answer"


def test_what_finds_no_room_at_once_is_sent_all_the_same(pty):
    master, path = pty
    question = bytes(range(256)) * 64
    with opened(path) as line:
        sender = threading.Thread(target=line.send, args=(question,))
        sender.start()
        taken = b""
        while len(taken) < len(question):
            taken += os.read(master, 4096)
        sender.join()
    assert taken == question


def test_opening_and_closing_twice_does_no_harm(pty):
    line = SerialLine(pty[1], FRAMING)
    line.close()
    line.open()
    line.open()
    assert line.is_open
    line.close()
    line.close()
    assert not line.is_open


def test_a_line_that_is_not_there_is_away():
    with pytest.raises(LineAway, match="/dev/ttyUSB77 is not there: is it plugged in"):
        SerialLine("/dev/ttyUSB77", FRAMING).open()


def test_a_line_that_another_program_has_is_away(pty):
    with (
        serial.Serial(pty[1], exclusive=True),
        pytest.raises(LineAway, match=f"is in use .*'fuser -v {pty[1]}' shows which"),
    ):
        SerialLine(pty[1], FRAMING).open()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENXIO, "No such device"), "/dev/ttyUSB0 is not there"),
        (OSError(errno.EACCES, "Permission denied"), "add the user to the group 'dialout'"),
        (OSError(errno.EBUSY, "Device or resource busy"), "is in use by another program"),
        (termios.error(errno.EINVAL, "Invalid argument"), "cannot do 9600 8E1"),
        (OSError("no idea"), "cannot be opened: no idea"),
    ],
)
def test_a_line_that_does_not_open_says_why(error, said):
    assert said in why_away("/dev/ttyUSB0", Framing(9600, "even"), error)


@pytest.mark.parametrize("use", ["send", "receive", "receive_some", "waiting"])
def test_a_line_that_is_pulled_is_away_and_closed(use):
    master, slave, path = open_pty()
    with opened(path) as line:
        os.close(master)
        os.close(slave)
        act = {
            "send": lambda: line.send(b"x"),
            "receive": lambda: line.receive(1),
            "receive_some": lambda: line.receive_some(1),
        }
        with pytest.raises(LineAway, match="went away"):
            act.get(use, line.waiting)()
        assert not line.is_open


def test_a_line_is_found_again_where_its_link_now_leads(tmp_path):
    link = tmp_path / "usb-meters"
    first, first_slave, first_path = open_pty()
    second, second_slave, second_path = open_pty()
    link.symlink_to(first_path)
    line = SerialLine(str(link), FRAMING)
    line.open()
    os.close(first)
    os.close(first_slave)
    with pytest.raises(LineAway):
        line.receive(1)
    link.unlink()
    with pytest.raises(LineAway, match="is not there"):
        line.open()
    link.symlink_to(second_path)
    line.open()
    os.write(second, b"here")
    assert heard(line, 4) == b"here"
    line.close()
    os.close(second)
    os.close(second_slave)


class SerialServer:
    """A serial server on the network; *connection* is to the one who opened the line."""

    def __init__(self, server):
        self.url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        self.accepting = threading.Thread(target=self.accept, args=[server])
        self.accepting.start()

    def accept(self, server):
        self.accepted, _ = server.accept()

    @property
    def connection(self):
        self.accepting.join()
        return self.accepted


@contextmanager
def opened_over_the_network():
    """Yield a line and the serial server at its far end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = SerialServer(listening)
        with opened(server.url) as line, server.connection:
            yield line, server


def test_a_serial_server_on_the_network_is_a_line():
    with opened_over_the_network() as (line, server):
        line.send(b"question")
        assert server.connection.recv(100) == b"question"
        server.connection.sendall(b"answer")
        assert heard(line, 6) == b"answer"
        assert line.waiting() == 0


def test_a_serial_server_that_hangs_up_is_away():
    with opened_over_the_network() as (line, server):
        server.connection.close()
        with pytest.raises(LineAway, match=r"went away: .*socket disconnected"):
            line.receive(1)
        assert not line.is_open


def test_a_serial_server_that_falls_silent_is_noticed_by_the_kernel():
    with opened_over_the_network() as (line, _):
        timeout_ms = line.serial._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout_ms == 10_000


def test_a_serial_server_that_is_not_there_is_away():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LineAway, match=r"cannot be opened: .*refused"):
        SerialLine(f"socket://127.0.0.1:{port}", FRAMING).open()
