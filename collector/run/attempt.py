"""Makes what the configuration names, again without each option that is refused.

So one mistake hides none behind it; all are in the faults of the configuration.
"""

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from collector.contract import BadOption
from collector.errors import ConfigFault
from collector.options import Faults, stand_in, within
from collector.scalars import NotAccepted

MOST_REFUSALS = 100

Made = TypeVar("Made")


def attempt(
    faults: Faults, path: str, options: Any, make: Callable[[Any], Made]
) -> tuple[Made | None, Any]:
    """Return what *make* makes of *options*, and with which; None where it refuses to the end."""
    examples: set[str] = set()
    for _ in range(MOST_REFUSALS):
        try:
            return make(options), options
        except ConfigFault as error:  # of a device map of the owner's
            faults.found += (each for each in error.faults if each not in faults.found)
            break
        except BadOption as error:
            at = f"{path}.{error.option}"
            faults.add_later(at, str(error))
        if again := {each for each in faults.stand_ins if within(each, at)} - examples:
            examples |= again  # the default did not do
            for each in again:
                options = without(options, each, path, by_example=True)
            continue
        while at in faults.stand_ins:
            at = at.rpartition(".")[0]
        if at == path:
            break
        faults.stand_ins.add(at)
        options = without(options, at, path)
    return None, options


def without(options: Any, at: str, path: str, *, by_example: bool = False) -> Any:
    """Return *options*, which stand at *path*, with a stand-in for what stands at *at*."""
    with suppress(NotAccepted):
        return replaced(options, at.removeprefix(f"{path}.").split("."), by_example=by_example)
    return options


def replaced(value: Any, parts: list[str], *, by_example: bool) -> Any:
    """Return *value* with a stand-in at the place that *parts* name. Raise NotAccepted."""
    head, *rest = parts
    inner = partial(replaced, parts=rest, by_example=by_example)
    if isinstance(value, dict):
        head = next((key for key in value if f"{'.'.join(parts)}.".startswith(f"{key}.")), head)
        rest = parts[head.count(".") + 1 :]
        inner = partial(replaced, parts=rest, by_example=by_example)
        kept = {head: inner(value[head])} if rest and head in value else {}
        return {key: each for key, each in value.items() if key != head} | kept
    if isinstance(value, tuple) and rest and head.isdecimal() and int(head) < len(value):
        number = int(head)
        return (*value[:number], inner(value[number]), *value[number + 1 :])
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, head):
        new = (
            inner(getattr(value, head))
            if rest
            else stand_in(type(value), head, by_example=by_example)
        )
        return dataclasses.replace(value, **{head: new})
    raise NotAccepted(f"nothing stands at {'.'.join(parts)}")
