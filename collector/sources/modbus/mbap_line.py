"""A line that speaks Modbus TCP: one connection to one device, or to a gateway with several.

Each answer names the request it belongs to, so one that comes late is never taken for another.
"""

import logging
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from collector.errors import DeviceSilent, FrameDamaged, ReadFault
from collector.lines.serial import DEAD_PEER_MS, Framing
from collector.lines.tcp import TcpLine
from collector.sources.modbus import mbap, rtu
from collector.sources.modbus.mbap import TRANSACTIONS, Frame
from collector.sources.modbus.rtu import (
    MOST_ALLOWANCE_S,
    MOST_OWED,
    REFUSAL_BIT,
    REQUEST_BYTES,
    Shape,
    Slave,
)

log = logging.getLogger(__name__)

LEAST_ALLOWANCE_S = 0.5  # TCP sends a lost packet again after 0.2 s, and then after 0.4 s
SILENCES = 3  # then a new connection: some devices answer nothing any more on an old one
NOBODY_THERE = (10, 11)  # says a gateway of what is behind it
BYTE_S = 1e-6  # 8 Mbit/s: of plans with equally many requests, that with fewest bytes is best
MOST_BYTES = 512  # more than the longest frame


class MbapLine(TcpLine):
    """A connection with Modbus devices, told apart by their unit: called address, as on RS-485.

    *framings* says how the serial line is set on which a device stands behind a gateway; the time
    that bytes take there counts. *claims* says who asks which address, *discarded* counts answers
    that came late, or belong to no request.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.slaves: defaultdict[int, Slave] = defaultdict(Slave)
        self.claims: dict[int, str] = {}
        self.framings: dict[int, Framing] = {}
        self.discarded: Counter[str] = Counter()
        self.transaction = 0
        self.buffer = b""
        self.silences = 0
        self.heard_s = 0.0
        self.is_fresh = True  # nothing was asked yet on this connection, so nothing comes late
        self.numbers_right = True
        self.has_heard = False

    @property
    def port(self) -> str:
        return self.url

    @property
    def is_open(self) -> bool:
        return self.connection is not None

    def open(self) -> None:
        """Connect, where that is not yet done. Raise LineAway."""
        if self.connection is not None:
            return
        super().open()
        self.opened().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
        self.buffer, self.silences, self.is_fresh = b"", 0, True

    def pace(self, address: int) -> tuple[float, float]:
        """Return how long a byte takes, and the silence between frames, in seconds."""
        framing, pause_s = self.framings.get(address), self.slaves[address].pause_s
        if framing is None:
            return BYTE_S, pause_s
        return framing.character_s, max(framing.silence_s, pause_s)

    def wire_s(self, shape: Shape) -> float:
        """Return how long a request and its answer take on the wire."""
        byte_s, _ = self.pace(shape.slave)
        return (REQUEST_BYTES + shape.answer_bytes) * byte_s

    def timeout_s(self, shape: Shape) -> float:
        """Return how long an answer is waited for, from the request on.

        After a silence it is the longest: a gateway that still waits for the silent device lets
        the next request wait as well.
        """
        allowance_s = max(self.slaves[shape.slave].allowance_s, LEAST_ALLOWANCE_S)
        return self.wire_s(shape) + (MOST_ALLOWANCE_S if self.silences else allowance_s)

    def reset_input_buffer(self) -> None:
        """Do nothing: what comes late tells by its transaction number that it does."""

    def ask(self, shape: Shape, start: int) -> Sequence[int]:
        """Return the registers from *start* on; the line is open. Raise ReadFault."""
        slave, timeout_s = self.slaves[shape.slave], self.timeout_s(shape)
        self.transaction = (self.transaction + 1) % TRANSACTIONS
        strays_before = self.discarded["stray"]
        if slave.wanted_quiet_s:
            time.sleep(max(self.heard_s + slave.wanted_quiet_s - time.monotonic(), 0.0))
        slave.ask(shape, time.monotonic() - self.heard_s)
        self.send(mbap.request(self.transaction, shape, start))
        sent_s = self.heard_s = time.monotonic()
        frame = self.answer(sent_s + timeout_s, shape)
        self.is_fresh = False
        self.heard_s = time.monotonic() if frame else sent_s
        if frame is None:
            raise self.unanswered(shape, timeout_s, self.discarded["stray"] - strays_before)
        self.silences = 0
        if (frame.unit, frame.function) == (shape.slave, shape.function | REFUSAL_BIT):
            raise self.refused(shape, start, frame.data[0])
        try:
            words = mbap.words(frame, shape)
        except ValueError as error:
            raise FrameDamaged(f"address {shape.slave} on {self.url}: {error}") from error
        slave.owed.clear()
        slave.measure(max(time.monotonic() - sent_s - self.wire_s(shape), 0.0))
        return words

    def answer(self, until_s: float, shape: Shape) -> Frame | None:
        """Return the answer to the last request; None where it is not whole before *until_s*.

        Some gateways number their answers otherwise. That is found out by the first answer on a
        connection, which cannot belong to another request; from then on none may be owed.
        Raise FrameDamaged, having hung up, where what comes is no Modbus TCP; LineAway.
        """
        others: list[Frame] = []
        while True:
            try:
                frame, self.buffer = mbap.cut(self.buffer)
            except ValueError as error:
                self.close()
                raise FrameDamaged(f"{self.url}: {error}") from error
            self.has_heard = self.has_heard or frame is not None
            if frame and frame.transaction == self.transaction:
                return frame
            if frame and not self.numbers_right:
                return frame
            if frame:
                self.discard(frame)
                others = [*others[:1], frame]
            elif time.monotonic() >= until_s:
                return self.wrongly_numbered(others, shape)
            else:
                self.buffer += self.receive_some(MOST_BYTES - len(self.buffer), until_s)

    def wrongly_numbered(self, others: Sequence[Frame], shape: Shape) -> Frame | None:
        """Return the only answer to the first request, though it bears another number."""
        if len(others) != 1 or not self.is_fresh:
            return None
        (frame,) = others
        if (frame.unit, frame.function & ~REFUSAL_BIT) != (shape.slave, shape.function):
            return None
        log.warning("%s: gives wrong transaction numbers; answers are taken in turn", self.url)
        self.numbers_right = False
        return frame

    def discard(self, frame: Frame) -> None:
        age = (self.transaction - frame.transaction) % TRANSACTIONS
        is_late = age <= MOST_OWED and frame.unit in self.slaves
        self.discarded["late" if is_late else "stray"] += 1
        if is_late and not frame.function & REFUSAL_BIT:
            self.slaves[frame.unit].came_late()

    def refused(self, shape: Shape, start: int, code: int) -> ReadFault:
        """Return the error for an exception; what a gateway cannot reach is silent."""
        if code in NOBODY_THERE:
            self.slaves[shape.slave].was_silent = True
            return DeviceSilent(f"address {shape.slave} on {self.url}: {rtu.REASONS[code]}")
        self.slaves[shape.slave].owed.clear()
        self.slaves[shape.slave].answered()
        return rtu.refused(self.url, shape, start, code)

    def unanswered(self, shape: Shape, waited_s: float, strays: int) -> ReadFault:
        who = f"address {shape.slave} on {self.url}"
        if strays:
            return FrameDamaged(f"{who}: {strays} answers came that nobody asked for")
        self.slaves[shape.slave].stayed_silent()
        self.silences += 1
        if self.silences == SILENCES or not self.numbers_right:
            self.close()
        return DeviceSilent(f"{who} did not answer within {waited_s:.2f} s")
