"""Asking a server: an address in, status and text out, with an end to the patience."""

from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from collector.errors import EnergyMonitorError

CONNECT_S = 5.0
READ_S = 10.0  # a Pi that is just starting takes its time
ANSWER_BYTES = 1_000_000


class Unreachable(EnergyMonitorError):
    """No server answers; the message says what was seen instead."""


@dataclass(frozen=True)
class Page:
    """What a server answered."""

    status: int
    text: str


def get(url: str, headers: Mapping[str, str] | None = None) -> Page:
    """Ask for *url*, following no redirection. Raise Unreachable."""
    timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    try:
        with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
            answer = pool.request(
                "GET", url, headers=headers, redirect=False, preload_content=False
            )
            text = answer.read(ANSWER_BYTES).decode("utf-8", "replace")
            answer.close()
    except (HTTPError, OSError) as error:
        cause = error.__cause__ or error
        raise Unreachable(getattr(cause, "strerror", None) or str(cause)) from error
    return Page(answer.status, text)
