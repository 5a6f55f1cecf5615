"""Requests to EmonCMS, and what is made of each answer.

Whether it has stored something it says in the body: nearly every answer has the status 200.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from collector.contract.documents import parsed
from collector.errors import OutputAway, ReadFault, SecretMissing
from collector.lines.http import Server
from collector.lines.http_answer import Answer, Limits
from collector.outputs.emoncms.rows import Row, Times
from collector.secrets import Secret

LIMITS = Limits(connect_s=5.0, wait_s=30.0, answer_s=60.0, most_bytes=4_000_000)
QUOTED_CHARACTERS = 300
UNSURE = {HTTPStatus.REQUEST_TIMEOUT, *range(500, 600)}
FORM = "application/x-www-form-urlencoded"
BULK = "/input/bulk?cb=1&time=0&fulljson=1"  # packed; with absolute times; answered by JSON


class NotTaken(Exception):
    """Rows that EmonCMS does not understand, or that are too many; the text is its own."""


class Unsure(OutputAway):
    """Nobody knows whether the request was carried out, or still is."""


class EmonServer:
    """EmonCMS at *url*. Raise ValueError where that is no place to ask."""

    def __init__(self, url: str, key: Secret) -> None:
        self.url = url
        self.key = key
        self.name = f"EmonCMS at {url}"
        self.server = Server(url, self.name, LIMITS)

    def close(self) -> None:
        self.server.close()

    def newest(self) -> Times:
        """Return the time in seconds of the newest value of each input. Raise OutputAway."""
        answer = self.ask("GET", "/input/get.json")
        times: Times = {}
        for node, inputs in pairs(self.document(answer)).items():
            for name, last in pairs(inputs).items():
                second = last.get("time") if isinstance(last, dict) else None
                if type(second) is int:
                    times[node, name] = second
        return times

    def post_rows(self, rows: Sequence[Row]) -> None:
        """Store *rows*. Raise NotTaken where some of them may be stored, Unsure, or OutputAway."""
        body = zlib.compress(("[" + ",".join(map(as_json, rows)) + "]").encode())
        answer = self.ask("POST", BULK, {"Content-Type": "application/octet-stream"}, body)
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise NotTaken("they are too many at once")
        said = message_in(answer)
        if answer.status != HTTPStatus.OK or (said and not said.startswith("Format error")):
            raise self.away(answer)
        if said:
            raise NotTaken(said)

    def post_points(self, feed: int, points: Sequence[tuple[int, str]]) -> None:
        """Store *points* of a feed, the oldest first. Raise OutputAway."""
        data = "[" + ",".join(f"[{second},{value}]" for second, value in points) + "]"
        self.call("POST", f"/feed/post.json?id={feed}", {"data": data})

    def call(self, method: str, target: str, form: Mapping[str, str] | None = None) -> Any:
        """Return the document that is answered. Raise OutputAway where it is no success."""
        headers = {"Content-Type": FORM} if form else {}
        answer = self.ask(method, target, headers, urlencode(form or {}, quote_via=quote).encode())
        document = self.document(answer)
        if isinstance(document, dict) and document.get("success") is False:
            raise self.away(answer)
        return document

    def document(self, answer: Answer) -> Any:
        """Return what an answer says in JSON. Raise OutputAway where it does not."""
        try:
            document = parsed(answer.text)
        except ValueError:
            raise self.away(answer) from None
        if answer.status != HTTPStatus.OK or document is False:
            raise self.away(answer)
        return document

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request and return its answer. Raise OutputAway where none comes."""
        login = {"Authorization": f"Bearer {key_in(self.key)}"}
        try:
            return self.server.ask(method, target, {**login, **(headers or {})}, body)
        except ReadFault as error:
            raise Unsure(str(error)) from error

    def away(self, answer: Answer) -> OutputAway:
        """Say what the server answered and, where a human must mend something, what."""
        said = answer.text.strip().replace(key_in(self.key), "…")[:QUOTED_CHARACTERS]
        store = f"'sudo energy-monitor secret set {self.key.name}'"
        mend = ""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            mend = f"; the key in secret {self.key.name!r} is not known there: store one by {store}"
        elif not said or "406 Not Acceptable" in said or said == "false":
            mend = (
                f"; the key in secret {self.key.name!r} may only read: store the one that may "
                f"write by {store}"
            )
        elif "number of different NodeIds" in said:
            mend = "; raise 'max_node_id_limit' there, or send fewer devices by 'select'"
        elif "Feed does not exist" in said:
            mend = "; mend 'feeds'"
        elif answer.status == HTTPStatus.NOT_FOUND:
            mend = "; is 'url' right?"
        return OutputAway(f"{self.name}: answered {answer.status} {said!r}{mend}",
                          answer.retry_after_s)  # fmt: skip


def as_json(row: Row) -> str:
    """Return a row as EmonCMS reads it, each number as it stands. Pure."""
    values = ",".join(f'"{quantity}":{value}' for quantity, value in row.values.items())
    return f"[{row.second},{json.dumps(row.node)},{{{values}}}]"


def message_in(answer: Answer) -> str:
    """Return why rows are not stored; nothing where they are. Pure."""
    said = answer.text.strip()
    if said == "ok":
        return ""
    try:
        document = parsed(said)
    except ValueError:
        return said or "nothing"
    if isinstance(document, dict) and document.get("success") is True:
        return ""
    found = document.get("message") if isinstance(document, dict) else None
    return found if isinstance(found, str) and found else said


def pairs(document: Any) -> dict[str, Any]:
    """Return a mapping; PHP writes one whose keys are 0, 1, 2 … as a list. Pure."""
    if isinstance(document, list):
        return {str(number): each for number, each in enumerate(document)}
    return document if isinstance(document, dict) else {}


def key_in(secret: Secret) -> str:
    """Return the key that *secret* holds now. Raise OutputAway where it holds none."""
    try:
        key = secret.value()
    except SecretMissing as error:
        raise OutputAway(str(error)) from error
    if not (key and key.isascii() and key.isalnum()):
        raise OutputAway(f"secret {secret.name!r} is not a key: letters and digits in one line")
    return key
