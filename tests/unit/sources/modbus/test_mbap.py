"""Modbus TCP frames, as pure functions of bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadInputRegistersRequest

from collector.sources.modbus import mbap
from collector.sources.modbus.mbap import Frame
from collector.sources.modbus.rtu import Shape

ANSWER = bytes.fromhex("00 07 00 00 00 07 11 03 04 01 02 03 04")
SHAPE = Shape(0x11, 3, 2)


def test_a_request_is_the_one_that_pymodbus_makes():
    pdu = ReadInputRegistersRequest(address=0x1234, count=125, dev_id=7, transaction_id=0xABCD)
    theirs = FramerSocket(DecodePDU(False)).buildFrame(pdu)
    assert mbap.request(0xABCD, Shape(7, 4, 125), 0x1234) == theirs


def test_an_answer_is_cut_off_and_the_rest_kept():
    frame, rest = mbap.cut(ANSWER + b"\x00\x08")
    assert frame == Frame(7, 0x11, 3, bytes.fromhex("04 01 02 03 04"))
    assert rest == b"\x00\x08"
    assert list(mbap.words(frame, SHAPE)) == [0x0102, 0x0304]


@pytest.mark.parametrize("size", range(len(ANSWER)))
def test_a_part_of_an_answer_is_waited_for(size):
    assert mbap.cut(ANSWER[:size]) == (None, ANSWER[:size])


@pytest.mark.parametrize(
    ("protocol", "length"), [(1, 7), (0x0BBC, 7), (0, 0), (0, 2), (0, 255), (0, 65535)]
)
def test_what_no_device_sends_is_refused_by_its_head_alone(protocol, length):
    with pytest.raises(ValueError, match="not Modbus TCP"):
        mbap.cut(struct.pack(">HHH", 7, protocol, length))


@pytest.mark.parametrize(
    "body", ["12 03 04 01 02 03 04", "11 04 04 01 02 03 04", "11 03 02 01 02", "11 03 04 01 02"]
)
def test_an_answer_of_another_form_is_none(body):
    data = bytes.fromhex(body)
    frame, _ = mbap.cut(struct.pack(">HHH", 7, 0, len(data)) + data)
    assert frame
    with pytest.raises(ValueError, match="came"):
        mbap.words(frame, SHAPE)


@given(st.binary(max_size=600))
def test_any_bytes_are_cut_into_whole_frames_or_refused(data):
    left = data
    try:
        while True:
            frame, rest = mbap.cut(left)
            if frame is None:
                break
            assert len(left) - len(rest) == 8 + len(frame.data)
            assert frame.data
            left = rest
    except ValueError:
        return
    assert len(left) < 260
