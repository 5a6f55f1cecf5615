"""Posting a message as JSON to a web server, and what its answer means."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from collector.contract.documents import parsed
from collector.errors import OutputAway, ReadFault
from collector.lines.http import Server
from collector.lines.http_answer import Answer, Limits
from collector.outputs.notify.target import NotTaken
from collector.safe_text import safe
from collector.secrets import Secret

LIMITS = Limits(connect_s=5.0, wait_s=15.0, answer_s=30.0, most_bytes=100_000)
QUOTED = 200
OF_THE_MESSAGE = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 422}
LOGIN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def post(
    server: Server,
    target: str,
    document: Any,
    headers: Mapping[str, str] | None = None,
    mend: str = "",
    said: Callable[[Answer], str] = lambda answer: answer.text,
) -> Answer:
    """Post *document*; return the answer. Raise OutputAway, NotTaken.

    *mend* says what to do where the login is refused, *said* finds the words in an answer.
    """
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    try:
        answer = server.ask("POST", target, headers, body)
    except ReadFault as error:
        raise OutputAway(str(error)) from error
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    words = f"{server.name} answered {answer.status} {safe(said(answer))[:QUOTED]!r}"
    if answer.status in OF_THE_MESSAGE:
        raise NotTaken(f"{words}; the message is kept and tried again")
    if answer.status in LOGIN and mend:
        words += f"; {mend}"
    raise OutputAway(words, answer.retry_after_s)


def value_of(secret: Secret) -> str:
    """Return the value of a secret, which is one plain word. Raise OutputAway, SecretMissing."""
    value = secret.value()
    if not (value and value.isascii() and value.isprintable() and " " not in value):
        raise OutputAway(f"secret {secret.name!r} is empty or not one word of plain characters")
    return value


def stores(secret: Secret) -> str:
    """Say how the right value of a secret is stored."""
    return f"store the right one with 'sudo energy-monitor secret set {secret.name}'"


def bearer(token: Secret | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {value_of(token)}"} if token else {}


def word_in(answer: Answer, *keys: str) -> str:
    """Return what stands under the first of *keys* in an answer of JSON, or else all of it."""
    try:
        document = parsed(answer.text)
        return next(str(document[key]) for key in keys if key in document)
    except (ValueError, LookupError, TypeError, StopIteration):
        return answer.text
