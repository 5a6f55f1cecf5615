"""Finds all that is of one type in the options of a configuration, such as paths and devices."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

Value = TypeVar("Value")


def values_of(kind: type[Value], at: str, value: Any) -> Iterator[tuple[str, Value]]:
    """Yield the place and the value of all in *value*, which stands at *at*, that is a *kind*."""
    if isinstance(value, kind):
        yield at, value
        return
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, tuple):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, each in value.items():
            yield from values_of(kind, f"{at}.{key}" if at else str(key), each)
