"""Modbus RTU frames: which bytes answer which request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.modbus import rtu
from collector.sources.modbus.rtu import MOST_OWED, Shape, Slave
from tests.fakes import rtu_slave

ASKED = Shape(slave=1, function=3, words=2)
REQUEST = rtu_slave.request(1, 3, 0x0139, 2)
ANSWER = rtu_slave.answer(1, 3, [0x0102, 0x0304])
EXPECTED = rtu.patterns(REQUEST, [ASKED])


def test_the_checksum_is_the_one_of_the_standard():
    # Modbus over Serial Line V1.02, 6.2.2: the frame 02 07 has the checksum 41 12
    assert rtu.crc(b"\x02\x07") == b"\x41\x12"


@given(st.binary(max_size=300))
def test_the_checksum_is_what_an_independent_one_says(data):
    assert rtu.crc(data) == rtu_slave.crc(data)


def test_the_shape_of_a_request_is_that_of_its_answer():
    assert rtu.shape_of(REQUEST) == ASKED == rtu.shape_heard(ANSWER)
    assert ASKED.answer_bytes == len(ANSWER)


@pytest.mark.parametrize(
    "request_sent",
    [
        rtu_slave.framed(1, 6, 0x01, 0x10, 0x00, 0x02),
        rtu_slave.framed(1, 16, 0x01, 0x10, 0x00, 0x01, 0x02, 0x00, 0x02),
        b"",
    ],
)
def test_what_does_not_read_is_never_sent(request_sent):
    with pytest.raises(ValueError, match="does not read registers"):
        rtu.shape_of(request_sent)


@pytest.mark.parametrize("frame", [ANSWER, rtu_slave.refusal(1, 3, 2), REQUEST])
@pytest.mark.parametrize("before", [b"", b"\x00\xff", b"\x01", b"\x01\x03", ANSWER[:-1]])
def test_a_frame_is_found_behind_noise(before, frame):
    found = rtu.find(before + frame + b"\x01\x03", EXPECTED)
    assert (found.frame, found.skipped) == (frame, len(before))


@pytest.mark.parametrize("length", range(len(ANSWER)))
def test_half_a_frame_is_waited_for_with_what_it_lacks_at_the_least(length):
    found = rtu.find(ANSWER[:length], EXPECTED)
    assert (found.frame, found.skipped) == (b"", 0)
    assert 0 < found.missing <= len(ANSWER) - length


@pytest.mark.parametrize(
    "other",
    [
        rtu_slave.answer(2, 3, [1, 2]),
        rtu_slave.answer(1, 4, [1, 2]),
        rtu_slave.answer(1, 3, [1]),
        rtu_slave.answer(1, 3, [1, 2, 3]),
        rtu_slave.refusal(2, 3, 2),
        ANSWER[:-1] + b"\x00",
    ],
)
def test_what_is_no_answer_is_passed_over(other):
    assert rtu.find(other + ANSWER, EXPECTED).frame == ANSWER


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_an_answer_is_found_whatever_surrounds_it(before, after):
    data, seen = before + ANSWER + after, []
    while (found := rtu.find(data, EXPECTED)).frame:
        data = data[found.skipped + len(found.frame) :]
        seen.append(found.frame)
    assert ANSWER in seen


def test_an_answer_settles_what_was_asked_before_it():
    slave = Slave()
    for words in (2, 4, 6):
        slave.ask(Shape(1, 3, words))
    assert not slave.settle(Shape(1, 3, 4))
    assert slave.owed == [Shape(1, 3, 6)]
    assert slave.settle(Shape(1, 3, 6))
    assert slave.owed == []


def test_of_two_requests_of_one_shape_the_older_is_answered_first():
    slave = Slave()
    slave.ask(ASKED)
    slave.ask(ASKED)
    assert not slave.settle(ASKED)
    assert slave.settle(ASKED)


def test_a_refusal_settles_nothing_where_an_older_request_may_be_meant():
    slave = Slave()
    slave.ask(ASKED)
    slave.settle_refusal()
    assert slave.owed == []
    slave.ask(ASKED)
    slave.ask(Shape(1, 3, 4))
    slave.settle_refusal()
    assert slave.owed == [ASKED, Shape(1, 3, 4)]


def test_the_account_of_a_dead_slave_does_not_grow_for_ever():
    slave = Slave()
    for _ in range(1000):
        slave.ask(ASKED)
    assert len(slave.owed) == MOST_OWED


def test_the_allowance_follows_the_measured_answer_time():
    slave = Slave()
    assert slave.allowance_s == pytest.approx(0.5)
    for _ in range(500):
        slave.measure(0.04)
    assert slave.allowance_s == pytest.approx(0.16)
    for _ in range(500):
        slave.measure(0.002)
    assert slave.allowance_s == pytest.approx(0.1)
    slave.measure(0.2)
    assert slave.allowance_s == pytest.approx(0.8)


def test_the_allowance_doubles_for_late_answers_up_to_a_limit():
    slave = Slave()
    slave.came_late()
    assert slave.allowance_s == pytest.approx(1.0)
    for _ in range(10):
        slave.came_late()
    assert slave.allowance_s == pytest.approx(2.0)


def test_silence_costs_less_each_time():
    slave = Slave()
    for _ in range(10):
        slave.stayed_silent()
    assert slave.allowance_s == pytest.approx(0.1)
    slave.came_late()
    assert slave.allowance_s == pytest.approx(0.2)
