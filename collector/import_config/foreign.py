"""A file of another program as text, lists and mappings. Nothing in it is executed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from collector.errors import EnergyMonitorError
from collector.syntax import LARGEST_FILE, compose, mistake_of

MERGE = "tag:yaml.org,2002:merge"
NULL = "tag:yaml.org,2002:null"


class Malformed(EnergyMonitorError):
    """What stands in the file is not what its program would accept; the text says where."""


@dataclass(frozen=True)
class Part:
    """A value in *file*, which is text, a list or a mapping, and the way to it."""

    file: str
    path: str
    value: Any

    def text(self) -> str:
        """Return the text; nothing where nothing is given. Raise Malformed."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise Malformed(f"{self.place}: expected one plain value, not {self.shape}")
        return self.value.strip()

    def parts(self) -> "dict[str, Part]":
        """Return what stands in a mapping. Raise Malformed."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise Malformed(f"{self.place}: expected a block of 'key: value', not {self.shape}")
        return {key: self.inner(key, each) for key, each in self.value.items()}

    def items(self) -> "list[Part]":
        """Return what stands in a list. Raise Malformed."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise Malformed(f"{self.place}: expected a list, not {self.shape}")
        return [self.inner(str(number), each) for number, each in enumerate(self.value)]

    def at(self, key: str) -> "Part":
        """Return what stands under *key*, which may be nothing. Raise Malformed."""
        return self.parts().get(key, self.inner(key, None))

    def inner(self, key: str, value: Any) -> "Part":
        return Part(self.file, f"{self.path}.{key}" if self.path else key, value)

    @property
    def place(self) -> str:
        return f"{self.file}: {self.path}" if self.path else self.file

    @property
    def shape(self) -> str:
        names = {str: "a text", list: "a list", dict: "a block", bool: "true or false"}
        return names[type(self.value)]


def read_yaml(file: Path) -> Part:
    """Return what stands in *file*. Raise Malformed, OSError."""
    text = ""
    try:
        text = text_of(file)
        root = compose(text)
        return Part(file.name, "", plain(root) if root else None)
    except yaml.YAMLError as error:
        line, reason = mistake_of(error, text)
        place = f"{file}:{line}" if line else f"{file}"
        raise Malformed(f"{place}: is not YAML: {reason}") from None
    except ValueError as error:
        raise Malformed(f"{file}: cannot be read: {error}") from None


def read_json(file: Path) -> Part:
    """Return what stands in *file*. Raise Malformed, OSError."""
    try:
        text = text_of(file)
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        json.dumps(value, ensure_ascii=False).encode()  # half a character can't be written
    except json.JSONDecodeError as error:
        raise Malformed(f"{file}:{error.lineno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise Malformed(f"{file}: cannot be read: it is nested too deep") from None
    except ValueError as error:
        raise Malformed(f"{file}: cannot be read: {error}") from None
    return Part(file.name, "", value)


def text_of(file: Path) -> str:
    """Return the text in *file*. Raise ValueError, OSError."""
    with file.open("rb") as opened:
        data = opened.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE / 1e6:.0f} MB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text: byte {error.start}") from None


def plain(node: yaml.Node) -> Any:
    """Return what *node* says."""
    if isinstance(node, yaml.SequenceNode):
        return [plain(each) for each in node.value]
    if isinstance(node, yaml.MappingNode):
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, each in node.value:
            value = plain(each)
            if key.tag == MERGE:
                for other in value if isinstance(value, list) else [value]:
                    merged = (other if isinstance(other, dict) else {}) | merged
            elif isinstance(key, yaml.ScalarNode):
                own[key.value] = value
        return merged | own
    return None if node.tag == NULL else str(node.value)
