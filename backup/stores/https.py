"""Asking a far server again, until it gives an answer that asking again would not change."""

import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from backup.stores.folder import from_here
from collector.errors import LineAway, ReadFault
from collector.lines.http import Server
from collector.lines.http_answer import Answer, Limits

LIMITS = Limits(connect_s=20.0, wait_s=30.0, answer_s=90.0, most_bytes=8 << 20)  # a list has 2 MB
PAUSES_S = (1, 2, 4, 8, 16)  # a router dials in again within half a minute
LONGEST_RETRY_AFTER_S = 120  # who wants to be left alone for longer is asked by the next run

TRANSIENT = {408, 429, 500, 502, 503, 504}


def insist(
    server: Server,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: Callable[[], Iterable[bytes]] = tuple,
    *,
    whole: bool = True,
) -> Answer:
    """Ask until an answer comes that asking again wouldn't change. Raise ReadFault.

    It is read *whole*, or its pieces are left to be taken where all went well. The far side
    may have done what was asked although its answer was lost.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            sent = body()
            answer = server.begin(method, target, headers, from_here(sent) if sent else ())
            if whole or answer.status >= HTTPStatus.BAD_REQUEST:
                answer.read()
        except ReadFault as error:
            fault, wish_s = error, 0.0
        else:
            if answer.status not in TRANSIENT:
                return answer
            fault = LineAway(f"{server.name} answered {shown(answer)}")
            wish_s = answer.retry_after_s or 0.0
        if pause_s is None or wish_s > LONGEST_RETRY_AFTER_S:
            break
        time.sleep(max(pause_s, wish_s))
    raise fault


def code_of(answer: Answer) -> str:
    """Return the name that Azure gives to an error, '' for none."""
    return answer.headers.get("x-ms-error-code", "")


def shown(answer: Answer) -> str:
    return f"{answer.status} {code_of(answer)}".strip()
