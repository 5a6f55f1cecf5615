"""The door of the search: how a source finds its devices for ``scan``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable


@dataclass(frozen=True)
class Found:
    """A device that a search has recognised, and the configuration for it.

    *kind* is the ``type`` of its source, *place* its port or URL, *text* one line for people, and
    *options* what to configure, in order; without options there is nothing to configure. *stem*
    begins the name of the entry (default: *kind*). *remarks* has comments by option, as in
    ``devices.plug``, and by '' for the entry. A ``Secret`` is printed as ``!secret NAME``.

    Words of the device may stand in it as they came: they are made safe when they are printed.
    """

    kind: str
    place: str
    text: str
    options: Mapping[str, Any] = field(default_factory=dict)
    stem: str = ""
    remarks: Mapping[str, str] = field(default_factory=dict)


def with_role(remark: str, role: str) -> str:
    """Add to the remark of an entry which role it plainly has; its owner decides."""
    return f"{remark}; 'role: {role}' shows it in the power flow" if role else remark


@dataclass(frozen=True)
class Search:
    """Where to look for devices, and how to report.

    *line* is the one place that the owner named; where it is '', look wherever such a device may
    be. *ports* are the serial ports at which nothing is recognised yet, *device_dirs* the folders
    of the owner's device maps. *thorough* asks for all that is possible, however long it takes.
    ``progress`` takes what is done now and which part is done, from 0 to 1, or None; ``skipped``
    takes a sentence about a place that cannot be searched.
    """

    line: str
    ports: Sequence[str]
    progress: Callable[[str, float | None], None]
    skipped: Callable[[str], None]
    thorough: bool = False
    device_dirs: Sequence[Path] = ()


@dataclass(frozen=True)
class Manner:
    """How a source searches, which decides when it has its turn.

    One that only *listens* is first, one that *asks* a question or two is next, and one that
    *tries* many addresses is last. *at* is how the lines begin at which it finds something: '/'
    for serial ports. At the network *ports* named here nothing else is expected.
    """

    turn: Literal["listens", "asks", "tries"]
    at: tuple[str, ...]
    ports: tuple[int, ...] = ()


@runtime_checkable
class Discovering(Protocol):
    """A class of sources whose devices ``scan`` finds."""

    manner: ClassVar[Manner]

    @staticmethod
    def discover(search: Search) -> Iterator[Found]:
        """Yield what is recognised, and never write to it. Raise ReadFault, ValueError.

        What is found at a port is not asked by the sources whose turn comes later.
        """
