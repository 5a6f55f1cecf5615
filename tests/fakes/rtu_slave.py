"""What a Modbus RTU slave answers, written without looking at the collector's own code."""

import struct


def crc(data):
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return struct.pack("<H", register)


def framed(*body):
    data = bytes(body)
    return data + crc(data)


def request(slave, function, start, count):
    return framed(slave, function, *struct.pack(">HH", start, count))


def answer(slave, function, words):
    data = struct.pack(f">{len(words)}H", *words)
    return framed(slave, function, len(data), *data)


def refusal(slave, function, code):
    return framed(slave, function | 0x80, code)


def parse(frame):
    """Return (slave, function, start, count) of a request to read; None where it is none."""
    if len(frame) != 8 or crc(frame[:-2]) != frame[-2:] or frame[1] not in {3, 4}:
        return None
    return struct.unpack(">BBHH", frame[:-2])


def reply(frame, slaves):
    """Return what the bus says to a request; nothing where no slave feels asked.

    *slaves* maps an address to its registers, a mapping from address to word. A read that
    touches a register that is not there is refused with exception 2.
    """
    asked = parse(frame)
    if asked is None or asked[0] not in slaves:
        return b""
    slave, function, start, count = asked
    registers = slaves[slave]
    if not all(each in registers for each in range(start, start + count)):
        return refusal(slave, function, 2)
    return answer(slave, function, [registers[each] for each in range(start, start + count)])
