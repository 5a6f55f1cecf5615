"""Asking a web server: one client for sources, outputs, doctor and backups.

Connections are kept. A small exchange has one end to all its waiting; a large one goes and comes
in pieces, none of which may take too long. A certificate is verified, a redirection is not
followed. No message holds what was sent: a target or a header may be a secret.

It stands on Python's own http.client: with urllib3 the collector takes 1.6 MB more, and its pool
writes each address into its debug log.
"""

import gzip
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from collector.errors import LineAway
from collector.lines.http_answer import Answer, Connection, Limits, faults, is_line, place
from collector.lines.reason import why

GZIP_FROM_BYTES = 1_000  # less fits one packet anyway
GZIP_LEVEL = 6


class Server:
    """The server at *url*, called *name* in messages; several threads may ask it.

    *ca* is a file of certificates that are trusted, in place of the system's. Raise ValueError
    where *url* is no place to ask.
    """

    def __init__(
        self, url: str, name: str = "", limits: Limits | None = None, ca: Path | None = None
    ) -> None:
        self.where = place(url)
        self.ca = ca
        self.name = name or self.where.host
        self.limits = limits or Limits()
        self.idle: list[Connection] = []
        weakref.finalize(self, hang_up, self.idle)

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        pack: bool = False,
    ) -> Answer:
        """Send a request and read its whole answer, *pack* with a large body by gzip.

        Raise LineAway, DeviceSilent, FrameDamaged.
        """
        headers = dict(headers or {})
        if pack and len(body) > GZIP_FROM_BYTES:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        with (
            self.connected() as connection,
            faults(self.name),
            connection.within(self.limits.answer_s),
        ):
            connection.secure()
            self.send(connection, method, target, headers, body)
            answer = Answer(self.name, connection, self.idle.append)
            answer.read()
        return answer

    def begin(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] = (),
    ) -> Answer:
        """Send a request of any length; return the head of its answer. Raise as ``ask`` does."""
        with self.connected() as connection, faults(self.name):
            with connection.within(self.limits.answer_s):
                connection.secure()
            self.send(connection, method, target, headers or {}, body)
            with connection.within(self.limits.answer_s):
                return Answer(self.name, connection, self.idle.append)

    def send(
        self,
        connection: Connection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes],
    ) -> None:
        path = self.where.path + target or "/"
        if not (is_line(path, " ") and all(map(is_line, headers.values()))):
            raise LineAway(f"{self.name} was not asked: a header or address is not one plain line")
        headers = {"User-Agent": "energy-monitor", **headers}
        # A server may answer, 413 for instance, and hang up before it has heard everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, path, body or None, headers)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Lend a connection, a kept one where there is one; hang up where the block fails."""
        connection = self.kept() or Connection(self.where, self.limits, self.ca)
        try:
            try:
                connection.reach()
            except (OSError, UnicodeError) as error:  # the latter of a name that no host can have
                raise LineAway(f"{self.name} cannot be reached: {why(error)}") from error
            yield connection
        except BaseException:
            connection.hang_up()
            raise

    def kept(self) -> Connection | None:
        """Take a kept connection, unless the server has closed them all."""
        with suppress(IndexError):
            while True:
                connection = self.idle.pop()
                if not connection.has_ended:
                    return connection
                connection.hang_up()
        return None

    def has_hung_up(self) -> bool:
        """Return whether the server has closed the connection that was kept; for one thread.

        A server that has restarted may have lost what it had taken.
        """
        was_kept = bool(self.idle)
        connection = self.kept()
        if connection is not None:
            self.idle.append(connection)
        return was_kept and connection is None

    def close(self) -> None:
        """Hang up; a later request connects anew."""
        hang_up(self.idle)
        self.idle.clear()


def check(url: str) -> str:
    """Return *url* without a '/' at its end. Raise ValueError where it is no place to ask."""
    place(url)
    return url.rstrip("/")


def get(
    url: str,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    name: str = "",
) -> Answer:
    """Ask for *url*, which may have a '?', over a connection of its own. Raise as ``ask`` does."""
    parts = urlsplit(url)
    server = Server(f"{parts.scheme}://{parts.netloc}", name, limits)
    try:
        query = f"?{parts.query}" if parts.query else ""
        return server.ask("GET", f"{parts.path or '/'}{query}", headers)
    finally:
        server.close()


def hang_up(connections: Iterable[Connection]) -> None:
    for each in connections:
        each.hang_up()
