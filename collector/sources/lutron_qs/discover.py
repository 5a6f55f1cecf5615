"""Finds Lutron processors on the network: by a call to the group they listen in, or at a line.

The maker has published nothing of the call; openHAB's binding and two others have it alike.
"""

import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

from collector.contract import Found, Search
from collector.errors import DeviceSilent, ReadFault
from collector.lines.tcp import TcpLine
from collector.secrets import Secret
from collector.sources.lutron_qs import fetch
from collector.sources.lutron_qs.database import parse
from collector.sources.lutron_qs.protocol import LOGIN
from collector.sources.lutron_qs.readings import summary

PORTS = (23,)
GROUP, GROUP_PORT = "224.0.37.42", 2647
CALL = b"<LUTRON=1>"
PROPERTY = re.compile(rb"<([A-Z]+)=([^<>]{0,100})>")
LISTEN_S = 2.0
MOST_ECHOES = 100  # whatever else talks in this group
GREETING_S = 2.0
MOST_SAID = 4096


def discover(search: Search) -> Iterator[Found]:
    """Yield the processor at the line that is named, or those that answer a call.

    Raise ReadFault, ValueError.
    """
    if search.line:
        yield recognise(search.line)
        return
    search.progress("calling Lutron processors on the network", None)
    for line in call_out():
        try:
            yield recognise(line)
        except ReadFault as error:
            search.skipped(str(error))


def recognise(url: str) -> Found:
    """Listen for a processor, and tell it by its database from all else that asks for a login.

    What is none is found without options, so that nobody asks it anything. Raise ReadFault.
    """
    line = TcpLine(url)
    line.open()
    try:
        if not greets(line):
            raise DeviceSilent(f"{url}: nothing there asks for a login")
    finally:
        line.close()
    place = fetch.usual_place(url)
    try:
        data = fetch.read(place, "")
        assert data is not None, "no other is known"
        text = summary(parse(data))
    except ReadFault as error:
        return Found("lutron_qs", url, f"asks for a login, but {place} is not a Lutron's: {error}")
    options = {
        "line": url,
        "user": "monitor",
        "password": Secret("lutron-password"),
    }
    remarks = {"": text, "user": "a login for integration that nothing else uses"}
    return Found("lutron_qs", url, f"Lutron, {text}", options, "lights", remarks)


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


def call_out(
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
