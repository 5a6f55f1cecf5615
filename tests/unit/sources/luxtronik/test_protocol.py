"""The Luxtronik's port: whole answers or none, whatever the far side does."""

import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines.tcp import TcpLine, place
from collector.sources.luxtronik import protocol
from collector.sources.luxtronik.protocol import (
    CALCULATIONS,
    PARAMETERS,
    VISIBILITIES,
    ask,
    decode_head,
    decode_numbers,
)
from tests.fakes import luxtronik_controller as fake
from tests.fakes.loopback import HANG_UP, byte_by_byte, whole
from tests.fakes.luxtronik_controller import Controller

TABLES = [PARAMETERS, CALCULATIONS, VISIBILITIES]
NUMBERS = {3003: [7, -1, 2**31 - 1], 3004: [342, -500, 0, 5], 3005: [1, 0, -1]}
REPLIES = {
    3003: fake.parameters(NUMBERS[3003]),
    3004: fake.calculations(NUMBERS[3004], status=9),
    3005: fake.visibilities(NUMBERS[3005]),
}


@pytest.fixture
def controller():
    with Controller(dict(REPLIES)) as running:
        yield running


@pytest.fixture
def line(controller):
    opened = TcpLine(controller.line)
    opened.open()
    yield opened
    opened.close()


@pytest.mark.parametrize("manner", [whole, fake.in_sevens, byte_by_byte])
@pytest.mark.parametrize("table", TABLES, ids=lambda each: each.name)
def test_a_table_is_read_however_it_is_parcelled(controller, line, table, manner):
    controller.manner = manner
    assert list(ask(line, table)) == NUMBERS[table.command]
    assert controller.requests == [(table.command, 0)]


def test_one_connection_serves_for_all(controller, line):
    for table in TABLES * 3:
        ask(line, table)
    assert controller.connections == 1


@pytest.mark.parametrize("kept", [0, 5, 12, 13, 27])
def test_a_cut_in_the_middle_is_told_and_the_next_connection_is_in_step(controller, line, kept):
    controller.manner = lambda reply: [reply[:kept], HANG_UP]
    with pytest.raises(LineAway, match=f"hung up after .* bytes|{controller.line} went away"):
        ask(line, CALCULATIONS)
    controller.manner = whole
    line.open()
    assert list(ask(line, CALCULATIONS)) == NUMBERS[3004]


@pytest.mark.parametrize("kept", [0, 1, 11, 12, 27])
def test_a_controller_that_falls_silent_is_not_waited_for(controller, line, kept, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.1)
    controller.manner = lambda reply: [reply[:kept]]
    with pytest.raises(DeviceSilent, match=r"[0-9]+ of [0-9]+ bytes came in time"):
        ask(line, CALCULATIONS)
    assert line.connection is None  # what comes late must not be taken for the next answer


def test_drops_that_never_end_are_not_waited_for(controller, line, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.2)
    controller.manner = lambda reply: [part for each in reply for part in (bytes([each]), 0.1)]
    with pytest.raises(DeviceSilent):
        ask(line, CALCULATIONS)


@pytest.mark.parametrize("count", [2**31 - 1, -(2**31), -1, 10_001])
@pytest.mark.parametrize("table", TABLES, ids=lambda each: each.name)
def test_an_impossible_length_is_refused_at_once(controller, line, table, count):
    reply = bytearray(REPLIES[table.command])
    reply[table.head.size - 4 : table.head.size] = struct.pack(">i", count)
    controller.replies[table.command] = bytes(reply)
    with pytest.raises(FrameDamaged, match=f"{count} numbers announced"):
        ask(line, table)
    assert line.connection is None


def test_an_answer_to_another_question_is_refused(controller, line):
    controller.replies[3004] = REPLIES[3003]
    with pytest.raises(FrameDamaged, match="asked for 3004, answered is 3003"):
        ask(line, CALCULATIONS)


def test_more_than_was_announced_does_no_harm_to_the_next_answer(controller, line):
    controller.replies[3004] = REPLIES[3004] + b"more"
    assert list(ask(line, CALCULATIONS)) == NUMBERS[3004]
    with pytest.raises(ReadFault):
        ask(line, CALCULATIONS)
    line.open()
    assert list(ask(line, CALCULATIONS)) == NUMBERS[3004]


@pytest.mark.parametrize("table", TABLES, ids=lambda each: each.name)
@given(data=st.binary(max_size=64))
def test_any_bytes_are_decoded_or_refused(table, data):
    with contextlib.suppress(FrameDamaged):
        assert 0 <= decode_head(table, data) <= protocol.MOST_NUMBERS
    with contextlib.suppress(FrameDamaged):
        assert b"".join(map(table.number.pack, decode_numbers(table, data))) == data


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40), st.integers(0, 2**31 - 1))
def test_what_a_controller_encodes_is_decoded(numbers, status):
    reply = fake.calculations(numbers, status)
    assert decode_head(CALCULATIONS, reply[:12]) == len(numbers)
    assert list(decode_numbers(CALCULATIONS, reply[12:])) == numbers


# Lines


@pytest.mark.parametrize(
    "url",
    [
        *("tcp://pump", "tcp://pump:", "tcp://:8889", "tcp://pump:0", "tcp://pump:65536"),
        *("tcp://pump:port", "tcp://pump:8889/", "tcp://me@pump:8889", "pump:8889", "/dev/ttyUSB0"),
        *("socket://pump:8889", "tcp://[::1:8889", "tcp://pump:8889?x", ""),
    ],
)
def test_what_is_no_line_is_refused(url):
    with pytest.raises(ValueError, match="is not a line; write tcp://HOST:PORT"):
        place(url)


def test_a_line_names_host_and_port():
    assert place("tcp://192.168.2.5:8889") == ("192.168.2.5", 8889)
    assert place("tcp://[::1]:8889") == ("::1", 8889)


def test_a_port_where_nobody_listens_is_told():
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"tcp://127.0.0.1:{door.getsockname()[1]}"
    with pytest.raises(LineAway, match=f"{url} cannot be reached: .*refused"):
        TcpLine(url).open()


def test_a_name_that_no_host_can_have_is_told():
    with pytest.raises(LineAway, match="cannot be reached"):
        TcpLine(f"tcp://{'a' * 64}.invalid:8889").open()


def test_a_line_may_be_opened_and_closed_twice(controller):
    line = TcpLine(controller.line)
    line.close()
    line.open()
    line.open()
    line.close()
    line.close()
    with pytest.raises(LineAway, match="is not open"):
        line.send(b"x")
