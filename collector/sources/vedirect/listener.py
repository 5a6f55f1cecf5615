"""A line on which a VE.Direct device talks: it is listened to, and nothing is ever sent."""

import os
import select
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress

from collector.errors import DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines.serial import Framing, SerialLine
from collector.sources.vedirect.blocks import BAUDRATE, Block, Joiner, Parser
from collector.sources.vedirect.labels import usual_blocks

FRAMING = Framing(BAUDRATE)
MOST_BYTES = 4096  # at once; two seconds of the line
GATHER_S = 0.02  # bytes that come one by one are taken some forty at a time
# The rest of one block, then a whole reading that began after it, each within a second.
SEARCH_S = 2.5
WAIT_S = SEARCH_S
FRESH_S = 1.1  # a block comes every second; a tenth is for its jitter
LOST_AFTER_S = 10.0  # so long without a reading: the line is opened, or looked for, anew
STOP_WITHIN_S = 0.25  # how long the thread waits for bytes before it looks whether to stop
QUIET_S = 1.3  # a device that is there has begun to talk by then
HEX_ONLY = (
    "a device that sends VE.Direct HEX messages but no text blocks. Either another program asks it "
    "all the time, or it has no text mode; such a device cannot be read"
)


class ListeningLine(SerialLine):
    """A line that one source listens to: the one that *claimed_by* names."""

    claimed_by = ""

    def open(self) -> None:
        """Open the port, for us alone; nothing waits on it. Raise LineAway."""
        if self.port.startswith("rfc2217:"):
            msg = f"{self.port}: VE.Direct is read from a port here or from socket://HOST:PORT"
            raise LineAway(msg)
        super().open()
        self.serial.timeout = 0

    def has_more(self, within_s: float) -> bool:
        """Wait until bytes have come, or the line has gone; False when none did in time."""
        ready, _, _ = select.select([self.serial], [], [], within_s)
        return bool(ready)


class Listener:
    """Hears what the device on an open line says: *said* is its newest reading, at *said_s*.

    *bytes* counts all that came, *blocks* those that were whole; times are monotonic. After
    ``start`` a thread of its own listens until ``close``.
    """

    def __init__(self, line: ListeningLine) -> None:
        self.line = line
        self.parser = Parser()
        self.joiner = Joiner(usual_blocks)
        self.said: Block = {}
        self.said_s = time.monotonic()
        self.bytes = 0
        self.blocks = 0
        self.stop = threading.Event()
        self.news = threading.Condition()
        self.fault: Exception | None = None
        self.thread = threading.Thread(target=self.listen, name=f"listen {line.port}", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def close(self) -> None:
        self.stop.set()
        if self.thread.is_alive():
            self.thread.join()
        self.line.close()

    def listen(self) -> None:
        """Hear what comes until *stop*; what goes wrong is for ``newest`` to raise."""
        try:
            while not self.stop.is_set():
                if self.line.has_more(STOP_WITHIN_S):
                    time.sleep(GATHER_S)
                    if self.hear():
                        self.tell()
        except Exception as error:  # noqa: BLE001  raised where the service looks after it
            self.fault = error
            self.tell()

    def tell(self) -> None:
        with self.news:
            self.news.notify_all()

    def hear(self) -> bool:
        """Take what has come; return whether that completed a reading. Raise LineAway."""
        data = self.line.receive(MOST_BYTES)
        now_s = time.monotonic()
        self.bytes += len(data)
        completed = False
        for block in self.parser.feed(data):
            self.blocks += bool(block)
            if said := self.joiner.add(block, now_s):
                self.said, self.said_s, completed = said, now_s, True
        return completed

    def newest(self) -> Block:
        """Return what was said last, not older than one block; else wait for the next.

        Raise ReadFault where none comes.
        """
        with self.news:
            in_time = self.news.wait_for(self.has_news, WAIT_S)
        if self.fault is not None:
            raise self.fault
        if not in_time:
            raise self.silence(time.monotonic() - self.said_s)
        return self.said

    def has_news(self) -> bool:
        is_fresh = bool(self.said) and time.monotonic() - self.said_s <= FRESH_S
        return is_fresh or self.fault is not None

    @property
    def speaks_hex_only(self) -> bool:
        return self.parser.hex > 0 and not self.blocks

    def silence(self, silent_s: float) -> ReadFault:
        """Say why there is nothing new."""
        port = self.line.port
        if silent_s > LOST_AFTER_S:
            return LineAway(f"{port}: no block for {silent_s:.0f} s; opening it again")
        if self.blocks and not self.said:
            return FrameDamaged(f"{port}: {self.blocks} blocks came, and none with a PID")
        if self.speaks_hex_only:
            return FrameDamaged(f"{port}: {HEX_ONLY}")
        if self.bytes and not self.blocks:
            return FrameDamaged(
                f"{port}: {self.bytes} bytes came with no whole block: is it a VE.Direct device?"
            )
        return DeviceSilent(
            f"{port}: no block for {silent_s:.1f} s: is the device on, and its plug in?"
        )


def search(
    ports: Iterable[str], away: dict[str, str] | None = None
) -> Generator[Listener, None, None]:
    """Listen at all *ports* together; yield each that says a reading, for the caller to close.

    It takes at most ``SEARCH_S``. Why a port could not be listened to goes into *away*, and
    ``HEX_ONLY`` where that is what its device speaks.
    """
    away = {} if away is None else away
    silent: dict[int, Listener] = {}
    for port in ports:
        line = ListeningLine(port, FRAMING)
        try:
            line.open()
            silent[line.serial.fileno()] = Listener(line)
        except LineAway as error:
            away[port] = str(error)
    try:
        yield from talking(silent, away)
        away.update({each.line.port: HEX_ONLY for each in silent.values() if each.speaks_hex_only})
    finally:
        for each in silent.values():
            each.close()


def talking(silent: dict[int, Listener], away: dict[str, str]) -> Iterator[Listener]:
    """Yield, and take out of *silent*, each listener by its descriptor that hears a reading."""
    began_s = time.monotonic()
    while silent:
        anything = any(each.bytes for each in silent.values())
        left_s = began_s + (SEARCH_S if anything else QUIET_S) - time.monotonic()
        if left_s <= 0:
            return
        ready, _, _ = select.select(list(silent), [], [], left_s)
        time.sleep(GATHER_S)
        for number in ready:
            listener = silent[number]
            try:
                completed = listener.hear()
            except LineAway as error:
                away[listener.line.port] = str(error)
                del silent[number]
                continue
            if completed:
                yield silent.pop(number)


def same_port(one: str, other: str) -> bool:
    """Are two names of lines names of one port?"""
    with suppress(OSError):
        return one == other or os.path.realpath(one) == os.path.realpath(other)
    return False
