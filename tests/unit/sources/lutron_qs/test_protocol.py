"""Lutron's protocol: what lines mean, whatever comes, and a login and answers that end in time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.sources.lutron_qs import protocol
from collector.sources.lutron_qs.protocol import (
    CLOCK,
    FIRMWARE,
    Processor,
    Refusal,
    Reply,
    decode,
    led_state,
    percent,
    split,
)
from tests.fakes.loopback import HANG_UP, byte_by_byte, whole
from tests.fakes.lutron_processor import (
    PASSWORD,
    USER,
    running,
    silent,
)

ZONE = ("OUTPUT", 12, 1)


@pytest.fixture
def server():
    with running() as processor:
        yield processor


@pytest.fixture
def processor(server):
    made = Processor(server.line)
    made.watched = {ZONE}
    yield made
    made.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"~OUTPUT,12,1,50.00", Reply(ZONE, "50.00")),
        (b"QNET> ~OUTPUT,12,1,50.00", Reply(ZONE, "50.00")),
        (b"QNET> \0QNET> GNET>~OUTPUT,12,1,50.00\0", Reply(ZONE, "50.00")),
        (b"\xff\xfb\x01\xff\xfd\x03~OUTPUT,12,1,0", Reply(ZONE, "0")),
        (b"\xff\xfa\x18\x01x\xff\xf0~OUTPUT,12,1,0", Reply(ZONE, "0")),
        (b"~DEVICE,31,81,9,255", Reply(("DEVICE", 31, 81, 9), "255")),
        (b"~SYSTEM,1,20:15:00", Reply(CLOCK, "20:15:00")),
        (b"~ETHERNET,0,192.168.2.9", Reply(("ETHERNET", 0), "192.168.2.9")),
        (b"OS Firmware Revision = 9.4.0", Reply(FIRMWARE, "9.4.0")),
        (b"QNET> ~ERROR,2", Refusal(2)),
        (b"QNET> ", None),
        (b"?OUTPUT,12,1", None),
        (b"#MONITORING,5,1", None),
        (b"~OUTPUT,12,1,50.00,1", None),
        (b"Diag Error On Line 413 of dns_private.cpp", None),
    ],
)
def test_a_line_means(line, said):
    assert decode(line) == said


def test_a_level_is_from_0_to_100_and_nothing_else_is_0():
    assert [percent(text) for text in ("0", "0.00", "50.00", "100")] == [0, 0, 50, 100]
    for text in ("", "-1", "100.01", "nan", "inf", "1e1", "1_0", " 5", "٣", "off"):
        assert percent(text) is None


def test_the_state_of_an_led_is_known_or_absent():
    assert [led_state(text) for text in ("0", "1", "2", "3", "255", "", "4")] == [
        *(0, 1, 2, 3),
        *(None,) * 3,
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_or_none(line):
    said = decode(line)
    assert said is None or isinstance(said, Reply | Refusal)
    if isinstance(said, Reply):
        level = percent(said.text)
        assert level is None or 0 <= level <= 100


LINES = st.lists(st.sampled_from([b"~OUTPUT,1,1,5.00", b"QNET> ", b"~ERROR,2", b"x" * 50, b"\0"]))


@given(LINES, st.integers(1, 30), st.sampled_from([b"\r\n", b"\n", b"\r\r\n"]))
def test_lines_are_the_same_in_whatever_pieces_they_come(lines, size, end):
    data = b"".join(line + end for line in lines) + b"QNE"
    heard, rest = [], b""
    for at in range(0, len(data), size):
        more, rest = split(rest + data[at : at + size])
        heard += more
    assert (heard, rest) == (lines, b"QNE")


# A connection


@pytest.mark.parametrize("manner", [whole, byte_by_byte])
def test_it_logs_in_subscribes_and_never_switches_anything(server, processor, manner):
    server.manner = manner
    processor.open(USER, PASSWORD)
    assert processor.ask(ZONE) == "50.00"
    assert processor.ask(FIRMWARE) == "9.4.0"
    assert server.logins == [USER]
    monitored = ["#MONITORING,12,2", "#MONITORING,255,2", "#MONITORING,5,1", "#MONITORING,4,1"]
    assert [each for each in server.heard if each[0] != "?"] == monitored


def test_a_change_is_heard_without_asking(server, processor):
    processor.open(USER, PASSWORD)
    processor.ask(CLOCK)
    server.show({"OUTPUT,12,1": "66.66", "OUTPUT,13,1": "5.00"})
    deadline = time.monotonic() + 10
    while ZONE not in processor.said and time.monotonic() < deadline:
        processor.listen()
    assert processor.said == {ZONE: "66.66"}  # and nothing of what is not watched


def test_an_answer_is_taken_for_what_it_says_it_answers(server, processor):
    processor.open(USER, PASSWORD)
    processor.ask(CLOCK)
    server.manner = lambda said: [b"~OUTPUT,14,1,9.00\r\n~DEVICE,31,81,9,1\r\n" + said]
    assert processor.ask(ZONE) == "50.00"


def test_a_refusal_is_told_with_its_reason(processor):
    processor.open(USER, PASSWORD)
    with pytest.raises(DeviceRefused, match=r"there is no such object \(~ERROR,2\)") as refused:
        processor.ask(("OUTPUT", 99, 1))
    assert refused.value.code == 2


def test_a_wrong_password_is_told(server, processor):
    with pytest.raises(DeviceRefused, match="refuses the login of user 'monitor'") as refused:
        processor.open(USER, "wrong-one")
    assert "wrong-one" not in str(refused.value)
    assert not processor.is_open
    server.manner = lambda said: [said.replace(b"\r\n", b"\r\nbad login\r\n")]
    with pytest.raises(DeviceRefused):
        processor.open(USER, "wrong-one")


def test_one_that_accepts_and_stays_silent_is_left(server, processor, monkeypatch):
    monkeypatch.setattr(protocol, "LOGIN_S", 0.1)
    server.manner = silent
    with pytest.raises(DeviceSilent, match="no login prompt in 0 s"):
        processor.open(USER, PASSWORD)
    assert not processor.is_open


def test_one_that_falls_silent_is_told(server, processor, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.1)
    processor.open(USER, PASSWORD)
    server.manner = silent
    with pytest.raises(DeviceSilent, match="no answer in 0 s"):
        processor.ask(ZONE)


def test_one_that_talks_on_and_on_and_does_not_answer_is_told(server, processor, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.3)
    processor.open(USER, PASSWORD)
    processor.ask(CLOCK)
    server.manner = lambda _: [b"~OUTPUT,1,1,5.00\r\n"] * 1_000_000
    with pytest.raises(DeviceSilent, match="no answer"):
        processor.ask(ZONE)
    processor.listen()


def test_one_that_is_cut_in_the_middle_is_away(server, processor):
    processor.open(USER, PASSWORD)
    server.manner = lambda said: [said[:7], HANG_UP]
    with pytest.raises(LineAway, match="went away"):
        processor.ask(ZONE)
    assert not processor.is_open


@pytest.mark.parametrize("at_login", [True, False])
def test_a_line_without_an_end_is_cut(server, processor, at_login):
    if not at_login:
        processor.open(USER, PASSWORD)
    server.manner = lambda _: [b"x" * 100] * 10_000
    with pytest.raises(FrameDamaged, match="a line of more than 4096 characters"):
        processor.open(USER, PASSWORD) if at_login else processor.ask(ZONE)
    assert not processor.is_open
