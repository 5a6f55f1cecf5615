"""What a Modbus TCP device or gateway answers, written without looking at the collector's own code.

How it answers is up to the test: bytes, or pieces.
"""

import socket
import struct
from typing import NamedTuple

from tests.fakes.loopback import Loopback


class Asked(NamedTuple):
    transaction: int
    unit: int
    function: int
    start: int
    length: int


def parse(request):
    transaction, protocol, length, *rest = struct.unpack(">HHHBBHH", request)
    assert (protocol, length) == (0, 6)
    return Asked(transaction, *rest)


def framed(asked, body, *, transaction=None, protocol=0, length=None, unit=None):
    """Return an answer, right but for what is said otherwise."""
    number = asked.transaction if transaction is None else transaction
    size = len(body) + 1 if length is None else length
    return struct.pack(
        ">HHHB", number, protocol, size, asked.unit if unit is None else unit
    ) + bytes(body)


def words(asked, registers):
    """Return function, size and registers: the body of an answer; or that of exception 2."""
    wanted = range(asked.start, asked.start + asked.length)
    if not all(each in registers for each in wanted):
        return exception(asked, 2)
    data = struct.pack(f">{asked.length}H", *(registers[each] for each in wanted))
    return bytes([asked.function, len(data)]) + data


def exception(asked, code):
    return bytes([asked.function | 0x80, code])


def units(mapping):
    """Return a gateway with *mapping*, {unit: {register: word}}; nobody else is behind it."""

    def reply(asked):
        if asked.unit not in mapping:
            return framed(asked, exception(asked, 0x0B))
        return framed(asked, words(asked, mapping[asked.unit]))

    return reply


class Device(Loopback):
    """At its port ``reply(asked)`` answers, which may be changed while it runs.

    All that was asked is in *asked*.
    """

    def __init__(self, reply, port=0):
        super().__init__(port=port)
        self.reply = reply
        self.asked = []

    def serve(self, client):
        while len(request := client.recv(12, socket.MSG_WAITALL)) == 12:
            self.asked.append(parse(request))
            self.send(client, self.reply(self.asked[-1]))
