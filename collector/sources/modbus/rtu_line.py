"""A line that speaks Modbus RTU: a serial port that hands out whole answers and nothing else.

It finds the answer to the present request by itself and passes over all else it hears: late
answers, other slaves, noise, its own echo. An answer that could belong to an earlier request is
never taken for the present one: see ``rtu.Slave``.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

from collector.errors import DeviceSilent, FrameDamaged, ReadFault
from collector.lines import adapter
from collector.lines.serial import TICK_S, Framing, SerialLine
from collector.sources.modbus import rtu
from collector.sources.modbus.rtu import (
    REFUSAL_BIT,
    REFUSAL_BYTES,
    REQUEST_BYTES,
    Pattern,
    Shape,
    Slave,
)

MOST_NOISE_BYTES = 512  # two of the longest frames: who talks on without a pause is no slave
ASLEEP = 0.95  # of the time that an answer takes: a shorter one is soon found out
SLOWER = 1.02  # so much longer may the next one take: a late one by chance is not believed

patterns = lru_cache(maxsize=1024)(rtu.patterns)  # a house asks some dozens of different requests


class RtuLine(SerialLine):
    """A line with Modbus RTU slaves.

    *discarded* counts what was heard and was no answer, *claims* says who asks which address.
    """

    def __init__(self, url: str, framing: Framing) -> None:
        super().__init__(url, framing)
        self.slaves: defaultdict[int, Slave] = defaultdict(Slave)
        self.claims: dict[int, str] = {}
        self.discarded: Counter[str] = Counter()
        self.request = b""
        self.expected: list[Pattern] = []
        self.buffer = b""
        self.missing = 0
        self.took_s: dict[Shape, float] = {}
        self.sent_s = 0.0
        self.heard_s = 0.0
        self.silence_s = framing.silence_s
        self.has_heard = False

    def ask(self, shape: Shape, start: int) -> Sequence[int]:
        """Return the registers from *start* on; the line is open. Raise ReadFault."""
        self.silence_s = max(self.framing.silence_s, self.slaves[shape.slave].wanted_quiet_s)
        self.reset_input_buffer()
        self.write(rtu.request(shape, start))
        return rtu.words(self.read(shape.answer_bytes))

    def pace(self, address: int) -> tuple[float, float]:
        """Return how long a byte takes, and the silence between frames, in seconds."""
        silence_s = max(self.framing.silence_s, self.slaves[address].pause_s)
        return self.framing.character_s, silence_s

    def wire_s(self, shape: Shape) -> float:
        """Return how long a request and its answer take on the wire."""
        return (REQUEST_BYTES + shape.answer_bytes) * self.framing.character_s

    def timeout_s(self, shape: Shape) -> float:
        """Return how long an answer is waited for, from the request on."""
        return self.wire_s(shape) + self.slaves[shape.slave].allowance_s

    def reset_input_buffer(self) -> None:
        """Book what came since the last answer, and wait for the line to be quiet.

        Raise LineAway, or FrameDamaged where the line does not get quiet.
        """
        begun_s = now_s = time.monotonic()
        while not self.is_quiet(max(self.heard_s + self.silence_s - now_s, 0.0)):
            self.expect(b"")
            self.hear(self.receive_some(MOST_NOISE_BYTES))
            for frame in self.frames():
                self.answers(frame, None)
            now_s = time.monotonic()
            if now_s - begun_s > self.silence_s + MOST_NOISE_BYTES * self.framing.character_s:
                msg = f"{self.port} is never quiet: is another program or master using it?"
                raise FrameDamaged(msg)
        self.discarded["noise"] += len(self.buffer)
        self.buffer = b""

    def is_quiet(self, for_s: float) -> bool:
        """Return whether nothing is there and nothing comes *for_s*. Raise LineAway."""
        if self.file is not None:
            return not self.comes_within(for_s)
        time.sleep(for_s)
        return not self.waiting()

    def reset_output_buffer(self) -> None:
        """Do nothing: a request has left whole, or the line is away."""

    def write(self, request: bytes) -> None:
        """Send *request*. Raise LineAway, or ValueError where it does anything but read."""
        shape = rtu.shape_of(request)
        self.slaves[shape.slave].ask(shape, time.monotonic() - self.heard_s)
        self.expect(request)
        self.missing = REFUSAL_BYTES
        self.send(request)
        self.sent_s = self.heard_s = time.monotonic()

    def read(self, _size: int) -> bytes:
        """Return the frame that answers the request, and nothing else.

        Raise DeviceSilent, DeviceRefused, FrameDamaged where what came is no answer, LineAway.
        """
        shape = rtu.shape_of(self.request)
        noise_before = self.discarded["noise"]
        took_s = 0.0 if self.is_remote else self.took_s.get(shape, 0.0)
        if took_s > TICK_S:
            # sleeping for nearly as long as it takes spares waking up for every piece of it
            time.sleep(ASLEEP * took_s)
        while True:
            left_s = self.sent_s + self.timeout_s(shape) - time.monotonic()
            if left_s <= 0:
                raise self.unanswered(shape, self.discarded["noise"] - noise_before)
            if self.buffer and self.missing > 1 and not self.is_remote:
                # sleeping while the rest is on the wire spares waking up for every byte of it
                time.sleep(min((self.missing - 1) * self.framing.character_s, left_s))
            self.hear(self.receive_some(self.missing))
            for frame in self.frames():
                if self.answers(frame, shape):
                    return frame

    def expect(self, request: bytes) -> None:
        owed = tuple(shape for slave in self.slaves.values() for shape in slave.owed)
        self.request = request
        self.expected = patterns(request, owed)

    def hear(self, data: bytes) -> None:
        if data:
            self.heard_s = time.monotonic()
            self.buffer += data

    def frames(self) -> Iterator[bytes]:
        """Cut the expected frames out of what was heard; what cannot be one is noise."""
        while True:
            found = rtu.find(self.buffer, self.expected)
            self.discarded["noise"] += found.skipped
            self.missing = found.missing
            self.buffer = self.buffer[found.skipped + len(found.frame) :]
            if not found.frame:
                return
            if found.frame != self.request:  # else it is the echo of an adapter that hears itself
                yield found.frame

    def answers(self, frame: bytes, asked: Shape | None) -> bool:
        """Book *frame*; return whether it answers what is being *asked*. Raise DeviceRefused."""
        self.has_heard = True
        heard = rtu.shape_heard(frame)
        slave = self.slaves[heard.slave]
        if asked and (heard.slave, heard.function) == (asked.slave, asked.function | REFUSAL_BIT):
            slave.settle_refusal()
            start = int.from_bytes(self.request[2:4], "big")
            raise rtu.refused(self.port, asked, start, frame[2])
        if heard in slave.owed:
            if slave.settle(heard) and asked and asked.slave == heard.slave:
                took_s = self.heard_s - self.sent_s
                self.took_s[asked] = min(took_s, SLOWER * self.took_s.get(asked, took_s))
                slave.measure(max(self.heard_s - self.sent_s - self.wire_s(asked), 0.0))
                return True
            slave.came_late()
        self.discarded["late"] += 1
        return False

    def unanswered(self, shape: Shape, noise: int) -> ReadFault:
        who, waited_s = f"address {shape.slave} on {self.port}", self.timeout_s(shape)
        if noise or self.buffer:
            return FrameDamaged(
                f"{who}: {noise + len(self.buffer)} bytes came that are no answer: "
                f"does {self.framing} fit the device, and is nothing else talking?"
            )
        self.slaves[shape.slave].stayed_silent()
        if self.framing.parity != "none" and adapter.is_mini_uart(self.port):
            return DeviceSilent(f"{who} did not answer: {self.port} {adapter.NO_PARITY}")
        silent = f"{who} did not answer within {waited_s:.2f} s"
        if self.slaves[shape.slave].answer_time_s is None:
            silent += (
                f", nor before: is it on, are A and B not swapped, are address, baud rate and "
                f"parity ({self.framing}) right? 'energy-monitor scan' tries others"
            )
        return DeviceSilent(silent)
