"""What comes in: a path, and parameters of which each is checked before it is used."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from collector.page.answer import Refused
from collector.reading import LATEST_MS, NAME
from collector.scalars import did_you_mean

MOST_PARAMETERS = 20
LONGEST = 500  # of what is repeated in a sentence
NAME_PATTERN = f"^{NAME.pattern}$"


class Request(NamedTuple):
    """What is asked: *query* has the parameters, read; *environ* is WSGI's."""

    path: str
    query: Mapping[str, Any]
    environ: Mapping[str, Any]

    @property
    def wants_html(self) -> bool:
        return "text/html" in self.environ.get("HTTP_ACCEPT", "")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query, as OpenAPI says it; *read* makes a value of the text."""

    name: str
    help: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]
    required: bool = False


def choice(name: str, help_: str, *values: str, required: bool = False) -> Parameter:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}{did_you_mean(text, values)}")
        return text

    schema = {"type": "string", "enum": list(values)}
    return Parameter(name, help_, schema, read, required)


def written(
    name: str, help_: str, pattern: str, example: str, *, required: bool = False
) -> Parameter:
    form = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if not form.search(text) or text.endswith("\n"):
            raise ValueError(f"written like {example}")
        return text

    schema = {"type": "string", "pattern": pattern, "example": example}
    return Parameter(name, help_, schema, read, required)


def time_ms(name: str, help_: str) -> Parameter:
    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,13}", text) or int(text) >= LATEST_MS:
            raise ValueError("milliseconds since 1970 UTC, such as 1763654400000")
        return int(text)

    schema = {"type": "integer", "minimum": 0, "maximum": LATEST_MS - 1}
    return Parameter(name, help_, schema, read)


def query_of(text: str, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Read a query string. Raise Refused with the first thing that is wrong."""
    known = {each.name: each for each in parameters}
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        raise wrong("the query is not UTF-8, or has too many parameters") from None
    for name, value in pairs:
        if name not in known:
            names = ", ".join(known) or "none"
            raise wrong(f"there is no parameter {name[:LONGEST]!r} here; known: {names}")
        if name in found:
            raise wrong(f"{name!r} stands twice; give it once")
        try:
            found[name] = known[name].read(value)
        except ValueError as error:
            raise wrong(f"{name}={value[:LONGEST]!r} is not accepted: {error}") from None
    for each in parameters:
        if each.required and each.name not in found:
            raise wrong(f"{each.name!r} is missing: {each.help}")
    return found


def wrong(sentence: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, sentence)
