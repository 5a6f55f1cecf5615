"""What a driver gives: one real server at the far side of an output."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from collector.reading import Reading

TOKEN = "!secret token"
METER = "electricity"  # the kind of device that the suite reads


def voltage(device: str, at_ms: int, value: float) -> Reading:
    return Reading(METER, device, at_ms, {"voltage": value})


def ready(_: str) -> None:
    """Do nothing: most servers take any device."""


@dataclass(frozen=True)
class Far:
    """A real server at *url*.

    *at* makes the options that lead to an address, *options* are the others, *secrets* the files
    that they name. *port* is where clients of this server must find it, 0 where any will do.
    *stored* gives the voltages of a device by time. *hurried* shortens the output's patience for a
    while.
    *full* and *endless* are answers of a server that is full, and of one that never ends.
    *refuses* makes a reading that the server refuses for ever, *credential* is the secret that
    lets us in; None where this server has no such thing. *keeps* is how many readings of a device
    it keeps at most, *request_bytes* how many bytes a connection takes of many readings at least.
    *prepare* gets the server ready for a device, *reading* makes what is stored as a voltage.
    """

    url: str
    options: dict[str, Any]
    secrets: dict[str, str]
    stored: Callable[[str], dict[int, float]]
    hurried: Callable[[Any], AbstractContextManager[None]]
    full: bytes
    endless: bytes
    refuses: Callable[[str, int], Reading] | None = None
    credential: str | None = None
    keeps: int = 1_000_000
    request_bytes: int = 10_000
    prepare: Callable[[str], None] = ready
    at: Callable[[str], dict[str, Any]] = lambda url: {"url": url}
    port: int = 0
    reading: Callable[[str, int, float], Reading] = voltage


def http_answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@contextmanager
def hurried_http(output: Any) -> Iterator[None]:
    patient = output.server.limits
    output.server.limits = replace(patient, answer_s=0.5)
    yield
    output.server.limits = patient


FULL = http_answer(500, b'{"code":"internal error","message":"no space left on device"}')
ENDLESS = http_answer(500, b"x" * 3_000_000)
