"""The catalogue: everything that can be measured, each under one name and in one unit for ever.

``quantities.yaml`` has a row per quantity and says how to read one.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from types import MappingProxyType
from typing import Literal, get_args

import yaml

from collector.errors import ConfigFault, EnergyMonitorError
from collector.options import Faults, Place, read_mapping
from collector.scalars import did_you_mean

Kind = Literal["gauge", "counter", "state"]

FILE = "quantities.yaml"
FORM = "{unit: V, kind: gauge, range: [0, 500], per: [direction, phase, tariff], help: words}"

# What `per` adds to a name and to its help, in the order in which names are put together.
ENDINGS = {
    "direction": {"": "", "_import": ", imported", "_export": ", exported"},
    "phase": {"": "", **{f"_l{each}": f", phase L{each}" for each in (1, 2, 3)}},
    "tariff": {"": "", **{f"_t{each}": f", tariff {each}" for each in (1, 2, 3, 4)}},
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something measurable. A value below *low* or above *high*, both in *unit*, is garbage."""

    name: str
    unit: str
    kind: Kind
    help: str
    low: float
    high: float
    past: bool = False  # about a time before: no value of now


class QuantityNotKnown(EnergyMonitorError):
    """No quantity has that name; the message gives those that are known."""


@functools.cache
def catalogue() -> Mapping[str, Quantity]:
    """Return every quantity by its name. Raise ConfigFault naming every malformed row."""
    text = files("collector").joinpath(FILE).read_text(encoding="utf-8")
    return MappingProxyType(read_catalogue(text))


def wildcard(pattern: str) -> re.Pattern[str]:
    """Return what matches as *pattern* says, in which ``*`` stands for anything."""
    return re.compile(".*".join(map(re.escape, re.sub(r"\*+", "*", pattern).split("*"))))


def matching(patterns: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return those of *known* that any of *patterns* names, in the order of *known*.

    A ``*`` stands for anything: 'active_energy*' names all that begin so. Raise QuantityNotKnown
    for a pattern that names none of them.
    """
    known = list(known)
    wanted: set[str] = set()
    for pattern in patterns:
        shape = wildcard(pattern)
        named = {name for name in known if shape.fullmatch(name)}
        if not named:
            hint = did_you_mean(pattern.strip("*"), known) or f"; known: {', '.join(known)}"
            msg = f"{pattern!r} names no quantity here{hint}"
            raise QuantityNotKnown(msg)
        wanted |= named
    return [name for name in known if name in wanted]


def read_catalogue(text: str) -> dict[str, Quantity]:
    faults = Faults()
    place = Place(FILE, "")
    quantities: dict[str, Quantity] = {}
    root = yaml.compose(text, yaml.CSafeLoader)
    assert root is not None, f"{FILE} is empty"
    for name, node in read_mapping(root, place, faults).items():
        try:
            row = list(read_row(name, node))
        except (AttributeError, KeyError, TypeError, ValueError):
            faults.add(place.at(name), node, f"is not a row such as {FORM}")
            continue
        for quantity in row:
            if quantity.name in quantities:
                faults.add(place.at(name), node, f"{quantity.name} is also in another row")
            quantities[quantity.name] = quantity
    if faults.found:
        raise ConfigFault(faults.found)
    return quantities


def read_row(name: str, node: yaml.Node) -> Iterator[Quantity]:
    """Yield the quantities that a row stands for.

    By hand, for ``read_options`` would double the time that the catalogue takes at every start.
    Raise AttributeError, KeyError, TypeError or ValueError where the row has another form.
    """
    cells = {key.value: value.value for key, value in node.value}
    low, high = (float(each.value) for each in cells.pop("range"))
    per = {each.value for each in cells.pop("per", ())}
    unit, kind, text = cells.pop("unit", ""), cells.pop("kind"), cells.pop("help")
    past = {"true": True, "false": False}[cells.pop("past", "false")]
    if cells or low >= high or kind not in get_args(Kind) or not per <= ENDINGS.keys():
        raise ValueError(name)
    for ending in product(*(ENDINGS[each].items() for each in ENDINGS if each in per)):
        full_name = name + "".join(suffix for suffix, _ in ending)
        full_help = text + "".join(words for _, words in ending)
        yield Quantity(full_name, unit, kind, full_help, low, high, past)
