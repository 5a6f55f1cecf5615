"""YAML text into nodes; what is wrong in one entry does not hide the mistakes of the others."""

from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any, NamedTuple

import yaml

LARGEST_FILE = 1_000_000
DEEPEST = 50  # libyaml builds nested nodes on the stack of the thread, without a limit
MOST_NODES = 50_000  # a house has some thousand; aliases make much of little
MOST_MISTAKES = 20
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


class Mistake(NamedTuple):
    """A mistake of syntax; *line* counts from 1, 0 where it is not known."""

    line: int
    reason: str


def compose(text: str) -> yaml.Node | None:
    """Return the root of the YAML in *text*. Raise YAMLError, ValueError where it is too much."""
    if len(text) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE / 1e6:.0f} MB")
    depth = 0
    try:
        for event in yaml.parse(text, yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(TOO_DEEP)
    except yaml.scanner.ScannerError as error:
        if error.problem == "exceeded maximum nesting depth":  # libyaml's own, of 1,000
            raise ValueError(TOO_DEEP) from error
        raise
    root = yaml.compose(text, yaml.CSafeLoader)
    if root is not None:
        extent(root, {})
    return root


def extent(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many nodes a reader meets who follows every alias, and in how many levels.

    *known* has what was measured before, (0, 0) for what *node* is in. Raise ValueError where that
    is too much.
    """
    found = known.get(id(node))
    if found == (0, 0):
        raise ValueError("an alias (*) stands for what it is in")
    if found:
        return found
    known[id(node)] = (0, 0)
    inner: Iterable[yaml.Node] = ()
    if isinstance(node, yaml.SequenceNode):
        inner = node.value
    elif isinstance(node, yaml.MappingNode):
        inner = (each for pair in node.value for each in pair)
    size, depth = 1, 0
    for each in inner:
        more, below = extent(each, known)
        size, depth = size + more, max(depth, below)
    if size > MOST_NODES:
        raise ValueError(f"it has more than {MOST_NODES:,} values, each alias (*) counted in full")
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep, each alias (*) followed")
    known[id(node)] = (size, depth + 1)
    return known[id(node)]


def compose_anyway(text: str) -> tuple[yaml.Node | None, list[Mistake]]:
    """Return the root of what is YAML in *text*, and the mistakes in the entries left out.

    Raise ValueError where it is too much.
    """
    lines, mistakes = text.split("\n"), list[Mistake]()
    while len(mistakes) < MOST_MISTAKES:
        try:
            return compose(text), mistakes
        except yaml.YAMLError as error:
            mistakes.append(mistake_of(error, text))
            if not mistakes[-1].line:
                break
            leave_out(lines, mistakes[-1].line - 1)
            text = "\n".join(lines)
    return None, mistakes


def mistake_of(error: yaml.YAMLError, text: str) -> Mistake:
    """Say where a mistake in *text* begins: what is never closed is noticed much later. Pure."""
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None) or ""
    mark = getattr(error, "problem_mark", None)
    noticed = mark.line + 1 if mark else 0
    for number, each in enumerate(text.split("\n")[:noticed], start=1):
        if "\t" in each[: len(each) - len(each.lstrip())]:
            return Mistake(number, "the line begins with a tab; use spaces")
    if "scanning" in context or "flow" in context:
        mark = getattr(error, "context_mark", None) or mark
    return Mistake(mark.line + 1 if mark else 0, reason)


def leave_out(lines: list[str], at: int) -> None:
    """Empty the entry around line *at*: of those below a word at the margin, or that word's."""
    at = min(at, len(lines) - 1)
    while at and indent_of(lines[at]) is None:
        at -= 1
    top = next((number for number in range(at, -1, -1) if indent_of(lines[number]) == 0), 0)
    end = end_of(lines, top, 0)
    if top < at:
        inner = next(filter(None, map(indent_of, lines[top + 1 : end])), 0)
        first = next(
            number for number in range(at, top, -1) if (indent_of(lines[number]) or 0) <= inner
        )
        last = end_of(lines, first, inner)
        lines[first:last] = [""] * (last - first)
    if top == at or all(indent_of(each) is None for each in lines[top + 1 : end]):
        lines[top:end] = [""] * (end - top)


def end_of(lines: list[str], first: int, indent: int) -> int:
    """Return the number of the line after the entry that begins at *first*."""
    for number in range(first + 1, len(lines)):
        found = indent_of(lines[number])
        if found is not None and found <= indent:
            return number
    return len(lines)


def indent_of(line: str) -> int | None:
    """Return how far *line* is indented; None where nothing stands in it."""
    text = line.lstrip(" ")
    return len(line) - len(text) if text.strip() and not text.startswith("#") else None


def fields_of(cls: type) -> dict[str, "Field[Any]"]:
    """Return the fields of an options dataclass, by how they are spelled in the file."""
    return {spelled(each): each for each in fields(cls)}


def spelled(field: "Field[Any]") -> str:
    """Return how an option is spelled in the file: ``from_`` is written 'from'."""
    return field.name.rstrip("_")
