"""HTTP to a far server over connections that are kept, with a limit on every wait.

urllib3's own pool would write each address into its debug log, and ours can hold a credential.
"""

import http.client
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util import parse_url

from collector.lines.deadline import deadline

CHUNK = 1 << 16
CONNECT_S = 20.0
WAIT_S = 30.0  # for one chunk to go or to come: 2 kB/s still pass
ANSWER_S = 90.0  # for a whole head, or a small body; a line that only drips never ends by WAIT_S
SLOWEST = 1_000  # bytes a second, below which a body is given up
SMALL_BYTES = 8 << 20  # a page of a list has 2 MB
PAUSES_S = (1, 2, 4, 8, 16)  # a router dials in again within half a minute
LONGEST_RETRY_AFTER_S = 120  # who wants to be left alone for longer is asked by the next run

TRANSIENT = {408, 429, 500, 502, 503, 504}
BROKEN = (OSError, HTTPError, http.client.HTTPException)


class NoAnswer(Exception):
    """No whole answer came, or only ones that ask to try again later."""


class Answer:
    """What a server answers; *body* is there when it was read whole, else ``pieces`` yields it."""

    def __init__(
        self, response: HTTPResponse, connection: HTTPConnection, idle: list[HTTPConnection]
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.body = b""
        self.whole = False
        self.response, self.connection, self.idle = response, connection, idle

    @property
    def code(self) -> str:
        """The name that Azure gives to an error, '' for none."""
        return self.headers.get("x-ms-error-code", "")

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raise NoAnswer where it is cut or comes too slowly."""
        waited, got = 0.0, 0
        try:
            while not self.whole:
                began = time.monotonic()
                piece = self.response.read1(CHUNK, decode_content=False)
                waited += time.monotonic() - began
                got += len(piece)
                if waited > ANSWER_S + got / SLOWEST:
                    raise NoAnswer(f"too slow: {got} bytes in {waited:.0f} s")
                self.whole = not piece
                yield piece
        except BROKEN as error:
            raise NoAnswer(why(error)) from None
        finally:
            if self.whole:
                self.idle.append(self.connection)
            self.close()

    def close(self) -> None:
        """Hang up where the body was not read whole; else the connection may be in use again."""
        if not self.whole:
            self.connection.close()

    def read(self) -> None:
        """Read the body. Raise NoAnswer where it is cut, or isn't small."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > SMALL_BYTES:
                raise NoAnswer(f"the answer is longer than {SMALL_BYTES:,} bytes")
        self.body = bytes(body)


class Server:
    """The server at *url*; several threads may ask it.

    *wait_s* is how long it may think before it answers, or goes on with an answer.
    """

    def __init__(self, url: str, wait_s: float = WAIT_S) -> None:
        parts = parse_url(url)
        self.kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.host, self.port = parts.host or "", parts.port
        self.path = (parts.path or "").rstrip("/")
        self.wait_s = wait_s
        self.idle: list[HTTPConnection] = []
        weakref.finalize(self, hang_up, self.idle)

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes] = ()
    ) -> Answer:
        """Send one request. Raise NoAnswer."""
        connection = self.connection()
        try:
            if not connection.is_connected:
                connection.close()
                connection.timeout = CONNECT_S
                connection.connect()
                connection.timeout = self.wait_s
            # A server may answer and hang up before it has heard everything.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method, self.path + target, body or None, headers, preload_content=False
                )
            with deadline(connection.sock, ANSWER_S - WAIT_S + self.wait_s, BROKEN):
                response = connection.getresponse()
        except BROKEN as error:
            connection.close()
            raise NoAnswer(why(error)) from None
        except BaseException:
            connection.close()
            raise
        return Answer(response, connection, self.idle)

    def connection(self) -> HTTPConnection:
        try:
            return self.idle.pop()
        except IndexError:
            return self.kind(self.host, self.port)

    def insist(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Callable[[], Iterable[bytes]] = tuple,
        *,
        whole: bool = True,
    ) -> Answer:
        """Ask until an answer comes that asking again wouldn't change. Raise NoAnswer.

        It is read *whole*, or its pieces are left to be taken where all went well. The far side
        may have done what was asked although its answer was lost.
        """
        for pause_s in (*PAUSES_S, None):
            try:
                answer = self.ask(method, target, headers, body())
                if whole or answer.status >= HTTPStatus.BAD_REQUEST:
                    answer.read()
            except NoAnswer as error:
                said, wish_s = str(error), 0.0
            else:
                if answer.status not in TRANSIENT:
                    return answer
                said, wish_s = f"it answered {answer}", retry_after_s(answer.headers)
            if pause_s is None or wish_s > LONGEST_RETRY_AFTER_S:
                break
            time.sleep(max(pause_s, wish_s))
        raise NoAnswer(said)


def hang_up(connections: list[HTTPConnection]) -> None:
    for each in connections:
        each.close()


def why(error: BaseException) -> str:
    """Return what went wrong in a few words, without addresses and the objects of urllib3."""
    cause = (isinstance(error, HTTPError) and error.__cause__) or error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long the server wants to be left alone: seconds, or a date after its own date."""
    wish = headers.get("Retry-After", "")
    if wish.isdecimal():
        return float(wish)
    try:
        after = parsedate_to_datetime(wish) - parsedate_to_datetime(headers["Date"])
    except (ValueError, KeyError, TypeError):
        return 0.0
    return max(after.total_seconds(), 0.0)
