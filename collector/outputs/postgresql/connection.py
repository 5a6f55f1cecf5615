"""A connection to PostgreSQL on which every wait has an end, and every answer a size.

psycopg waits as long as the server likes, and libpq reads on, within one call, for as long as there
is more. So somebody beside it looks at the clock and at what has come, and cuts the
connection off. psycopg takes 25 MB, and is imported only with this module.
"""

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

MOST_BYTES = 4_000_000  # the columns of a hundred kinds of devices are 500 kB
LOOK_EVERY_S = 0.02
REQUIRE_AUTH_FROM = 160_000  # libpq 16
WAITS: dict[int, int] = {
    pq.PollingStatus.READING: select.POLLIN,
    pq.PollingStatus.WRITING: select.POLLOUT,
}
# struct tcp_info of Linux: tcpi_bytes_received, since 4.1.
TCP_INFO_BYTES, BYTES_RECEIVED_AT = 136, 128

Row = tuple[Any, ...]


class Late(Exception):
    """The server did not answer in time, or without end: the connection is of no use any more."""


class Watch:
    """The end of one exchange on a socket: a time, and a number of bytes. *late* says which."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.sock = sock
        self.seconds = seconds
        self.until_s = time.monotonic() + seconds
        self.before = bytes_received(sock)
        self.late = ""

    def is_over(self) -> bool:
        if time.monotonic() > self.until_s:
            self.late = f"no complete answer within {self.seconds:.0f} s"
        elif bytes_received(self.sock) - self.before > MOST_BYTES:
            self.late = f"it sends more than {MOST_BYTES / 1e6:.0f} MB as one answer"
        return bool(self.late)

    def keep(self, done: threading.Event) -> None:
        """Cut the connection off where the exchange goes too far before it is *done*."""
        while not done.wait(LOOK_EVERY_S):
            if self.is_over():
                with suppress(OSError):
                    self.sock.shutdown(socket.SHUT_RDWR)
                return


class Connection:
    """A session of PostgreSQL; each statement is its own transaction until one is begun."""

    def __init__(self, line: pq.abc.PGconn) -> None:
        self.session: psycopg.Connection[Row] = psycopg.Connection(line)
        self.session.autocommit = True
        self.sock = socket.socket(fileno=socket.dup(line.socket))
        self.version = line.server_version

    def close(self) -> None:
        self.session.close()
        self.sock.close()

    @property
    def is_closed(self) -> bool:
        return self.session.closed

    def has_hung_up(self) -> bool:
        """Return whether the server has closed an idle connection, or said why it is about to."""
        asked = select.poll()
        asked.register(self.sock, select.POLLIN)
        return self.is_closed or bool(asked.poll(0))

    def ask(self, statement: str, values: Sequence[object], within_s: float) -> Sequence[Row]:
        """Run a statement and return its rows. Raise psycopg.Error or Late."""
        with watched(self.sock, within_s), self.session.cursor() as cursor:
            cursor.execute(statement.encode(), values or None, prepare=False)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def watched(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Let the block fail with Late where its exchange goes too far."""
    watch, done = Watch(sock, seconds), threading.Event()
    thread = threading.Thread(target=watch.keep, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    except psycopg.Error:
        if not watch.late:
            raise
    finally:
        done.set()
        thread.join()
    if watch.late:
        raise Late(watch.late)


def connect(settings: Mapping[str, str], seconds: float) -> Connection:
    """Connect and log in. Raise psycopg.OperationalError or Late."""
    line = pq.PGconn.connect_start(make_conninfo("", **settings).encode())
    try:
        log_in(line, time.monotonic() + seconds)
    except BaseException:
        line.finish()
        raise
    line.nonblocking = 1
    return Connection(line)


def log_in(line: pq.abc.PGconn, until_s: float) -> None:
    began_s = time.monotonic()
    while line.status != pq.ConnStatus.BAD:
        status = line.connect_poll()
        if status == pq.PollingStatus.OK:
            return
        if status not in WAITS:
            break
        asked = select.poll()
        asked.register(line.socket, WAITS[status])
        asked.poll(max(until_s - time.monotonic(), 0) * 1000)
        if time.monotonic() > until_s:
            raise Late(f"no connection within {until_s - began_s:.0f} s")
        with socket.socket(fileno=socket.dup(line.socket)) as sock:
            if bytes_received(sock) > MOST_BYTES:
                raise Late(f"it sends more than {MOST_BYTES / 1e6:.0f} MB to let us in")
    raise psycopg.OperationalError(line.get_error_message())


def bytes_received(sock: socket.socket) -> int:
    """Return how many bytes have come on a connection of TCP."""
    with suppress(OSError):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        if len(info) == TCP_INFO_BYTES:
            return int(struct.unpack_from("=Q", info, BYTES_RECEIVED_AT)[0])
    return 0


def asks_how_to_log_in() -> bool:
    """Return whether libpq can be told which ways of logging in it may take part in."""
    return pq.version() >= REQUIRE_AUTH_FROM
