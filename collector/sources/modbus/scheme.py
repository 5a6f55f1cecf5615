"""Whether a device on the network speaks the other Modbus: RTU where TCP is configured, or TCP."""

import time

from collector.errors import ReadFault
from collector.lines.tcp import TcpLine
from collector.sources.modbus import mbap, rtu
from collector.sources.modbus.rtu import Shape

TRIAL_S = 1.0
MOST_BYTES = 512


def spoken(url: str, shape: Shape, start: int) -> str:
    """Return the line that would be right for ``tcp://`` or ``socket://``; '' where none is found.

    One read is asked in the other form, on a connection of its own.
    """
    scheme, _, where = url.partition("://")
    try:
        line = TcpLine(f"tcp://{where}")
        line.open()
    except (ReadFault, ValueError):
        return ""
    try:
        if scheme == "tcp":
            return f"socket://{where}" if speaks_rtu(line, shape, start) else ""
        return f"tcp://{where}" if speaks_mbap(line, shape, start) else ""
    except (ReadFault, ValueError):
        return ""
    finally:
        line.close()


def speaks_rtu(line: TcpLine, shape: Shape, start: int) -> bool:
    body = bytes([shape.slave, shape.function, *start.to_bytes(2, "big"), 0, shape.words])
    request = body + rtu.crc(body)
    line.send(request)
    heard, until_s = b"", time.monotonic() + TRIAL_S
    while len(heard) < MOST_BYTES and (piece := line.receive_some(MOST_BYTES, until_s)):
        heard += piece
        frame = rtu.find(heard.removeprefix(request), rtu.patterns(b"", [shape])).frame
        if frame:
            return True
    return False


def speaks_mbap(line: TcpLine, shape: Shape, start: int) -> bool:
    line.send(mbap.request(1, shape, start))
    heard, until_s = b"", time.monotonic() + TRIAL_S
    while len(heard) < MOST_BYTES and (piece := line.receive_some(MOST_BYTES, until_s)):
        heard += piece
        frame, heard = mbap.cut(heard)
        if frame:
            return (frame.transaction, frame.unit) == (1, shape.slave)
    return False
