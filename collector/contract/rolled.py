"""The names of what is rolled up over a minute, an hour or a local day.

A device of the kind ``electricity`` has readings of the kinds ``electricity_1m``, ``…_1h`` and
``…_1d``, each at the time at which its period begins. They are about the past: they are no values
of now, and an output gets them only where its ``select: kinds`` names them.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from collector.quantity import Quantity, catalogue

PERIODS = ("1m", "1h", "1d")
ENDS = tuple(f"_{period}" for period in PERIODS)
BYTE_ENDS = frozenset(end.encode() for end in ENDS)
END_LENGTH = 3
# What is kept of a gauge, a counter and a state, with what its help adds.
OF_GAUGES = {
    "_mean": "mean",
    "_lowest": "lowest value",
    "_highest": "highest value",
    "_last": "last value",
}
OF_COUNTERS = {"_used": "how much it rose"}
OF_STATES = {"_last": "last value"}  # a mean of states is none
OF = {"gauge": OF_GAUGES, "counter": OF_COUNTERS, "state": OF_STATES}


def is_rolled(kind: str) -> bool:
    return kind.endswith(ENDS)


def is_rolled_line(line: bytes) -> bool:
    """Tell it of an encoded reading."""
    end = line.find(b",")
    return line[end - END_LENGTH : end] in BYTE_ENDS


@functools.cache
def rolled() -> Mapping[str, Quantity]:
    """Return every quantity of what is rolled up; the catalogue itself stays as it is."""
    found = {}
    for each in catalogue().values():
        if each.past:
            continue
        for end, words in OF[each.kind].items():
            name = each.name + end
            made = replace(each, name=name, help=f"{words} of: {each.help}")
            found[name] = made if each.kind == "state" else replace(made, kind="gauge")
    return MappingProxyType(found)


def quantity_of(name: str) -> Quantity | None:
    """Return the quantity *name*, of the catalogue or rolled up."""
    return catalogue().get(name) or rolled().get(name)
