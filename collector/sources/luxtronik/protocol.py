"""Luxtronik 2, the controller of heat pumps by Alpha Innotec, Novelan and others: how it is asked.

It answers with whole tables of numbers, big-endian and signed. A place in a table is the only name
a number has, and how long a table is depends on the firmware: one lost byte would give every number
behind it another meaning. So after any fault the connection is closed, and the next one begins in
step. What writes (3002) is never sent. The maker has published nothing: this is as python-luxtronik
and npm's luxtronik2 have it, which agree.
"""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from collector.errors import FrameDamaged, ReadFault
from collector.lines.tcp import TcpLine

REQUEST = struct.Struct(">ii")
ANSWER_S = 10.0  # for a whole table; about 2000 numbers take 0.1 s where all is well
MOST_NUMBERS = 10_000  # the longest table known has 1180


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
        raise FrameDamaged(f"{table.name}: {len(data)} bytes are not whole numbers")
    return [number for (number,) in table.number.iter_unpack(data)]
