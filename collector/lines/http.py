"""Asking a web server: an address in, the whole answer out, and one end to all waiting.

The certificate of an https server is verified. A redirection is not followed.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from collector.errors import DeviceSilent, FrameDamaged, LineAway
from collector.lines.deadline import deadline

CONNECT_S = 10.0
ANSWER_S = 60.0  # from the first byte of the request to the last of the answer
MOST_BYTES = 4_000_000
BROKEN = (OSError, ValueError, http.client.HTTPException)


@dataclass(frozen=True)
class Page:
    """What a server answered; *headers* by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def at(self) -> datetime | None:
        """The server's own time, where it tells it."""
        return date_in(self.headers.get("date", ""))

    @property
    def retry_after_s(self) -> float | None:
        """How long the server wants to be left alone: seconds, or a date after its own date."""
        wish = self.headers.get("retry-after", "")
        if wish.isdecimal():
            return float(wish[:10])
        until, now = date_in(wish), self.at
        return max((until - now).total_seconds(), 0.0) if until and now else None


def date_in(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else None


def check(url: str) -> str:
    """Return *url* without a '/' at its end. Raise ValueError where it is no place to ask."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(url)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and is_plain:
            return url.rstrip("/")
    raise ValueError(f"{url!r} is no address such as https://HOST or http://HOST:PORT/PATH")


def get(url: str, answer_s: float = ANSWER_S) -> Page:
    """Ask for *url*, and read the answer within *answer_s*.

    Raise LineAway where the server cannot be reached or is not who it should be, DeviceSilent
    where the answer does not come in time, FrameDamaged where it is none, or cut, or too long.
    """
    parts = urlsplit(url)
    host, is_safe = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_safe else 80)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        raw = socket.create_connection((host, port), CONNECT_S)
    except (OSError, UnicodeError) as error:  # the latter of a name that no host can have
        raise LineAway(f"{host} cannot be reached: {error}") from error
    try:
        with raw, raw.dup() as own, deadline(own, answer_s, BROKEN):  # ssl takes what it wraps
            context = ssl.create_default_context() if is_safe else None
            sock = context.wrap_socket(raw, server_hostname=host) if context else raw
            return exchange(sock, parts.netloc, target)
    except TimeoutError as error:
        raise DeviceSilent(f"{host}: {error}") from error
    except ssl.SSLError as error:  # some of these are ValueErrors too
        raise LineAway(f"{host} cannot be trusted: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        what = str(error) or type(error).__name__
        raise FrameDamaged(f"{host} gives no whole answer: {what[:200]}") from error
    except OSError as error:
        raise LineAway(f"{host} went away: {error}") from error


def exchange(sock: socket.socket, host: str, target: str) -> Page:
    connection = http.client.HTTPConnection(host)
    connection.sock = sock
    try:
        connection.request("GET", target, headers={"User-Agent": "energy-monitor"})
        response = connection.getresponse()
        body = response.read(MOST_BYTES + 1)
        headers = {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()
    if len(body) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES:,} bytes")
    if headers.get("content-length", "") not in {"", str(len(body))}:
        raise ValueError(f"it is cut after {len(body)} bytes")
    return Page(response.status, body, headers)
