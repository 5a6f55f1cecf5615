"""Who is served: by the name that was asked for, by the password, and not after too many tries."""

import base64
import socket
import threading
import time
from collections.abc import Callable, Collection
from ipaddress import ip_address

WINDOW_S = 60.0
MOST_TRIES = 5  # of one address in a window
MOST_TRIES_OF_ALL = 30  # a network of 250 computers shall not try 1,250 passwords a minute
MOST_ADDRESSES = 1000  # that are remembered


def host_of(header: str) -> str:
    """Return the name in a Host header, without its port: ``[::1]:9992`` is ``::1``."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].rstrip(".").lower()


def is_ours(header: str, names: Collection[str]) -> bool:
    """Return whether we answer to a Host header: an IP address, or a name of this computer.

    A page on the Internet can let its own name lead to this computer (DNS rebinding) and would
    then read what is here. Nobody can make such a name end in ``.local``, or be an IP address.
    """
    host = host_of(header)
    known = {"localhost", socket.gethostname().lower(), *(each.lower() for each in names)}
    if host in known or host.endswith((".local", ".localhost")):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def password_in(header: str) -> str | None:
    """Return the password in a header ``Authorization: Basic …``, of any user name."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except ValueError:  # it is no base64, not in ASCII, or not UTF-8
        return None
    return decoded.partition(":")[2]


def is_same(given: str, wanted: str) -> bool:
    """Compare two passwords in a time that tells nothing, of their lengths either."""
    import hashlib  # noqa: PLC0415  OpenSSL: 4 MB for those who have a password alone
    import hmac  # noqa: PLC0415

    digests = (hashlib.sha256(each.encode()).digest() for each in (given, wanted))
    return hmac.compare_digest(*digests)


class Tries:
    """Counts wrong passwords by address. After too many, an address waits.

    Those that all addresses make together hold up only one that has never been right.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self.lock = threading.Lock()
        self.wrong: list[tuple[float, str]] = []
        self.right: dict[str, None] = {}

    def wait_s(self, address: str) -> float:
        """Return for how long an address must wait; 0 where it may try."""
        with self.lock:
            now = self.monotonic()
            self.wrong = [each for each in self.wrong if each[0] > now - WINDOW_S]
            own = [at for at, who in self.wrong if who == address]
            if len(own) >= MOST_TRIES:
                return own[-MOST_TRIES] + WINDOW_S - now
            if len(self.wrong) >= MOST_TRIES_OF_ALL and address not in self.right:
                return self.wrong[-MOST_TRIES_OF_ALL][0] + WINDOW_S - now
            return 0.0

    def was_wrong(self, address: str) -> None:
        with self.lock:
            self.wrong.append((self.monotonic(), address))
            del self.wrong[:-MOST_ADDRESSES]

    def was_right(self, address: str) -> None:
        with self.lock:
            self.right.pop(address, None)
            self.right[address] = None
            while len(self.right) > MOST_ADDRESSES:
                del self.right[next(iter(self.right))]
