"""Options live beside the code that uses them: a frozen dataclass whose fields are ``option(…)``.

From such a class come the reader here, the reference page, the JSON Schema and the example file
(``collector.reference``). A value is read from a YAML node, so that every fault knows its line.
"""

import dataclasses
import difflib
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from collector.errors import Fault
from collector.secrets import Secret


class Seconds(float):
    """A duration, written with its unit: 500ms, 10s, 5m, 1h, 7d."""


class Bytes(int):
    """An amount of data, written with its unit: 512 kB, 100 MB, 2 GB."""


SECONDS_PER = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
BYTES_PER = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def option(
    help: str,  # noqa: A002  the word that users and click know
    *,
    example: Any = None,
    default: Any = MISSING,
    low: float | None = None,
    high: float | None = None,
    pattern: str | None = None,
) -> Any:
    """Declare one option: a sentence of help, an example, and the default when it has one.

    *low* and *high* bound a number (or the length of a duration in seconds); *pattern* is a
    regular expression that the whole text must match.
    """
    metadata = {"help": help, "example": example, "low": low, "high": high, "pattern": pattern}
    if isinstance(default, dict | list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Place:
    """Where a value stands: its file and the way to it, such as ``sources.mains.every``."""

    file: str
    path: str

    def at(self, key: str) -> "Place":
        return Place(self.file, f"{self.path}.{key}" if self.path else key)


class Faults:
    """Collects mistakes, and remembers the line of every value for those found later."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.lines: dict[str, tuple[str, int]] = {}

    def add(self, place: Place, node: yaml.Node | None, message: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 0
        self.found.append(Fault(place.file, line, place.path, message))

    def add_later(self, path: str, message: str) -> None:
        """Add a mistake found after reading, at the line of *path* or of what it stands in."""
        known = path
        while known and known not in self.lines:
            known = known.rpartition(".")[0]
        file, line = self.lines.get(known, ("", 0))
        self.found.append(Fault(file, line, path, message))


class NotAccepted(Exception):
    """A value that an option does not accept; the text says what is."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of *known*, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def read_mapping(node: yaml.Node, place: Place, faults: Faults) -> dict[str, yaml.Node]:
    """Return the keys of a YAML mapping, reporting a key given twice."""
    faults.lines.setdefault(place.path, (place.file, node.start_mark.line + 1))
    if not isinstance(node, yaml.MappingNode):
        faults.add(place, node, f"expected a block of 'key: value' lines, not {shown(node)}")
        return {}
    entries: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            faults.add(place, key, f"expected a plain word as key, not {shown(key)}")
            continue
        if key.value in entries:
            faults.add(place.at(key.value), key, "given twice; keep one")
        entries[key.value] = value
        faults.lines[place.at(key.value).path] = (place.file, key.start_mark.line + 1)
    return entries


@functools.cache
def hints_of(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def read_options(cls: type, node: yaml.Node, place: Place, faults: Faults) -> Any:
    """Read a mapping into the options dataclass *cls*; None where anything in it is wrong."""
    before = len(faults.found)
    entries = read_mapping(node, place, faults)
    if len(faults.found) > before and not entries:
        return None
    hints = hints_of(cls)
    known = {each.name: each for each in dataclasses.fields(cls)}
    for key, value in entries.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"; known: {', '.join(sorted(known))}"
            faults.add(place.at(key), value, f"unknown option{hint}")
    values = {}
    for name, each in known.items():
        if name in entries:
            inner = place.at(name)
            try:
                values[name] = read_value(hints[name], entries[name], inner, faults, each.metadata)
            except NotAccepted as error:
                faults.add(inner, entries[name], str(error))
        elif each.default is MISSING and each.default_factory is MISSING:
            example = each.metadata.get("example")
            hint = f", for example '{name}: {example}'" if example is not None else ""
            faults.add(place, node, f"{name!r} is missing{hint}")
    return cls(**values) if len(faults.found) == before else None


def read_value(
    hint: Any, node: yaml.Node, place: Place, faults: Faults, limits: Mapping[str, Any]
) -> Any:
    """Turn a YAML node into a value of the type *hint*.

    Raise NotAccepted where it is none; faults deeper inside are added to *faults*.
    """
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(each for each in get_args(hint) if each is not type(None))
        return read_value(inner, node, place, faults, limits)
    if origin is not None:
        return read_compound(hint, node, place, faults, limits)
    if hint is Secret:
        return read_secret(node, Path(place.file).parent / "secrets")
    if hint not in SCALARS:
        return read_options(hint, node, place, faults)
    value = SCALARS[hint](node)
    check_limits(value, limits, shown(node))
    return value


def read_compound(
    hint: Any, node: yaml.Node, place: Place, faults: Faults, limits: Mapping[str, Any]
) -> Any:
    if get_origin(hint) is Literal:
        return read_choice(get_args(hint), node)
    if get_origin(hint) is tuple:
        return read_list(get_args(hint)[0], node, place, faults, limits)
    return {
        key: read_inner(get_args(hint)[1], value, place.at(key), faults, limits)
        for key, value in read_mapping(node, place, faults).items()
    }


def read_inner(
    hint: Any, node: yaml.Node, place: Place, faults: Faults, limits: Mapping[str, Any]
) -> Any:
    try:
        return read_value(hint, node, place, faults, limits)
    except NotAccepted as error:
        faults.add(place, node, str(error))
        return None


def read_list(
    hint: Any, node: yaml.Node, place: Place, faults: Faults, limits: Mapping[str, Any]
) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        msg = f"expected a list such as [a, b], not {shown(node)}"
        raise NotAccepted(msg)
    for number, each in enumerate(node.value):
        inner = f"{place.path}.{number}"
        faults.lines[inner] = (place.file, each.start_mark.line + 1)
    return tuple(
        read_inner(hint, each, place.at(str(number)), faults, limits)
        for number, each in enumerate(node.value)
    )


def read_choice(choices: tuple[Any, ...], node: yaml.Node) -> Any:
    text = scalar(node)
    for choice in choices:
        if str(choice) == text:
            return choice
    words = [str(choice) for choice in choices]
    msg = f"{text!r} is not accepted: one of {', '.join(words)}{did_you_mean(text, words)}"
    raise NotAccepted(msg)


def shown(node: yaml.Node) -> str:
    """Name what stands in a node for a message, never the text of a secret."""
    if isinstance(node, yaml.ScalarNode):
        return f"{node.value!r}" if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a block"


def scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag == "!secret":
        msg = (
            f"expected one plain value, not {'a secret' if node.tag == '!secret' else shown(node)}"
        )
        raise NotAccepted(msg)
    return str(node.value)


def read_text(node: yaml.Node) -> str:
    text = scalar(node)
    if not text:
        msg = "expected a text, not nothing"
        raise NotAccepted(msg)
    return text


def read_bool(node: yaml.Node) -> bool:
    text = scalar(node).lower()
    if text not in BOOLEANS:
        msg = f"{text!r} is not accepted: true or false"
        raise NotAccepted(msg)
    return BOOLEANS[text]


def read_int(node: yaml.Node) -> int:
    text = scalar(node)
    try:
        return int(text, 0)
    except ValueError:
        msg = f"{text!r} is not a whole number"
        raise NotAccepted(msg) from None


def read_float(node: yaml.Node) -> float:
    text = scalar(node)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NotAccepted(f"{text!r} is not a number")
    return value


def amount(text: str, units: Mapping[str, float], example: str) -> float:
    match = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]+)", text)
    if match is None or match[2].lower() not in units or match[1].count(".") > 1:
        msg = f"{text!r} is not accepted: a number with its unit, such as {example}"
        raise NotAccepted(msg)
    return float(match[1]) * units[match[2].lower()]


def seconds_of(text: str) -> Seconds:
    """Read a duration with its unit, such as 500ms. Raise NotAccepted."""
    return Seconds(round(amount(text, SECONDS_PER, "500ms, 10s, 5m, 1h or 7d"), 6))


def read_seconds(node: yaml.Node) -> Seconds:
    return seconds_of(scalar(node))


def read_bytes(node: yaml.Node) -> Bytes:
    return Bytes(amount(scalar(node), BYTES_PER, "512 kB, 100 MB or 2 GB"))


def read_secret(node: yaml.Node, folder: Path) -> Secret:
    if node.tag != "!secret" or not isinstance(node, yaml.ScalarNode):
        msg = (
            "secrets never stand in this file: write '!secret NAME' and put the value "
            "into the file secrets/NAME beside it"
        )
        raise NotAccepted(msg)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", node.value):
        msg = f"{node.value!r} is no name of a secret: small letters, digits and '-'"
        raise NotAccepted(msg)
    return Secret(node.value, folder)


SCALARS: dict[Any, Callable[[yaml.Node], Any]] = {
    str: read_text,
    bool: read_bool,
    int: read_int,
    float: read_float,
    Seconds: read_seconds,
    Bytes: read_bytes,
}


def check_limits(value: Any, limits: Mapping[str, Any], text: str) -> None:
    low, high, pattern = limits.get("low"), limits.get("high"), limits.get("pattern")
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = (
            f"from {low} to {high}"
            if None not in (low, high)
            else (f"at least {low}" if high is None else f"at most {high}")
        )
        unit = " seconds" if isinstance(value, Seconds) else ""
        msg = f"{text} is not accepted: {bounds}{unit}"
        raise NotAccepted(msg)
    if pattern is not None and not re.fullmatch(pattern, value):
        msg = f"{text} is not accepted: it must match {pattern}"
        raise NotAccepted(msg)
