"""One connection to a web server, and what comes over it: an answer, or a fault that says why."""

import http.client
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from collector.errors import DeviceSilent, FrameDamaged, LineAway, ReadFault
from collector.lines.deadline import deadline
from collector.lines.reason import why

CONNECT_S = 10.0
WAIT_S = 30.0  # for one piece to go or to come: 2 kB/s still pass
ANSWER_S = 60.0  # for a whole exchange, or the head of a large answer
MOST_BYTES = 4_000_000
SLOWEST = 1_000  # bytes a second, below which a large body is given up
PIECE = 1 << 16
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
Headers = Mapping[str, str] | http.client.HTTPMessage
BROKEN = (OSError, ValueError, http.client.HTTPException, ReadFault)


class Place(NamedTuple):
    """Where a server is: *authority* is host and port as they stand in its address."""

    is_safe: bool
    host: str
    port: int
    authority: str
    path: str


def place(url: str) -> Place:
    """Take an address apart. Raise ValueError where it is no place to ask."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(url)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
        if parts.scheme in {"http", "https"} and parts.hostname and is_plain and is_line(url, " "):
            is_safe = parts.scheme == "https"
            port = (443 if is_safe else 80) if parts.port is None else parts.port
            if port:
                return Place(is_safe, parts.hostname, port, parts.netloc, parts.path.rstrip("/"))
    raise ValueError(
        "expected an address such as http://HOST:PORT/PATH or https://HOST, with neither user and "
        "password nor a '?'"
    )


def is_line(text: str, without: str = "") -> bool:
    """Return whether *text* can stand in a request, as one line of plain characters."""
    return text.isascii() and text.isprintable() and not (without and without in text)


@dataclass(frozen=True)
class Limits:
    """How long a server may take, and how much it may answer.

    *wait_s* is for one piece, *answer_s* for a whole exchange or the head of a large answer.
    """

    connect_s: float = CONNECT_S
    wait_s: float = WAIT_S
    answer_s: float = ANSWER_S
    most_bytes: int = MOST_BYTES


class Response(http.client.HTTPResponse):
    """An answer whose chunks have plain sizes: Python also takes -5 and 0x1_0."""

    def _read_next_chunk_size(self) -> int:
        size = self.fp.readline(PIECE).partition(b";")[0].strip()
        if not CHUNK_SIZE.fullmatch(size):
            raise ValueError("a chunk without a size")
        return int(size, 16)


class Connection(http.client.HTTPConnection):
    """A connection that is made by hand, so that every part of it has an end."""

    response_class = Response
    auto_open = 0

    def __init__(self, where: Place, limits: Limits, ca: Path | None = None) -> None:
        super().__init__(where.authority)
        self.ca = ca
        self.where = where
        self.limits = limits
        self.own: socket.socket | None = None  # the same socket: ssl takes the one it wraps

    def reach(self) -> None:
        """Make the TCP connection, where that is not yet done. Raise OSError, UnicodeError."""
        if self.sock is None:
            address = self.where.host, self.where.port
            self.sock = socket.create_connection(address, self.limits.connect_s)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.own = self.sock.dup()

    def secure(self) -> None:
        """Agree on TLS, where that is wanted and not yet done. Raise OSError."""
        if self.where.is_safe and not isinstance(self.sock, ssl.SSLSocket):
            context = ssl.create_default_context(cafile=self.ca)
            self.sock = context.wrap_socket(self.sock, server_hostname=self.where.host)
        self.sock.settimeout(self.limits.wait_s)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut it off after *seconds*, and raise TimeoutError."""
        assert self.own is not None
        with deadline(self.own, seconds, BROKEN):
            yield

    @property
    def has_ended(self) -> bool:
        """Whether the far side has closed it: nothing else comes while nothing is asked."""
        if self.sock is None:
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def hang_up(self) -> None:
        self.close()
        if self.own is not None:
            self.own.close()
            self.own = None


class Answer:
    """What a server answers; *body* is there when it was read whole, else ``pieces`` yields it.

    *keep* takes back the connection to the server *name* when everything has come.
    """

    def __init__(
        self, name: str, connection: Connection, keep: Callable[[Connection], None]
    ) -> None:
        self.response = connection.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        self.body = b""
        self.name, self.connection, self.keep = name, connection, keep
        self.is_whole = self.is_closed = False

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def at(self) -> datetime | None:
        """The server's own time, where it tells it."""
        return server_time(self.headers)

    @property
    def retry_after_s(self) -> float | None:
        """How long the server wants to be left alone; None where it does not say."""
        return retry_after_s(self.headers)

    def pieces(self, within_s: float | None = None) -> Iterator[bytes]:
        """Yield the body as it comes, all of it *within_s*, or else as long as it isn't too slow.

        Raise DeviceSilent, FrameDamaged, LineAway where it is cut or late.
        """
        waited, got = 0.0, 0
        end = self.connection.within(within_s) if within_s else nullcontext()
        try:
            with faults(self.name), end:
                while not self.is_whole:
                    began = time.monotonic()
                    piece = self.response.read1(PIECE)
                    waited += time.monotonic() - began
                    got += len(piece)
                    if waited > self.connection.limits.answer_s + got / SLOWEST:
                        raise TimeoutError(f"only {got} bytes came in {waited:.0f} s")
                    if not piece and self.response.length:
                        raise ValueError(f"it is cut after {got} bytes")
                    self.is_whole = not piece
                    if piece:
                        yield piece
        finally:
            self.close()

    def read(self) -> None:
        """Read the body. Raise as ``pieces`` does, and FrameDamaged where it is too long."""
        most, body = self.connection.limits.most_bytes, bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > most:
                self.close()
                raise FrameDamaged(f"{self.name} sent an answer longer than {most:,} bytes")
        self.body = bytes(body)

    def close(self) -> None:
        """Be done with it: keep the connection where everything has come, or else hang up."""
        if self.is_closed:
            return
        self.is_closed = True
        self.response.close()
        if self.is_whole and self.connection.sock is not None:
            self.keep(self.connection)
        else:
            self.connection.hang_up()


def server_time(headers: Headers) -> datetime | None:
    return date_in(headers.get("Date", ""))


def retry_after_s(headers: Headers) -> float | None:
    """Return how long a server wants to be left alone: seconds, or a date after its own date."""
    wish = headers.get("Retry-After", "")
    if wish.isascii() and wish.isdecimal():
        return float(wish[:10])
    until, now = date_in(wish), server_time(headers)
    return max((until - now).total_seconds(), 0.0) if until and now else None


def date_in(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else None


@contextmanager
def faults(name: str) -> Iterator[None]:
    """Turn what goes wrong with the server *name* into errors of ours."""
    try:
        yield
    except TimeoutError as error:
        raise DeviceSilent(f"{name} did not answer in time: {why(error)}") from error
    except ssl.SSLError as error:  # some of these are ValueErrors too
        raise LineAway(f"{name} cannot be trusted: {why(error)}") from error
    except http.client.RemoteDisconnected as error:
        raise LineAway(f"{name} went away: it hung up without an answer") from error
    except (http.client.HTTPException, ValueError) as error:
        raise FrameDamaged(f"{name} sent an incomplete answer: {why(error)}") from error
    except OSError as error:
        raise LineAway(f"{name} went away: {why(error)}") from error
