"""What was found, as configuration to paste and for programs.

Words of a device may be in all of it. So each value is quoted where YAML would read anything but
its text, and no control character reaches the terminal or the file.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from collector.contract import Found
from collector.scalars import LONGEST_TEXT
from collector.secrets import Secret
from collector.text import plain

PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:@+-]*")  # also between braces


def render(found: Sequence[Found]) -> str:
    """Return the configuration for what was found."""
    lines = ["sources:"]
    for number, each in enumerate(found, start=1):
        if each.options:
            options = {"type": each.kind, **each.options}
            lines += block(f"{each.stem or each.kind}{number}", options, "", each.remarks, "  ")
        else:
            lines.append(f"  # {plain(each.place)}: {plain(each.text)}")
    return "\n".join(lines) + "\n"


def entry(found: Found) -> dict[str, Any]:
    """Return what was found as programs read it."""
    return {
        "type": found.kind,
        "place": found.place,
        "text": found.text,
        "options": found.options,
        "remarks": found.remarks,
    }


def block(
    key: str, value: Any, path: str, remarks: Mapping[str, str], indent: str
) -> Iterator[str]:
    """Yield the lines of one key. A mapping that holds no other one stands in one line."""
    tail = remark(remarks.get(path, ""))
    if path and not is_nested(value):
        yield f"{indent}{scalar(key)}: {flow(value)}{tail}"
        return
    yield f"{indent}{scalar(key)}:{tail}"
    for name, inner in value.items():
        yield from block(name, inner, f"{path}.{name}".lstrip("."), remarks, f"{indent}  ")


def is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values())


def flow(value: Any) -> str:
    """Return a value in one line of YAML."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, Secret):
        return f"!secret {value.name}"
    return json.dumps(value) if isinstance(value, bool | int | float) else scalar(value)


def scalar(value: Any) -> str:
    """Return a text as YAML reads it again: quoted, unless that is needless."""
    text = plain(str(value), LONGEST_TEXT)
    is_safe = PLAIN.fullmatch(text) and not text.endswith(":") and is_text(text)
    return text if is_safe else json.dumps(text, ensure_ascii=False)


def is_text(text: str) -> bool:
    """Does YAML read *text* as it stands? Words such as 2026-99-99 it cannot read at all."""
    try:
        return bool(yaml.safe_load(text) == text)
    except (ValueError, yaml.YAMLError):
        return False


def remark(text: str) -> str:
    return f"  # {plain(text)}" if text else ""
