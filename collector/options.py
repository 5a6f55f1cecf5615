"""Options live beside the code that uses them: a frozen dataclass whose fields are ``option(…)``.

From such a class come the reader here, the reference page, the JSON Schema and the example file
(``collector.cli.reference``). A value is read from a YAML node, so that every fault knows its line.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from collector.errors import ConfigFault, Fault
from collector.scalars import (
    SCALARS,
    FilePath,
    InputPath,
    NotAccepted,
    check_limits,
    did_you_mean,
    read_choice,
    read_path,
    read_secret,
    shown,
)
from collector.secrets import Secret
from collector.syntax import LARGEST_FILE, Mistake, compose, compose_anyway, fields_of, mistake_of

MOST_FAULTS = 100


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
    """Collects mistakes, and remembers what was read: the line of every value, and the files.

    At each path of *stand_ins* a wrong value was replaced, so that nothing more is said of it.
    """

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.stand_ins: set[str] = set()
        self.lines: dict[str, tuple[str, int]] = {}
        self.files: list[Path | Traversable] = []

    def add(self, place: Place, node: yaml.Node | None, message: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 0
        self.append(Fault(place.file, line, place.path, message))

    def add_later(self, path: str, message: str) -> None:
        """Add a mistake found after reading, at the line of *path* or of what it stands in.

        A mistake of what only stands in for a wrong value is left out.
        """
        if self.is_stand_in(path):
            return
        known = path
        while known and known not in self.lines:
            known = known.rpartition(".")[0]
        self.append(Fault(*self.lines.get(known, ("", 0)), path, message))

    def add_mistakes(self, place: Place, mistakes: Iterable[Mistake]) -> None:
        for line, reason in mistakes:
            self.append(Fault(place.file, line, "", f"is not YAML: {reason}"))

    def append(self, fault: Fault) -> None:
        """Add a mistake. Raise ConfigFault where there are so many that nobody reads on."""
        self.found.append(fault)
        if len(self.found) >= MOST_FAULTS:
            self.found.append(Fault(self.found[0].file, 0, "", "perhaps more; correct these first"))
            self.raise_found()

    def raise_found(self) -> None:
        """Raise ConfigFault where there is a mistake, with all of them in their order."""
        if self.found:
            raise ConfigFault(sorted(self.found, key=lambda fault: (fault.file, fault.line)))

    def is_stand_in(self, path: str) -> bool:
        """Tell whether a value at *path*, around it or in it only stands in for a wrong one."""
        return any(within(path, each) or within(each, path) for each in self.stand_ins)


def within(path: str, around: str) -> bool:
    return f"{path}.".startswith(f"{around}.")


def parse(file: Path | Traversable, faults: Faults, *, in_part: bool = False) -> yaml.Node | None:
    """Parse *file* into YAML nodes; None, with a fault, where it is missing or no YAML.

    *in_part* leaves out entries that are not YAML, each with a fault, and parses the others.
    """
    place = Place(str(file), "")
    text = ""
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
        faults.files.append(file)
        text = data.decode("utf-8")
        root, mistakes = compose_anyway(text) if in_part else (compose(text), [])
    except UnicodeDecodeError as error:
        faults.add(place, None, f"is not UTF-8 text: byte {error.start}")
    except (OSError, ValueError) as error:
        faults.add(place, None, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    except yaml.YAMLError as error:
        faults.add_mistakes(place, [mistake_of(error, text)])
    else:
        faults.add_mistakes(place, mistakes)
        if root is None and not mistakes:
            faults.add(place, None, "is empty")
        return root
    return None


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
            faults.add(place.at(key.value), key, "appears twice; keep one")
        entries[key.value] = value
        faults.lines[place.at(key.value).path] = (place.file, key.start_mark.line + 1)
    return entries


@functools.cache
def hints_of(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def read_options(cls: type, node: yaml.Node, place: Place, faults: Faults) -> Any:
    """Read a mapping into the options dataclass *cls*; None where anything in it is wrong."""
    before = len(faults.found)
    values, _ = read_whole(cls, node, place, faults)
    return cls(**values) if len(faults.found) == before else None


def read_anyway(cls: type, node: yaml.Node, place: Place, faults: Faults) -> Any:
    """Read a mapping into the options dataclass *cls*, with a stand-in for each wrong value.

    None where it is no mapping, or where nothing can stand in.
    """
    values, wrong = read_whole(cls, node, place, faults)
    faults.stand_ins.update(place.at(name).path for name in wrong)
    try:
        return cls(**values, **{name: stand_in(cls, name) for name in wrong})
    except NotAccepted:
        return None


def read_whole(
    cls: type, node: yaml.Node, place: Place, faults: Faults
) -> tuple[dict[str, Any], list[str]]:
    """Return the values in a mapping, and the names of the options of *cls* that are wrong."""
    entries = read_mapping(node, place, faults)
    known = fields_of(cls)
    if not isinstance(node, yaml.MappingNode):
        return {}, [each.name for each in known.values()]
    for key, value in entries.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"; known: {', '.join(sorted(known))}"
            faults.add(place.at(key), value, f"unknown option{hint}")
    values = read_given(cls, entries, place, faults)
    wrong = [known[key].name for key in entries if key in known and known[key].name not in values]
    for name, each in known.items():
        if name not in entries and each.default is MISSING and each.default_factory is MISSING:
            example = each.metadata.get("example")
            hint = f", for example '{name}: {example}'" if example is not None else ""
            faults.add(place, node, f"{name!r} is missing{hint}")
            wrong.append(each.name)
    return values, wrong


def stand_in(cls: type, name: str, *, by_example: bool = False) -> Any:
    """Return what stands in for a wrong value of the option *name*: its default or its example.

    Raise NotAccepted where there is none.
    """
    each = {each.name: each for each in dataclasses.fields(cls)}[name]
    if not by_example and each.default is not MISSING:
        return each.default
    if not by_example and each.default_factory is not MISSING:
        return each.default_factory()
    example = each.metadata.get("example")
    if example is None:
        raise NotAccepted(f"{name!r} has no example")
    text = example if isinstance(example, str) else yaml.safe_dump(example)
    node: Any = yaml.compose(text)
    return read_value(hints_of(cls)[name], node, Place("", name), Faults(), {})


def read_given(
    cls: type, entries: Mapping[str, yaml.Node], place: Place, faults: Faults
) -> dict[str, Any]:
    """Read those *entries* that are options of *cls*; what is missing or unknown is not looked at.

    A value that is not accepted is not in what is returned.
    """
    values = {}
    for name, each in fields_of(cls).items():
        if name in entries:
            node, inner = entries[name], place.at(name)
            before = len(faults.found)
            try:
                value = read_value(hints_of(cls)[each.name], node, inner, faults, each.metadata)
            except NotAccepted as error:
                faults.add(inner, node, str(error))
            else:
                if len(faults.found) == before:
                    values[each.name] = value
    return values


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
    if hint in (FilePath, InputPath):
        return read_path(hint, node, Path(place.file).parent)
    if hint not in SCALARS:
        own = getattr(hint, "from_yaml", None)  # a type with a notation of its own
        return own(node, place, faults) if own else read_options(hint, node, place, faults)
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
        raise NotAccepted(f"expected a list such as [a, b], not {shown(node)}")
    found = []
    for number, each in enumerate(node.value):
        inner = place.at(str(number))
        faults.lines[inner.path] = (place.file, each.start_mark.line + 1)
        found.append(read_inner(hint, each, inner, faults, limits))
    return tuple(found)
