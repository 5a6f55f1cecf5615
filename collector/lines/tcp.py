"""A TCP connection as a line: every wait has an end, and what is asked for is read exactly."""

import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

from collector.errors import DeviceSilent, LineAway
from collector.lines.reason import why

CONNECT_S = 5.0
SEND_S = 5.0


def place(url: str) -> tuple[str, int]:
    """Return host and port of ``tcp://HOST:PORT``. Raise ValueError where it is none."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(url)
        if url == f"tcp://{parts.netloc}" and "@" not in url and parts.hostname and parts.port:
            return parts.hostname, parts.port
    raise ValueError(f"{url!r} is not a line; write tcp://HOST:PORT")


class TcpLine:
    """One connection, used by one thread at a time. Raise ValueError for a wrong *url*."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.place = place(url)
        self.connection: socket.socket | None = None

    def open(self) -> None:
        """Connect, where that is not yet done. Raise LineAway."""
        if self.connection is not None:
            return
        try:
            self.connection = socket.create_connection(self.place, CONNECT_S)
        except (OSError, UnicodeError) as error:  # the latter of a name that no host can have
            raise LineAway(f"{self.url} cannot be reached: {why(error)}") from error
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send all of *data*. Raise LineAway."""
        connection = self.opened()
        try:
            connection.settimeout(SEND_S)
            connection.sendall(data)
        except OSError as error:
            raise self.went_away(why(error)) from error

    def receive(self, size: int, until_s: float) -> bytes:
        """Return exactly *size* bytes, all come before *until_s* on the monotonic clock.

        Raise DeviceSilent where they do not come in time, LineAway where the far side hangs up.
        """
        data = bytearray()
        while len(data) < size:
            piece = self.receive_some(size - len(data), until_s)
            if not piece:
                raise DeviceSilent(f"{self.url}: {len(data)} of {size} bytes came in time")
            data += piece
        return bytes(data)

    def receive_some(self, most: int, until_s: float) -> bytes:
        """Return what has come, at most *most* bytes; nothing where none comes before *until_s*.

        Raise LineAway where the far side hangs up.
        """
        connection = self.opened()
        try:
            connection.settimeout(max(until_s - time.monotonic(), 0.0))
            piece = connection.recv(most)
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise self.went_away(why(error)) from error
        if not piece:
            raise self.went_away("it hung up")
        return piece

    def close(self) -> None:
        """Hang up, where that is not yet done."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def opened(self) -> socket.socket:
        if self.connection is None:
            raise LineAway(f"{self.url} is not open")
        return self.connection

    def went_away(self, reason: str) -> LineAway:
        self.close()
        return LineAway(f"{self.url} went away: {reason}")
