"""Luxtronik 2, the controller of heat pumps by Alpha Innotec, Novelan and others: how it is asked.

It answers with whole tables of numbers, big-endian and signed. A place in a table is the only name
a number has, and how long a table is depends on the firmware: one lost byte would give every number
behind it another meaning. So after any fault the connection is closed, and the next one begins in
step. What writes (3002) is never sent. The maker has published nothing: this is as python-luxtronik
and npm's luxtronik2 have it, which agree.
"""

import re
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from collector.errors import FrameDamaged, ReadFault
from collector.lines.tcp import TcpLine

REQUEST = struct.Struct(">ii")
ANSWER_S = 10.0  # for a whole table; about 2000 numbers take 0.1 s where all is well
MOST_NUMBERS = 10_000  # the longest table known has 1180

CALL = b"2000;111;1;\0"
ECHO = "2500;111;"
EVERYBODY = (("255.255.255.255", 4444), ("255.255.255.255", 47808))
LISTEN_S = 2.0
LAST_PORT = 65535
MOST_ECHOES = 100  # whatever else talks on these ports: 47808 is BACnet's


@dataclass(frozen=True)
class Table:
    """One of the controller's tables; *head* tells the command it answers and the length."""

    name: str
    command: int
    head: struct.Struct
    number: struct.Struct


PARAMETERS = Table("parameters", 3003, struct.Struct(">ii"), struct.Struct(">i"))
# Between command and length stands a status word whose meaning nobody knows.
CALCULATIONS = Table("calculations", 3004, struct.Struct(">i4xi"), struct.Struct(">i"))
VISIBILITIES = Table("visibilities", 3005, struct.Struct(">ii"), struct.Struct(">b"))


def ask(line: TcpLine, table: Table) -> Sequence[int]:
    """Return the numbers of *table*, over a *line* that is open. Raise ReadFault."""
    until_s = time.monotonic() + ANSWER_S
    try:
        line.send(REQUEST.pack(table.command, 0))
        count = decode_head(table, line.receive(table.head.size, until_s))
        return decode_numbers(table, line.receive(count * table.number.size, until_s))
    except ReadFault:
        line.close()
        raise


def decode_head(table: Table, data: bytes) -> int:
    """Return how many numbers follow the head *data*. Raise FrameDamaged."""
    if len(data) != table.head.size:
        raise FrameDamaged(f"{table.name}: a head of {table.head.size} bytes has {len(data)}")
    command, count = table.head.unpack(data)
    if command != table.command:
        raise FrameDamaged(f"{table.name}: asked for {table.command}, answered is {command}")
    if not 0 <= count <= MOST_NUMBERS:
        raise FrameDamaged(
            f"{table.name}: {count} numbers announced, at most {MOST_NUMBERS} can be"
        )
    return int(count)


def decode_numbers(table: Table, data: bytes) -> Sequence[int]:
    """Return the numbers that stand in *data*. Raise FrameDamaged."""
    if len(data) % table.number.size:
        raise FrameDamaged(f"{table.name}: {len(data)} bytes are no whole numbers")
    return [number for (number,) in table.number.iter_unpack(data)]


def discover(
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
