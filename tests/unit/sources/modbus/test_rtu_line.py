"""A line that speaks Modbus RTU: it returns the answer to the present request, or says why not."""

import threading
import time
from contextlib import contextmanager

import minimalmodbus
import pytest

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.lines.serial import Framing
from collector.sources.modbus.rtu import Shape
from collector.sources.modbus.rtu_line import RtuLine
from tests.fakes.far_end import FarEnd
from tests.fakes.pty_line import paced_line
from tests.fakes.rtu_slave import answer, refusal
from tests.fakes.virtual_line import VirtualPort, virtual_time

FRAMING = Framing(115200)
WORDS = [0x0102, 0x0304]
ANSWER = answer(1, 3, WORDS)


@contextmanager
def asking(reply, address=1):
    """Yield a meter that answers with *reply*, the line to it, and its far end."""
    with FarEnd(reply if callable(reply) else lambda _: reply) as far:
        line = RtuLine(far.path, FRAMING)
        line.open()
        try:
            yield minimalmodbus.Instrument(line, address), line, far
        finally:
            line.close()


def eventually(condition):
    deadline_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_the_answer_is_returned():
    with asking(ANSWER) as (meter, line, far):
        assert meter.read_registers(0x139, 2) == WORDS
        assert far.requests == [bytes.fromhex("01 03 01 39 00 02 15 fa")]
        assert line.slaves[1].owed == []


def test_what_is_asked_is_what_another_master_asks():
    with asking(ANSWER) as (_, line, far):
        assert list(line.ask(Shape(1, 3, 2), 0x139)) == WORDS
        assert far.requests == [bytes.fromhex("01 03 01 39 00 02 15 fa")]


def test_a_refusal_is_told_at_once():
    with asking(refusal(1, 3, 2)) as (meter, line, _):
        line.slaves[1].slow_answer_time_s = 100
        begun_s = time.monotonic()
        with pytest.raises(DeviceRefused, match=r"2 registers from 0x0139 .*exception 2") as caught:
            meter.read_registers(0x139, 2)
        assert time.monotonic() - begun_s < line.timeout_s(Shape(1, 3, 2)) / 2
        assert caught.value.code == 2


def test_nothing_at_all_is_a_silent_device():
    with (
        asking(b"") as (meter, line, _),
        pytest.raises(DeviceSilent, match=f"address 1 on {line.port} did not answer within 0.50 s"),
    ):
        meter.read_registers(0x139, 2)


@pytest.mark.parametrize(
    "others",
    [
        answer(2, 3, [5, 6]),
        refusal(2, 3, 4),
        answer(1, 4, [5, 6]),
        answer(1, 3, [5]),
        answer(1, 3, [5, 6, 7]),
        ANSWER[:-1] + b"\x00",
        ANSWER[:5],
        b"\x00\xff\x00",
    ],
    ids=[
        "another slave's answer",
        "another slave's refusal",
        "another function",
        "too few registers",
        "too many registers",
        "a wrong checksum",
        "half a frame",
        "noise",
    ],
)
def test_whatever_else_is_heard_the_answer_is_found(others):
    with asking(others + ANSWER) as (meter, line, _):
        assert meter.read_registers(0x139, 2) == WORDS
        assert line.discarded["noise"] == len(others)


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_an_answer_may_come_in_pieces(cut):
    with asking([ANSWER[:cut], 0.02, ANSWER[cut:]]) as (meter, _, _):
        assert meter.read_registers(0x139, 2) == WORDS


@pytest.mark.parametrize("heard", [ANSWER[:-1] + b"\x00", ANSWER[:5], answer(2, 3, WORDS), b"\xff"])
def test_bytes_that_are_no_answer_are_a_damaged_frame(heard):
    with asking(heard) as (meter, line, _):
        line.slaves[1].slow_answer_time_s = 0.01
        with pytest.raises(FrameDamaged, match=rf"{len(heard)} bytes came .*does 115200 8N1 fit"):
            meter.read_registers(0x139, 2)


def test_an_adapter_that_hears_itself_does_no_harm():
    # 0xA000 and 80 registers: of all echoes the one that begins like an answer
    words = list(range(80))
    with asking(lambda request: request + answer(1, 3, words)) as (meter, line, _):
        assert meter.read_registers(0xA000, 80) == words
        assert line.discarded["noise"] == 0
    with asking(lambda request: request) as (meter, line, _):
        line.slaves[1].slow_answer_time_s = 0.01
        with pytest.raises(DeviceSilent):
            meter.read_registers(0xA000, 80)


def test_a_late_answer_is_booked_and_the_next_request_waits_for_quiet():
    with asking(b"") as (meter, line, far):
        line.slaves[1].slow_answer_time_s = 0.0
        with pytest.raises(DeviceSilent):
            meter.read_registers(0x139, 2)
        assert line.slaves[1].owed == [Shape(1, 3, 2)]
        far.say(ANSWER)
        eventually(line.waiting)
        line.reset_input_buffer()
        assert line.slaves[1].owed == []
        assert line.discarded["late"] == 1
        assert time.monotonic() - line.heard_s >= FRAMING.silence_s


def test_a_late_answer_is_not_taken_for_one_of_the_same_length():
    sent = iter([b"", [ANSWER, answer(1, 3, [7, 8])]])
    with asking(lambda _: next(sent)) as (meter, line, _):
        line.slaves[1].slow_answer_time_s = 0.0
        with pytest.raises(DeviceSilent):
            meter.read_registers(0x139, 2)
        assert meter.read_registers(0x139, 2) == [7, 8]
        assert line.discarded["late"] == 1


def test_a_late_answer_of_another_slave_makes_that_one_be_waited_for():
    with asking(lambda request: answer(2, 3, [7]) if request[0] == 2 else b"") as (
        meter,
        line,
        far,
    ):
        with pytest.raises(DeviceSilent):
            meter.read_registers(0x139, 2)
        before_s = line.slaves[1].allowance_s
        far.say(ANSWER)
        assert minimalmodbus.Instrument(line, 2).read_registers(0, 1) == [7]
        eventually(lambda: line.reset_input_buffer() or line.slaves[1].owed == [])
        assert line.slaves[1].allowance_s > before_s


def test_a_line_that_never_gets_quiet_is_not_talked_into():
    with virtual_time() as clock:
        line = RtuLine("/dev/ttyUSB0", Framing(9600))
        line.serial = VirtualPort(clock, lambda *_: pytest.fail("the line was not quiet"))
        line.serial.arrivals = [(clock.now_s + i / 1000, b"\xff") for i in range(2000)]
        with pytest.raises(FrameDamaged, match="never quiet"):
            minimalmodbus.Instrument(line, 1).read_registers(0x139, 2)
        assert clock.now_s - 1000 < 1


def test_a_line_pulled_in_the_middle_of_an_answer_is_away():
    with asking(ANSWER[:4]) as (meter, line, far):
        puller = threading.Timer(0.05, far.pull)
        puller.start()
        with pytest.raises(LineAway, match="went away"):
            meter.read_registers(0x139, 2)
        assert not line.is_open
        puller.join()


def test_a_line_that_is_open_again_is_asked_on():
    with asking(ANSWER) as (meter, line, _):
        line.close()
        assert meter.read_registers(0x139, 2) == WORDS


def test_requests_are_at_least_three_and_a_half_characters_apart():
    with paced_line({1: dict.fromkeys(range(0x139, 0x13B), 7)}, baudrate=9600) as paced:
        line = RtuLine(paced.path, Framing(9600, stopbits=2))  # as long as 8E1
        line.open()
        meter = minimalmodbus.Instrument(line, 1)
        for _ in range(20):
            assert meter.read_registers(0x139, 2) == [7, 7]
            with pytest.raises(DeviceRefused):
                meter.read_registers(0x139, 3)
        line.close()
        assert paced.unheard() == 0
        assert (line.slaves[1].answer_time_s or 0) > 0.008  # scheduling only adds to it


def test_nothing_but_reads_is_ever_sent():
    with asking(ANSWER) as (meter, _, far):
        with pytest.raises(ValueError, match="does not read registers"):
            meter.write_register(0x0111, 2)
        assert far.requests == []
