"""Modbus RTU on the wire: which bytes answer which request.

RTU has no transaction number. An answer to a read tells its slave, its function and how many
registers it holds, and nothing else: its ``Shape``. So two requests of one shape cannot be told
apart by their answers, and ``Slave`` keeps account of what is still owed.
(Modbus over Serial Line V1.02, 2.5; Modbus Application Protocol V1.1b3, 6.3, 6.4 and 7)
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from collector.errors import DeviceRefused

READ_FUNCTIONS = (3, 4)
REQUEST_BYTES = 8
REFUSAL_BYTES = 5
REFUSAL_BIT = 0x80
REASONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, not yet done",
    6: "busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway got no answer from the device",
}

FIRST_ALLOWANCE_S = 0.5  # before anything is measured; slow meters answer after 0.2 to 0.4 s
LEAST_ALLOWANCE_S = 0.1  # and four times the measured answer time, as Victron's driver waits
MOST_ALLOWANCE_S = 2.0  # a meter that needs longer cannot be told from a dead one
ALLOWANCE_PER_ANSWER_TIME = 4
MOST_OWED = 64  # more requests than any meter or gateway holds back at once
AFTER_SILENCE_S = 0.1  # of quiet: who stayed silent may have been asked too early


class Shape(NamedTuple):
    """All that an answer tells of the request it belongs to; a word is one register."""

    slave: int
    function: int
    words: int

    @property
    def answer_bytes(self) -> int:
        return 5 + 2 * self.words


@lru_cache(maxsize=1024)
def shape_of(request: bytes) -> Shape:
    """Return the shape of the answer to *request*.

    Raise ValueError for anything but a read of registers: nothing else is ever sent.
    """
    if len(request) != REQUEST_BYTES or request[1] not in READ_FUNCTIONS:
        msg = f"{request.hex(' ')} does not read registers"
        raise ValueError(msg)
    return Shape(request[0], request[1], int.from_bytes(request[4:6], "big"))


@lru_cache(maxsize=1024)
def request(shape: Shape, start: int) -> bytes:
    """Return what asks for the registers from *start* on."""
    body = struct.pack(">BBHH", shape.slave, shape.function, start, shape.words)
    return body + crc(body)


def words(frame: bytes) -> Sequence[int]:
    """Return the registers in an answer that was found."""
    return struct.unpack(f">{frame[2] // 2}H", frame[3:-2])


def shape_heard(frame: bytes) -> Shape:
    """Return the shape of an answer that was found."""
    return Shape(frame[0], frame[1], frame[2] // 2)


def make_crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1  # noqa: PLW2901  shifts on
        table.append(value)
    return table


CRC_TABLE = make_crc_table()


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of *data* as it stands on the wire, low byte first."""
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ CRC_TABLE[(register ^ byte) & 0xFF]
    return register.to_bytes(2, "little")


def refused(url: str, shape: Shape, start: int, code: int) -> DeviceRefused:
    """Return the error for the exception *code*, given for a read from *start* on."""
    return DeviceRefused(
        f"address {shape.slave} on {url} refused to send {shape.words} registers from "
        f"0x{start:04X} (function {shape.function}): exception {code}, "
        f"{REASONS.get(code, 'not in the standard')}",
        code,
    )


class Pattern(NamedTuple):
    """A frame that may come: how it begins, and how long it is with its CRC."""

    prefix: bytes
    length: int


class Search(NamedTuple):
    """What ``find`` saw: *frame*, empty where none is whole yet, begins after *skipped* bytes.

    *missing* says how many bytes must come at the least before looking again can help.
    """

    frame: bytes
    skipped: int
    missing: int


def patterns(request: bytes, owed: Iterable[Shape]) -> list[Pattern]:
    """Return every frame that may come: the answers *owed*, refusals, and the echo of *request*.

    Some RS-485 adapters hear themselves; *request* is empty where nothing was sent. The shortest
    come first, so that no more bytes are waited for than the shortest needs.
    """
    found = {Pattern(request, REQUEST_BYTES)} if request else set()
    for shape in owed:
        found.add(Pattern(bytes([shape.slave, shape.function | REFUSAL_BIT]), REFUSAL_BYTES))
        head = bytes([shape.slave, shape.function, 2 * shape.words])
        found.add(Pattern(head, shape.answer_bytes))
    return sorted(found, key=lambda pattern: pattern.length)


def find(data: bytes, expected: Sequence[Pattern]) -> Search:
    """Find the first whole frame among *data* that is one of the *expected*.

    Anything that cannot be the beginning of one, or whose CRC is wrong, is skipped.
    """
    for start in range(len(data)):
        for prefix, length in expected:
            if not prefix.startswith(data[start : start + len(prefix)]):
                continue
            if len(data) - start < length:
                return Search(b"", start, start + length - len(data))
            frame = data[start : start + length]
            if crc(frame[:-2]) == frame[-2:]:
                return Search(frame, start, 0)
    return Search(b"", len(data), REFUSAL_BYTES)


@dataclass
class Slave:
    """What a line knows of one slave: the answers it still owes, and how soon it answers.

    A slave answers in the order in which it was asked, or not at all. So an answer belongs to
    the oldest request of its shape, and what was asked before that one is never answered.
    """

    owed: list[Shape] = field(default_factory=list)
    answer_time_s: float | None = None
    slow_answer_time_s: float = FIRST_ALLOWANCE_S / ALLOWANCE_PER_ANSWER_TIME
    pause_s: float = 0.0  # of quiet before each request
    is_pause_given: bool = False  # by the owner
    is_pause_sure: bool = False  # longer ones were tried in vain
    was_silent: bool = False
    quiet_s: float = math.inf  # before the newest request
    least_quiet_s: float = math.inf  # before a request that was answered

    @property
    def wanted_quiet_s(self) -> float:
        """How long the line must have been quiet before the next request to it."""
        return max(self.pause_s, AFTER_SILENCE_S) if self.was_silent else self.pause_s

    @property
    def is_hasty(self) -> bool:
        """Did the newest request come much sooner than any that was answered?"""
        return self.quiet_s < self.least_quiet_s / 2 < math.inf

    @property
    def allowance_s(self) -> float:
        """How long to wait for it, besides the time that the bytes take on the wire."""
        allowance_s = ALLOWANCE_PER_ANSWER_TIME * self.slow_answer_time_s
        return min(max(allowance_s, LEAST_ALLOWANCE_S), MOST_ALLOWANCE_S)

    def ask(self, shape: Shape, quiet_s: float = math.inf) -> None:
        """Book a request that leaves after *quiet_s* without a byte on the line."""
        self.quiet_s = quiet_s
        self.owed.append(shape)
        del self.owed[:-MOST_OWED]

    def settle(self, shape: Shape) -> bool:
        """Book an answer that came; return whether it answers the newest request."""
        del self.owed[: self.owed.index(shape) + 1]
        return not self.owed

    def settle_refusal(self) -> None:
        """Book a refusal: the newest request's where only that is owed, otherwise anyone's."""
        if len(self.owed) == 1:
            self.owed.clear()
            self.answered()

    def came_late(self) -> None:
        """Double the allowance."""
        self.slow_answer_time_s = 2 * self.allowance_s / ALLOWANCE_PER_ANSWER_TIME

    def stayed_silent(self) -> None:
        """Shorten the allowance, so that a dead slave costs its neighbours little.

        One that is only slow makes up for it: its answers still come, late.
        """
        self.slow_answer_time_s *= 0.8
        self.was_silent = True

    def answered(self) -> None:
        """Learn after how short a quiet it answers."""
        self.was_silent = False
        self.least_quiet_s = min(self.least_quiet_s, self.quiet_s)

    def measure(self, answer_time_s: float) -> None:
        """Learn from an answer in time. One slow answer is remembered for some hundred more."""
        self.answered()
        self.slow_answer_time_s = max(answer_time_s, 0.99 * self.slow_answer_time_s)
        before_s = answer_time_s if self.answer_time_s is None else self.answer_time_s
        self.answer_time_s = 0.9 * before_s + 0.1 * answer_time_s
