"""The door of sources: what yields readings."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from collector.contract.common import Context
from collector.reading import Reading


class Source(Protocol):
    """Reads one or more devices over one line.

    *Options* is a frozen dataclass made with ``collector.options.option``. Sources that return
    the same *line* are read by one thread, one after the other. *quantities* names all that it
    can read, and *patience_s* says how long a read may take at most when the device is silent.
    """

    Options: ClassVar[type]

    def __init__(self, name: str, options: Any, context: Context) -> None:
        """Check and remember. Raise BadOption."""

    @property
    def line(self) -> str: ...

    @property
    def quantities(self) -> Collection[str]: ...

    @property
    def patience_s(self) -> float: ...

    def open(self) -> None:
        """Get ready to read; called again after LineAway. Raise ReadFault, NotProvided."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Read *quantities* now and stamp them with the slot's time *at_ms*.

        What is read besides is left out by the intake. Raise ReadFault, NotProvided.
        """

    def close(self) -> None: ...


@runtime_checkable
class Remembering(Protocol):
    """A source that fetches what was measured before, and remembers how far it has come."""

    def journalled(self) -> None:
        """Hear that all of the last read is in the journal: it need not be fetched again.

        A power cut may still take what the journal has not yet forced onto the disk; whoever
        writes his progress down at the next read instead of now fetches that again.
        """


@runtime_checkable
class Raw(Protocol):
    """A source that shows what its device says, as it says it (``read --raw``)."""

    def read_raw(self) -> list[dict[str, Any]]:
        """Return a row for each register or label, and what it means. Raise ReadFault.

        A register has ``quantity``, ``address``, ``function``, ``type``, ``words`` and ``value``,
        a label ``label``, ``text``, ``quantity``, ``value`` and ``meaning``.
        """


@runtime_checkable
class Advising(Protocol):
    """A source that knows what its owner should change about its line."""

    def advice(self) -> Sequence[str]:
        """Return a sentence for each such thing."""


@runtime_checkable
class Timed(Protocol):
    """A source that knows how long it keeps its line busy."""

    def bus_time_ms(self, quantities: Collection[str]) -> float:
        """Return how long reading *quantities* takes on the line."""


@runtime_checkable
class Framed(Protocol):
    """A source on a serial line; *framing* (``lines.serial.Framing``) is how it is set, or None."""

    @property
    def framing(self) -> Any: ...
