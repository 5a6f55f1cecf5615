"""Single values in YAML: each kind with its reader, and a sentence for what it does not accept."""

import difflib
import math
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import yaml

from collector.reading import NAME as DEVICE
from collector.reading import NAME_RULE as DEVICE_RULE
from collector.secrets import NAME, NAME_RULE, Secret


class Seconds(float):
    """A duration, written with its unit: 500ms, 10s, 5m, 1h, 7d."""


class Bytes(int):
    """An amount of data, written with its unit: 512 kB, 100 MB, 2 GB."""


class Label(str):
    """A name for people: one line in any script."""

    __slots__ = ()


class Device(str):
    """The name of a device whose readings are heard."""

    __slots__ = ()


class Role(str):
    """What a device is in the house: a word of ROLES, or 'part of' another one."""

    __slots__ = ()

    @property
    def whole(self) -> str:
        """Return the name of what the device is a part of; '' where it is none."""
        return self.removeprefix(PART_OF) if self.startswith(PART_OF) else ""


class FilePath(str):
    """A file or folder; a relative one counts from the configuration file it stands in."""

    __slots__ = ("is_relative",)
    is_relative: bool

    def __new__(cls, text: str, *, is_relative: bool = False) -> Self:
        made = super().__new__(cls, text)
        made.is_relative = is_relative
        return made


class InputPath(FilePath):
    """A file or folder that is only read, so that it must be there; or a URL."""

    __slots__ = ()


SECONDS_PER = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
BYTES_PER = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
LONGEST_S = 3660 * 86400  # ten years; waits of the operating system end at some 292
LONGEST_LABEL = 60
ROLES = ("grid", "solar", "battery", "house", "heat_pump")
PART_OF = "part of "
LARGEST_INT = 2**53  # what a float still holds exactly
# Control characters, ends of lines, half characters; and what reverses the text after it.
NOT_IN_LABELS = {"Cc", "Cs", "Zl", "Zp"}
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
LONGEST_TEXT = 1000  # a wrong value stands in the message about it
DECIMAL = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{0,9})?|[+-]?\.[0-9]{1,9}")
DATE = re.compile(r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}")
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class NotAccepted(Exception):
    """A value that an option does not accept; the text says what is."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of *known*, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


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
    if len(node.value) > LONGEST_TEXT:
        msg = f"expected at most {LONGEST_TEXT} characters, not {len(node.value)}"
        raise NotAccepted(msg)
    return str(node.value)


def read_text(node: yaml.Node) -> str:
    text = scalar(node)
    if not text:
        msg = "expected a text, but it is empty"
        raise NotAccepted(msg)
    if re.search(r"[\x00-\x1f\x7f]", text):
        msg = f"{text!r} is not accepted: one line without control characters"
        raise NotAccepted(msg)
    return text


def label_of(text: str) -> Label:
    """Return *text* as a label. Raise NotAccepted."""
    if not text.strip() or len(text) > LONGEST_LABEL:
        raise NotAccepted(f"expected a label of 1 to {LONGEST_LABEL} characters, not {len(text)}")
    if any(
        unicodedata.category(each) in NOT_IN_LABELS
        or unicodedata.bidirectional(each) in BIDI_CONTROLS
        for each in text
    ):
        msg = f"{text!a} is not accepted: one line, no control or direction characters"
        raise NotAccepted(msg)
    return Label(text)


def read_label(node: yaml.Node) -> Label:
    return label_of(scalar(node))


def read_device(node: yaml.Node) -> Device:
    text = scalar(node)
    if not DEVICE.fullmatch(text):
        raise NotAccepted(f"{text!r} is not the name of a device: {DEVICE_RULE}")
    return Device(text)


def read_role(node: yaml.Node) -> Role:
    text = scalar(node)
    role = Role(" ".join(text.split()))
    if role in ROLES or DEVICE.fullmatch(role.whole):
        return role
    known = (*ROLES, f"{PART_OF}NAME")
    msg = f"{text!r} is not a role: one of {', '.join(known)}{did_you_mean(text, known)}"
    raise NotAccepted(msg)


def read_bool(node: yaml.Node) -> bool:
    text = scalar(node).lower()
    if text not in BOOLEANS:
        msg = f"{text!r} is not accepted: true or false"
        raise NotAccepted(msg)
    return BOOLEANS[text]


def read_int(node: yaml.Node) -> int:
    text = scalar(node)
    try:
        value = int(text, 0)
    except ValueError:
        raise NotAccepted(f"{text!r} is not a whole number") from None
    if abs(value) > LARGEST_INT:
        raise NotAccepted(f"{text!r} is too large")
    return value


def read_float(node: yaml.Node) -> float:
    text = scalar(node)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NotAccepted(f"{text!r} is not a number")
    return value


def decimal_of(text: str) -> Decimal:
    """Read a number as its digits say, such as 0.1450. Raise NotAccepted."""
    if not DECIMAL.fullmatch(text):
        raise NotAccepted(f"{text!r} is not a number such as 0.1450 (at most 9 digits each side)")
    return Decimal(text)


def read_decimal(node: yaml.Node) -> Decimal:
    return decimal_of(scalar(node))


def read_date(node: yaml.Node) -> date:
    text = scalar(node)
    with suppress(ValueError):  # a day that no month has
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    raise NotAccepted(f"{text!r} is not a day such as 2026-01-31")


def check_timezone(text: str) -> None:
    """Raise NotAccepted where there is no such time zone."""
    try:
        zoneinfo.ZoneInfo(text)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        near = did_you_mean(text, zoneinfo.available_timezones())
        msg = f"{text!r} is not a time zone (example: Europe/Rome){near}"
        raise NotAccepted(msg) from None


def amount(text: str, units: Mapping[str, float], example: str) -> float:
    if text == "0":
        return 0.0
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]+)", text)
    size = float(match[1]) * units.get(match[2].lower(), math.nan) if match else math.nan
    if not math.isfinite(size):
        msg = f"{text!r} is not accepted: a number with its unit, such as {example}"
        raise NotAccepted(msg)
    return size


def seconds_of(text: str) -> Seconds:
    """Read a duration with its unit, such as 500ms. Raise NotAccepted."""
    seconds = Seconds(round(amount(text, SECONDS_PER, "500ms, 10s, 5m, 1h or 7d"), 6))
    if seconds > LONGEST_S:
        msg = f"{text!r} is not accepted: at most ten years"
        raise NotAccepted(msg)
    return seconds


def read_seconds(node: yaml.Node) -> Seconds:
    return seconds_of(scalar(node))


def read_bytes(node: yaml.Node) -> Bytes:
    return Bytes(amount(scalar(node), BYTES_PER, "512 kB, 100 MB or 2 GB"))


def read_secret(node: yaml.Node, folder: Path) -> Secret:
    if node.tag != "!secret" or not isinstance(node, yaml.ScalarNode):
        msg = (
            "secrets do not belong in this file: write '!secret NAME' and store the value with "
            "'sudo energy-monitor secret set NAME'"
        )
        raise NotAccepted(msg)
    if not NAME.fullmatch(node.value):
        msg = f"{node.value!r} is not a name of a secret: {NAME_RULE}"
        raise NotAccepted(msg)
    return Secret(node.value, folder)


def read_path(kind: type[FilePath], node: yaml.Node, folder: Path) -> FilePath:
    """Return the path that stands in *node*, a relative one from *folder*."""
    text = read_text(node)
    if "://" in text:
        return kind(text)
    return kind(str(folder.absolute() / text), is_relative=not Path(text).is_absolute())


SCALARS: dict[Any, Callable[[yaml.Node], Any]] = {
    str: read_text,
    Label: read_label,
    Device: read_device,
    Role: read_role,
    bool: read_bool,
    int: read_int,
    float: read_float,
    Decimal: read_decimal,
    date: read_date,
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
