"""Who stands behind the doors: sources, derivations and outputs by name, from entry points.

Outside packages join by naming a class in the entry point group ``energy_monitor.sources`` or
``energy_monitor.outputs``. A class is imported only when it is asked for.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from collector.errors import EnergyMonitorError
from collector.scalars import did_you_mean


class NotKnown(EnergyMonitorError):
    """No source or output of that name; the message lists those that are."""


def names(group: str) -> list[str]:
    """Return the known names of *group*, which is 'sources', 'derivations' or 'outputs'."""
    return sorted(found(group))


def find(group: str, name: str) -> Any:
    """Import and return the class called *name*. Raise NotKnown."""
    known = found(group)
    if name not in known:
        near = did_you_mean(name, known)
        msg = f"no {group[:-1]} named {name!r}{near}; known: {', '.join(sorted(known)) or 'none'}"
        raise NotKnown(msg)
    try:
        return known[name].load()
    except ImportError as error:
        msg = f"the {group[:-1]} {name!r} needs a package that is not installed: {error.name}"
        raise NotKnown(msg) from error


def found(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"energy_monitor.{group}")}
