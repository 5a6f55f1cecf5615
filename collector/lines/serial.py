"""A line: the serial port or socket over which devices are asked. It knows bytes and time-outs.

A line may be named by a device file, best by one in /dev/serial/by-id, which keeps its name, or
be a serial server on the network. It comes back after it was unplugged: ``open`` it again.
"""

import errno
import logging
import os
import select
import socket
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from collector.errors import LineAway
from collector.lines import adapter
from collector.lines.reason import why
from collector.options import option

log = logging.getLogger(__name__)

NETWORK_SCHEMES = ("socket", "rfc2217")
ACCEPTED = "/dev/serial/by-id/…, /dev/…, socket://HOST:PORT or rfc2217://HOST:PORT"
PARITY_LETTERS = {"none": "N", "even": "E", "odd": "O"}

# fmt: off
Baudrate = Literal[
    300, 600, 1200, 1800, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 76800, 115200,
    230400, 460800, 500000, 576000, 921600, 1000000,
]
# fmt: on

TICK_S = 0.01  # how long a read waits for more: the exactness of every time-out above it
TICK_MS = 1000 * TICK_S
PIECE_BYTES = 4096  # as many as the kernel keeps for a port
WRITE_TIMEOUT_S = 2  # a request leaves any port at once, unless its driver hangs
DEAD_PEER_MS = 10_000  # a serial server that acknowledges nothing for so long is gone


@dataclass(frozen=True, kw_only=True)
class SerialOptions:
    """How characters are sent; what is not given is as the device leaves its factory."""

    baudrate: Baudrate | None = option(
        "bits per second, as set in the device", example=9600, default=None
    )
    parity: Literal["none", "even", "odd"] | None = option(
        "parity, as set in the device", example="even", default=None
    )
    stopbits: Literal[1, 2] | None = option(
        "stop bits, as set in the device", example=1, default=None
    )


@dataclass(frozen=True)
class Framing:
    """How characters are sent on a line; they always have 8 data bits."""

    baudrate: int = 9600
    parity: str = "none"
    stopbits: int = 1

    def __str__(self) -> str:
        return f"{self.baudrate} 8{PARITY_LETTERS[self.parity]}{self.stopbits}"

    @cached_property
    def character_s(self) -> float:
        return (1 + 8 + (self.parity != "none") + self.stopbits) / self.baudrate

    @cached_property
    def silence_s(self) -> float:
        """The pause between two frames (Modbus over Serial Line V1.02, 2.5.1.1).

        Characters have 11 bits there, and devices count so where they have fewer.
        """
        character_s = max(self.character_s, 11 / self.baudrate)
        return 0.00175 if self.baudrate > 19200 else 3.5 * character_s  # noqa: PLR2004  there


class LineConflict(ValueError):
    """A line that cannot be had as asked for; the message says why and what is accepted."""


class SerialLine:
    """One line. Like a serial port it is used by one thread at a time."""

    def __init__(self, url: str, framing: Framing) -> None:
        self.port = url
        self.framing = framing
        self.baudrate = framing.baudrate
        self.serial: Any = None
        self.file: int | None = None  # of a port of this machine
        self.poll: Callable[[float], object] = select.poll().poll

    @property
    def is_remote(self) -> bool:
        return not self.port.startswith("/")

    @property
    def is_open(self) -> bool:
        return self.serial is not None

    def open(self) -> None:
        """Open the port, for us alone. Raise LineAway."""
        if self.serial is not None:
            return
        import serial  # noqa: PLC0415  a house without serial devices does without

        try:
            self.serial = serial.serial_for_url(
                self.port,
                baudrate=self.framing.baudrate,
                parity=PARITY_LETTERS[self.framing.parity],
                stopbits=self.framing.stopbits,
                timeout=TICK_S,
                write_timeout=None if self.port.startswith("rfc2217:") else WRITE_TIMEOUT_S,
                exclusive=True,
            )
        except (OSError, termios.error) as error:
            raise LineAway(why_away(self.port, self.framing, error)) from error
        adapter.quicken(self.port, self.serial)
        if not self.is_remote:
            self.file, ready = self.serial.fileno(), select.poll()
            ready.register(self.file, select.POLLIN)
            self.poll = ready.poll
        if connection := getattr(self.serial, "_socket", None):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)

    def close(self) -> None:
        if self.serial is None:
            return
        port, self.serial, self.file = self.serial, None, None
        connection = getattr(port, "_socket", None)
        try:
            port.close()
        except OSError as error:  # it was unplugged; nothing is left to close
            log.debug("%s: %s", self.port, error)
        if connection is not None:  # pyserial leaves it open where the far side has gone
            connection.close()

    def send(self, data: bytes) -> None:
        """Hand *data* to the port. Raise LineAway."""
        try:
            sent = 0
            if self.file is not None:
                with suppress(BlockingIOError):  # pyserial waits for room
                    sent = os.write(self.file, data)
            if sent < len(data):
                self.serial.write(data[sent:])
        except OSError as error:
            raise self.went_away(error) from error

    def receive(self, size: int) -> bytes:
        """Return *size* bytes, or those that come within a tick. Raise LineAway."""
        try:
            return bytes(self.serial.read(size))
        except OSError as error:
            raise self.went_away(error) from error

    def receive_some(self, size: int) -> bytes:
        """Return all that is there, or what comes first within a tick. Raise LineAway.

        From the network that is *size* bytes, for it does not say how many there are.
        """
        if self.file is None:
            return self.receive(max(size, self.waiting()))
        try:
            if not self.poll(TICK_MS):
                return b""
            data = os.read(self.file, PIECE_BYTES)
        except OSError as error:
            raise self.went_away(error) from error
        if not data:
            raise self.went_away(OSError("it is ready to be read, and nothing comes"))
        return data

    def comes_within(self, seconds: float) -> bool:
        """Return as soon as something is there to be received, or after *seconds*; for a port."""
        assert self.file is not None
        return bool(select.select((self.file,), (), (), seconds)[0])  # exact to the microsecond

    def waiting(self) -> int:
        """Return how many bytes can be had at once, or at least whether any. Raise LineAway."""
        try:
            return int(self.serial.in_waiting)
        except OSError as error:
            raise self.went_away(error) from error

    def went_away(self, error: Exception) -> LineAway:
        self.close()
        return LineAway(f"{self.port} went away: {why(error)}")


Line = TypeVar("Line", bound=SerialLine)
AnyLine = TypeVar("AnyLine")


class Lines:
    """Hands out lines: sources that name the same one share it."""

    def __init__(self) -> None:
        self.lines: dict[str, object] = {}

    def get(self, url: str, framing: Framing, kind: type[Line]) -> Line:
        """Return the line *url*, not yet opened. Raise LineConflict."""
        if not url.startswith("/") and not is_network_url(url):
            msg = f"{url!r} is not a line; accepted: {ACCEPTED}"
            raise LineConflict(msg)
        line = self.share(url, kind(url, framing))
        if line.framing != framing:
            msg = (
                f"{url} is already used with {line.framing}: {framing} would be a different setting"
            )
            raise LineConflict(msg)
        return line

    def share(self, url: str, line: AnyLine) -> AnyLine:
        """Return the line that *url* already names, or else *line*. Raise LineConflict."""
        known = self.lines.setdefault(url, line)
        if not isinstance(known, type(line)):
            msg = f"{url} is already used by a source of another type"
            raise LineConflict(msg)
        return known


def is_network_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in NETWORK_SCHEMES and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # a port that is no number
        return False


def why_away(url: str, framing: Framing, error: Exception) -> str:
    """Say why a line cannot be opened, and what to do about it."""
    match error.args[0] if error.args else None:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"{url} is not there: is it plugged in? 'energy-monitor scan' lists the ports"
        case errno.EACCES | errno.EPERM:
            return f"{url} cannot be opened by this user: add the user to the group 'dialout'"
        case errno.EBUSY | errno.EAGAIN:
            return (
                f"{url} is in use by another program or under another name: 'fuser -v {url}' "
                "shows which"
            )
        case errno.EINVAL:
            return f"{url} cannot do {framing}"
    cause = error.__context__ if is_network_url(url) else None  # pyserial puts it into a sentence
    return f"{url} cannot be opened: {why(cause or error)}"
