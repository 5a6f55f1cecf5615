"""Modbus TCP on the wire: which bytes are a request, and which its answer.

A frame is a head of transaction number, protocol 0 and how many bytes follow, then the unit (which
device behind this address), the function, and what belongs to it.
(Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3; Application Protocol V1.1b3, 4.1)
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from collector.sources.modbus.rtu import Shape

HEAD = struct.Struct(">HHH")
REQUEST = struct.Struct(">HHHBBHH")
LENGTHS = range(3, 255)  # unit, function and at least one byte; at most 253 without the unit
TRANSACTIONS = 0x10000


class Frame(NamedTuple):
    """An answer; *data* is what follows the function."""

    transaction: int
    unit: int
    function: int
    data: bytes


def request(transaction: int, shape: Shape, start: int) -> bytes:
    """Return the request to read registers from *start* on."""
    return REQUEST.pack(transaction, 0, 6, shape.slave, shape.function, start, shape.words)


def cut(data: bytes) -> tuple[Frame | None, bytes]:
    """Cut the first frame off *data*; None where it is not whole yet.

    Raise ValueError for a head that no Modbus device sends: what follows it cannot be told.
    """
    if len(data) < HEAD.size:
        return None, data
    transaction, protocol, length = HEAD.unpack_from(data)
    if protocol != 0 or length not in LENGTHS:
        raise ValueError(f"a frame of protocol {protocol} with {length} bytes is not Modbus TCP")
    end = HEAD.size + length
    if len(data) < end:
        return None, data
    body = data[HEAD.size : end]
    return Frame(transaction, body[0], body[1], body[2:]), data[end:]


def words(frame: Frame, shape: Shape) -> Sequence[int]:
    """Return the registers that *frame* brings. Raise ValueError where it is no such answer."""
    size = 2 * shape.words
    if (frame.unit, frame.function) != (shape.slave, shape.function):
        raise ValueError(f"an answer of unit {frame.unit} to function {frame.function} came")
    if frame.data[0] != size or len(frame.data) != 1 + size:
        raise ValueError(f"{len(frame.data) - 1} bytes came for {shape.words} registers")
    return struct.unpack_from(f">{shape.words}H", frame.data, 1)
