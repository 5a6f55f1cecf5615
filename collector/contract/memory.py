"""The memory of a derivation: dataclasses, as ``json`` writes them and as they were."""

import dataclasses
import functools
import types
import typing
from typing import Any, TypeVar, get_args, get_origin

Memory = TypeVar("Memory")


def restored(cls: type[Memory], state: Any) -> Memory:
    """Return what ``dataclasses.asdict`` made *state* of. Raise ValueError for another form."""
    try:
        return typing.cast("Memory", value_of(cls, state))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a state of another form: {error!r:.200}") from error


@functools.cache
def hints_of(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def value_of(hint: Any, value: Any) -> Any:
    """Return *value*, which JSON holds, as the type *hint*."""
    if get_origin(hint) in (typing.Union, types.UnionType):
        inner = next(each for each in get_args(hint) if each is not type(None))
        return None if value is None else value_of(inner, value)
    if get_origin(hint) is list:
        return [value_of(get_args(hint)[0], each) for each in value]
    if get_origin(hint) is dict:
        return {str(key): value_of(get_args(hint)[1], each) for key, each in value.items()}
    if dataclasses.is_dataclass(hint):
        names = {each.name for each in dataclasses.fields(hint)}
        if names != set(value):
            raise ValueError(", ".join(sorted(names ^ set(value))))
        make: Any = hint
        return make(**{each: value_of(hints_of(make)[each], value[each]) for each in names})
    return hint(value)
