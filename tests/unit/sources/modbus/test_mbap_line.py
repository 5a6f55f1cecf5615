"""A line that speaks Modbus TCP: the right answer to each request, and the right error for none."""

import time
from contextlib import closing, contextmanager

import pytest

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.lines.serial import Framing
from collector.sources.modbus.mbap import Frame
from collector.sources.modbus.mbap_line import MbapLine
from collector.sources.modbus.rtu import Shape
from tests.fakes.loopback import HANG_UP
from tests.fakes.mbap_device import Device, exception, framed, units, words

SHAPE = Shape(1, 3, 2)
REGISTERS = {10: 0x0102, 11: 0x0304, 12: 5}
SOON_S = 0.03


@contextmanager
def asking(reply, **patched):
    with Device(reply) as device, pytest.MonkeyPatch.context() as patch:
        for name, value in patched.items():
            patch.setattr(f"collector.sources.modbus.mbap_line.{name}", value)
        with closing(MbapLine(device.line)) as line:
            line.open()
            yield line, device


def hasty(line, unit=1):
    line.slaves[unit].slow_answer_time_s = SOON_S / 4


def right(asked):
    return framed(asked, words(asked, REGISTERS))


def test_the_answer_is_returned_and_measured():
    with asking(right) as (line, device):
        assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]
        assert list(line.ask(Shape(1, 4, 1), 12)) == [5]
        assert [each[1:] for each in device.asked] == [(1, 3, 10, 2), (1, 4, 12, 1)]
        assert line.slaves[1].owed == []
        assert line.slaves[1].answer_time_s is not None


def test_transaction_numbers_begin_anew_after_the_last():
    with asking(right) as (line, device):
        line.transaction = 0xFFFE
        for _ in range(3):
            line.ask(SHAPE, 10)
        assert [each.transaction for each in device.asked] == [0xFFFF, 0, 1]


def test_a_refusal_is_told_at_once():
    with asking(right) as (line, _):
        with pytest.raises(DeviceRefused, match=r"2 registers from 0x0014 .*exception 2") as caught:
            line.ask(SHAPE, 20)
        assert caught.value.code == 2
        assert line.slaves[1].owed == []


@pytest.mark.parametrize("code", [0x0A, 0x0B])
def test_what_a_gateway_cannot_reach_is_silent_and_its_neighbours_go_on(code):
    def reply(asked):
        return framed(asked, exception(asked, code)) if asked.unit == 2 else right(asked)

    with asking(reply) as (line, _):
        for _ in range(4):
            assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]
            with pytest.raises(DeviceSilent, match=r"address 2 .*gateway"):
                line.ask(Shape(2, 3, 2), 10)
        assert line.is_open
        assert line.slaves[2].owed


def test_a_server_that_accepts_and_stays_silent_is_silent_and_connected_anew():
    with asking(lambda _: b"", LEAST_ALLOWANCE_S=SOON_S, MOST_ALLOWANCE_S=SOON_S) as (line, device):
        hasty(line)
        for _ in range(3):
            line.open()
            with pytest.raises(DeviceSilent, match="did not answer within"):
                line.ask(SHAPE, 10)
        assert not line.is_open
        device.reply = right
        line.open()
        assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]
        assert device.connections == 2


def test_a_connection_that_answers_now_and_then_is_kept():
    with asking(right, LEAST_ALLOWANCE_S=SOON_S, MOST_ALLOWANCE_S=0.2) as (line, device):
        for _ in range(4):
            device.reply = lambda _: b""
            with pytest.raises(DeviceSilent):
                line.ask(Shape(2, 3, 2), 10)
            device.reply = right
            line.ask(SHAPE, 10)
        assert device.connections == 1


def test_an_answer_byte_by_byte_is_one():
    def bytewise(asked):
        return [bytes([byte]) for byte in right(asked)]

    with asking(bytewise) as (line, _):
        assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]


def test_an_answer_that_drips_is_not_waited_for_beyond_the_time_out():
    def drips(asked):
        return [each for byte in right(asked) for each in (bytes([byte]), 0.05)]

    with asking(drips, LEAST_ALLOWANCE_S=SOON_S) as (line, device):
        hasty(line)
        with pytest.raises(DeviceSilent):
            line.ask(SHAPE, 10)
        device.reply = right
        assert list(line.ask(Shape(1, 3, 1), 12)) == [5]  # its rest comes before this
        assert line.discarded["late"] == 1


def test_an_answer_cut_in_the_middle_is_a_line_that_went_away():
    with asking(lambda asked: [right(asked)[:9], HANG_UP]) as (line, device):
        with pytest.raises(LineAway, match="hung up"):
            line.ask(SHAPE, 10)
        assert not line.is_open
        device.reply = right
        line.open()
        assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]


def test_a_late_answer_is_never_taken_for_a_later_one():
    held: list[bytes] = []

    def late_by_one(asked):
        held.append(framed(asked, words(asked, {10: len(held), 11: 0})))
        return held[-2] + held[-1] if len(held) == 2 else b"" if len(held) == 1 else held[-1]

    with asking(late_by_one, LEAST_ALLOWANCE_S=SOON_S) as (line, _):
        hasty(line)
        with pytest.raises(DeviceSilent):
            line.ask(SHAPE, 10)
        assert list(line.ask(SHAPE, 10)) == [1, 0]
        assert list(line.ask(SHAPE, 10)) == [2, 0]
        assert line.discarded["late"] == 1


def test_a_late_answer_earns_more_patience():
    with asking(right) as (line, _):
        line.ask(SHAPE, 10)
        before_s = line.slaves[1].allowance_s
        line.discard(Frame(line.transaction - 1, 1, 3, b"\x04\0\0\0\0"))
        assert line.slaves[1].allowance_s == 2 * before_s


def test_an_answer_that_nobody_asked_for_is_a_damaged_frame():
    def other(asked):
        return framed(
            asked, words(asked, REGISTERS), transaction=(asked.transaction + 0x4000) % 0x10000
        )

    with asking(right, LEAST_ALLOWANCE_S=SOON_S) as (line, device):
        line.ask(SHAPE, 10)
        device.reply = other
        hasty(line)
        with pytest.raises(FrameDamaged, match="1 answers came that nobody asked for"):
            line.ask(SHAPE, 10)
        assert line.is_open


@pytest.mark.parametrize("number", [lambda sent: sent + 1, lambda _: 0, lambda _: 0x4711])
def test_a_gateway_with_numbers_of_its_own_is_read_in_turn(number, caplog):
    def numbered(asked):
        body = words(asked, REGISTERS)
        return framed(asked, body, transaction=number(asked.transaction) % 0x10000)

    with asking(numbered, LEAST_ALLOWANCE_S=SOON_S) as (line, device):
        hasty(line)
        for _ in range(3):
            assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]
            assert list(line.ask(Shape(1, 3, 1), 12)) == [5]
        device.reply = lambda _: b""
        with pytest.raises(DeviceSilent):
            line.ask(SHAPE, 10)
        assert not line.is_open  # what comes late must not be taken for the next answer
        device.reply = numbered
        line.open()
        assert list(line.ask(Shape(1, 3, 1), 12)) == [5]
    assert len(caplog.messages) == 1
    assert "gives wrong transaction numbers" in caplog.messages[0]


def test_answers_without_end_that_nobody_asked_for_end_with_the_time_out():
    def floods(asked):
        stray = framed(asked, words(asked, REGISTERS), transaction=0x7777)
        return [stray * 50 for _ in range(200)]

    with asking(floods, LEAST_ALLOWANCE_S=SOON_S) as (line, _):
        hasty(line)
        begun_s = time.monotonic()
        with pytest.raises(FrameDamaged):
            line.ask(SHAPE, 10)
        assert time.monotonic() - begun_s < 5
        assert len(line.buffer) <= 512


@pytest.mark.parametrize("wrong", [{"length": 65535}, {"length": 0}, {"protocol": 0x1234}])
def test_what_is_no_modbus_tcp_is_hung_up_on_at_once(wrong):
    with asking(lambda asked: framed(asked, words(asked, REGISTERS), **wrong)) as (line, device):
        line.slaves[1].slow_answer_time_s = 100
        with pytest.raises(FrameDamaged, match="not Modbus TCP"):
            line.ask(SHAPE, 10)
        assert not line.is_open
        device.reply = right
        line.open()
        assert list(line.ask(SHAPE, 10)) == [0x0102, 0x0304]


@pytest.mark.parametrize(
    "reply",
    [
        lambda asked: framed(asked, words(asked, REGISTERS), unit=9),
        lambda asked: framed(asked, bytes([4]) + words(asked, REGISTERS)[1:]),
        lambda asked: framed(asked, words(asked._replace(length=1), REGISTERS)),
    ],
    ids=["another unit", "another function", "too few registers"],
)
def test_an_answer_of_another_form_is_a_damaged_frame(reply):
    with asking(reply) as (line, _):
        with pytest.raises(FrameDamaged, match="address 1 on tcp"):
            line.ask(SHAPE, 10)
        assert line.slaves[1].owed


def test_after_a_silence_the_neighbour_is_given_the_time_of_a_gateway():
    with asking(units({1: REGISTERS}), LEAST_ALLOWANCE_S=SOON_S) as (line, device):
        hasty(line, 2)
        before_s = line.timeout_s(SHAPE)
        device.reply = lambda _: b""
        with pytest.raises(DeviceSilent):
            line.ask(Shape(2, 3, 2), 10)
        assert line.timeout_s(SHAPE) > before_s
        device.reply = units({1: REGISTERS})
        line.ask(SHAPE, 10)
        assert line.timeout_s(SHAPE) < before_s


def test_behind_a_gateway_the_bytes_on_its_serial_line_count():
    line = MbapLine("tcp://127.0.0.1:502")
    assert line.pace(1) == (1e-6, 0.0)
    line.framings[1] = Framing(9600, "even")
    byte_s, silence_s = line.pace(1)
    assert byte_s == pytest.approx(11 / 9600)
    assert silence_s > byte_s
    assert line.timeout_s(Shape(1, 3, 100)) > line.timeout_s(Shape(2, 3, 100)) + 0.2


def test_nobody_at_that_port_is_a_line_that_is_away():
    with Device(right) as device:
        url = device.line
    with pytest.raises(LineAway, match="cannot be reached"):
        MbapLine(url).open()
