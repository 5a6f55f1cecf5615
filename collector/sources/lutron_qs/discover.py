"""Finds Lutron processors on the network: by a call to the group they listen in, or at a line.

The maker has published nothing of the call; openHAB's binding and two others have it alike.
"""

import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

from collector.lines.tcp import TcpLine
from collector.sources.lutron_qs.protocol import LOGIN

GROUP, GROUP_PORT = "224.0.37.42", 2647
CALL = b"<LUTRON=1>"
PROPERTY = re.compile(rb"<([A-Z]+)=([^<>]{0,100})>")
LISTEN_S = 2.0
MOST_ECHOES = 100  # whatever else talks in this group
GREETING_S = 2.0
MOST_SAID = 4096


def greets(line: TcpLine, within_s: float = GREETING_S) -> bool:
    """Does what is at the far end ask for a login by itself, before it is said a word?

    Raise LineAway.
    """
    until_s, said = time.monotonic() + within_s, b""
    while len(said) < MOST_SAID and not LOGIN.search(said):
        piece = line.receive_some(MOST_SAID, until_s)
        if not piece:
            return False
        said += piece
    return bool(LOGIN.search(said))


def discover(
    target: tuple[str, int] = (GROUP, GROUP_PORT), listen_s: float = LISTEN_S
) -> list[str]:
    """Call out to the group that processors listen in; return the lines of those that answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        with suppress(OSError):  # there is no network, or another program has the port
            member = struct.pack("4s4s", socket.inet_aton(GROUP), bytes(4))  # any interface
            door.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(("", target[1]))
        with suppress(OSError):
            door.sendto(CALL, target)
        return list(dict.fromkeys(echoes(door, time.monotonic() + listen_s)))


def echoes(door: socket.socket, until_s: float) -> Iterator[str]:
    for _ in range(MOST_ECHOES):
        try:
            door.settimeout(max(until_s - time.monotonic(), 0.001))
            data, (host, _) = door.recvfrom(4096)
        except OSError:  # nothing more came, or there is no network
            return
        if is_echo(data):
            yield f"tcp://{host}:23"


def is_echo(data: bytes) -> bool:
    """Is this a processor's answer to a call? Pure."""
    return {name for name, value in PROPERTY.findall(data) if value} >= {b"SERNUM", b"PRODFAM"}
