"""What goes out: status, body and headers; JSON, CSV and plain sentences."""

import csv
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

JSON, PLAIN, HTML = "application/json", "text/plain; charset=utf-8", "text/html; charset=utf-8"
CSV = "text/csv; charset=utf-8; header=present"
Headers = tuple[tuple[str, str], ...]
ASK_AGAIN: Headers = (("Cache-Control", "no-cache"),)
SMALL = 1000  # bytes that are not worth packing
GZIP = 16 + zlib.MAX_WBITS


class Answer(NamedTuple):
    """What goes out. *packed* is the body in gzip, where it is there already."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN
    headers: Headers = ()
    packed: bytes | None = None


class Refused(Exception):
    """A request that is not served; *sentence* says why and what to do."""

    def __init__(self, status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


def said(status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, f"{sentence}\n".encode(), PLAIN, headers)


def failed(status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> Answer:
    """Say in JSON why there is no answer."""
    return Answer(status, encoded({"error": sentence}), JSON, headers)


def to(place: str, *headers: tuple[str, str]) -> Answer:
    """Send to another page."""
    return Answer(HTTPStatus.SEE_OTHER, b"", PLAIN, (("Location", place), *headers))


def encoded(view: Any) -> bytes:
    """Return a view as JSON; lists and numbers, which are most of it, are written by C."""
    text = json.dumps(view, default=members, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def members(view: Any) -> dict[str, Any]:
    if is_dataclass(view):
        return {each.name: getattr(view, each.name) for each in fields(view)}
    if isinstance(view, Mapping):
        return dict(view)
    raise TypeError(f"{type(view).__name__} is not shown")


def of_json(view: Any) -> Answer:
    return Answer(HTTPStatus.OK, encoded(view), JSON, ASK_AGAIN)


def of_csv(name: str, rows: Iterable[Iterable[Any]]) -> Answer:
    """Return a file *name* of rows, the first with the names of the columns."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow(["" if each is None else each for each in row])
    headers = (("Content-Disposition", f'attachment; filename="{name}.csv"'), *ASK_AGAIN)
    return Answer(HTTPStatus.OK, text.getvalue().encode(), CSV, headers)


def gzipped(body: bytes, level: int = 1) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, GZIP)
    return packer.compress(body) + packer.flush()


def tag_of(body: bytes) -> str:
    """Return what a browser asks with whether its copy is still good."""
    return f'W/"{zlib.crc32(body):08x}{zlib.adler32(body):08x}{len(body):x}"'


def fitted(answer: Answer, environ: Mapping[str, Any]) -> Answer:
    """Return an answer as the client takes it: packed, or 304 where it has the same already."""
    headers = answer.headers
    if answer.status is HTTPStatus.OK and ASK_AGAIN[0] in headers:
        tag = tag_of(answer.body)
        headers = (*headers, ("ETag", tag))
        known = environ.get("HTTP_IF_NONE_MATCH", "")
        if tag.removeprefix("W/") in known or known.strip() == "*":
            kept = tuple(each for each in headers if each[0] != "Content-Disposition")
            return Answer(HTTPStatus.NOT_MODIFIED, b"", answer.content_type, kept)
    if len(answer.body) < SMALL:
        return answer._replace(headers=headers)
    headers = (*headers, ("Vary", "Accept-Encoding"))
    if "gzip" not in environ.get("HTTP_ACCEPT_ENCODING", ""):
        return answer._replace(headers=headers)
    body = answer.packed or gzipped(answer.body)
    return answer._replace(body=body, headers=(*headers, ("Content-Encoding", "gzip")))
