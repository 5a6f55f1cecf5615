"""Finds Luxtronik controllers: by a call on the network, or by a question at a line.

The maker has published nothing of the call; it is as python-luxtronik and npm's luxtronik2 have it.
"""

import re
import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress

from collector.contract import Found, Search
from collector.errors import ReadFault
from collector.lines.tcp import TcpLine
from collector.sources.luxtronik import meaning, protocol

PORTS = (8888, 8889)  # the former with old firmware
CALL = b"2000;111;1;\0"
ECHO = "2500;111;"
EVERYBODY = (("255.255.255.255", 4444), ("255.255.255.255", 47808))
LISTEN_S = 2.0
LAST_PORT = 65535
MOST_ECHOES = 100  # whatever else talks on these ports: 47808 is BACnet's


def discover(search: Search) -> Iterator[Found]:
    """Yield the controller at the line that is named, or those that answer a call.

    Raise ReadFault, ValueError.
    """
    if search.line:
        yield recognise(search.line)
        return
    search.progress("calling heat pumps on the network", None)
    for line in call_out():
        try:
            yield recognise(line)
        except ReadFault as error:
            search.skipped(str(error))


def recognise(url: str) -> Found:
    """Ask for what only a Luxtronik controller has. Raise ReadFault, ValueError."""
    line = TcpLine(url)
    line.open()
    try:
        firmware = meaning.decode_firmware(protocol.ask(line, protocol.CALCULATIONS))
    finally:
        line.close()
    text = f"heat pump, firmware {firmware or 'unknown'}"
    return Found("luxtronik", url, text, {"line": url}, "heatpump", {"": text})


def call_out(
    targets: Iterable[tuple[str, int]] = EVERYBODY, listen_s: float = LISTEN_S
) -> list[str]:
    """Call out on the network; return the lines of the controllers that answer in *listen_s*."""
    with ExitStack() as doors:
        called = [call(doors, target) for target in targets]
        return list(dict.fromkeys(listen(called, time.monotonic() + listen_s)))


def call(doors: ExitStack, target: tuple[str, int]) -> socket.socket:
    """Call *target*; some controllers answer to the port they were called at, so it is ours too."""
    door = doors.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    door.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    with suppress(OSError):  # another program has the port: most answer to any
        door.bind(("", target[1]))
    with suppress(OSError):  # there is no network
        door.sendto(CALL, target)
    return door


def listen(doors: Sequence[socket.socket], until_s: float) -> Iterator[str]:
    for _ in range(MOST_ECHOES):
        ready, _, _ = select.select(doors, [], [], max(0.0, until_s - time.monotonic()))
        if not ready:
            return
        with suppress(OSError):  # an unreachable port answers so
            data, (host, _) = ready[0].recvfrom(1024)
            if port := decode_echo(data):
                yield f"tcp://{host}:{port}"


def decode_echo(data: bytes) -> int | None:
    """Return the port that a controller tells in its answer to a call; None for anything else.

    Old firmware tells none, and listens on 8888.
    """
    text = data.decode("ascii", errors="replace")
    if not text.startswith(ECHO):
        return None
    told = text.removeprefix(ECHO).split(";")[0].strip("\0 \r\n")
    if not told:
        return 8888
    return int(told) if re.fullmatch("[0-9]{1,5}", told) and 0 < int(told) <= LAST_PORT else None
