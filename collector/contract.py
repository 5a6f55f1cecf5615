"""The doors of the collector.

A Source yields readings, an Output delivers them, a Derivation computes readings from readings.

Constructors check and remember; the outside world is touched in ``open`` and let go in ``close``,
which may be called twice. Threads, retries, pauses, counting and ranges are not their business:
the pump takes care of them, so a source or an output can be used with no thread and no clock.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from collector.errors import EnergyMonitorError
from collector.options import option
from collector.reading import Reading
from collector.scalars import Label, Seconds

LONGEST_EVERY_S = 7 * 86400


@dataclass(frozen=True, kw_only=True)
class ReadGroup:
    """Quantities that are read at an interval of their own."""

    quantities: tuple[str, ...] = option(
        "quantities of this group; 'active_energy*' matches every name that starts with it",
        example=["active_energy", "reactive_energy"],
    )
    every: Seconds = option(
        "polling interval of the group", example="10s", low=0.05, high=LONGEST_EVERY_S
    )


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What every source understands."""

    type: str = option("type of the source", example="modbus")
    every: Seconds = option(
        "polling interval, aligned to the clock",
        example="1s",
        default=Seconds(1),
        low=0.05,
        high=LONGEST_EVERY_S,
    )
    quantities: tuple[str, ...] = option(
        "read only these; 'active_power*' matches every name that starts with it (default: all)",
        example=["voltage", "active_power"],
        default=(),
    )
    read: tuple[ReadGroup, ...] = option(
        "groups of quantities, each with its own polling interval",
        example=[{"quantities": ["active_energy"], "every": "10s"}],
        default=(),
    )
    rename: dict[str, str] = option(
        "store a quantity under another name from the catalogue with the same unit",
        example={"active_power": "active_power_import"},
        default={},
    )
    label: Label = option(
        "name for people, in any script; shown beside the plain name, never stored",
        example="Küche",
        default=Label(),
    )
    labels: dict[str, Label] = option(
        "labels of single devices, for a source that has several",
        example={"washer": "Waschmaschine"},
        default={},
    )


@dataclass(frozen=True, kw_only=True)
class SelectOptions:
    """Which readings an output gets, by their names before 'rename'; all, where nothing stands."""

    devices: tuple[str, ...] = option(
        "only these devices; 'light*' matches every name that starts with it",
        example=["mains", "light*"],
        default=(),
    )
    kinds: tuple[str, ...] = option(
        "only these kinds of devices", example=["electricity", "battery"], default=()
    )
    quantities: tuple[str, ...] = option(
        "only these quantities", example=["active_power*", "state_of_charge"], default=()
    )


@dataclass(frozen=True, kw_only=True)
class RenameOptions:
    """Under which other names an output gets readings."""

    devices: dict[str, str] = option(
        "other names of devices", example={"mains": "house"}, default={}
    )
    quantities: dict[str, str] = option(
        "other names of quantities, of the catalogue and with the same unit; a reading that has "
        "the new name already keeps both as they are",
        example={"active_power": "active_power_import"},
        default={},
    )


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What every output understands."""

    type: str = option("type of the output", example="influxdb")
    every: Seconds = option(
        "delivery interval; a backlog is sent immediately in batches",
        example="5s",
        default=Seconds(5),
        low=0.05,
        high=LONGEST_EVERY_S,
    )
    since: str = option(
        "where a new output begins: 'newest', 'beginning' (the oldest reading kept), a duration "
        "back such as '7d', or a time; ignored once it has begun",
        example="7d",
        default="newest",
    )
    select: SelectOptions = field(
        default_factory=SelectOptions, metadata={"help": "which readings the output gets"}
    )
    rename: RenameOptions = field(
        default_factory=RenameOptions, metadata={"help": "other names of devices and quantities"}
    )
    tags: dict[str, str] = option(
        "words that are added to every reading beside 'site', where the far side has such",
        example={"floor": "ground"},
        default={},
    )
    label: Label = option(
        "name for people, in any script; shown beside the plain name",
        example="Büro",
        default=Label(),
    )


Line = TypeVar("Line")


class Lines(Protocol):
    """Hands out lines: sources that name the same one share it (``lines.serial.Lines``)."""

    @property
    def lines(self) -> Mapping[str, object]: ...

    def get(self, url: str, framing: Any, kind: type[Any]) -> Any:
        """Return the serial line *url*, not yet opened. Raise ValueError where it can't be one."""

    def share(self, url: str, line: Line) -> Line:
        """Return the line that *url* already names, or else *line*. Raise ValueError."""


@dataclass(frozen=True, kw_only=True)
class DerivationOptions:
    """What every derivation understands."""

    type: str = option("type of the derivation", example="battery_bank")
    label: Label = option(
        "name for people, in any script; shown beside the plain name, never stored",
        example="Akku",
        default=Label(),
    )


@dataclass(frozen=True)
class Context:
    """What a source, an output or a derivation is given besides its options.

    *lines* hands out the connections that several sources may share, *config_dir* is where the
    owner's own device maps lie, *state_dir* is a folder of its own for what it must remember.
    """

    site: str
    lines: Lines
    config_dir: Path
    state_dir: Path

    def tags(self, options: OutputOptions) -> dict[str, str]:
        """Return the tags that an output adds to every reading: plain words, the site first."""
        return {"site": self.site, **options.tags}


class BadOption(EnergyMonitorError):
    """An option that its class accepts and the whole does not; *option* may be a path."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


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
        """Get ready to read; called again after LineAway. Raise ReadFault, SecretMissing."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Read *quantities* now and stamp them with the slot's time *at_ms*.

        What is read besides is left out by the intake. Raise ReadFault, SecretMissing.
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


class Output(Protocol):
    """Delivers readings somewhere; sending the same reading twice must not matter.

    A batch is a sequence of encoded readings (``collector.reading.decode`` reads one), oldest
    first. *batch_size* is the most it takes at once.

    *wants* is 'all' for a history: every reading in order. It is 'newest' for a state: at each
    delivery one reading per device, with the newest value of each quantity.

    *resend* says why a second send does no harm. 'idempotent': the same reading is stored as the
    same point. 'asks first': the output asks the far side for its newest time and leaves out what
    is older. 'newest only': a state replaces itself. Only an idempotent output gets readings
    again by itself, where ``newest_ms`` shows that the far side has lost some.
    """

    Options: ClassVar[type]
    batch_size: int
    wants: Literal["all", "newest"]
    resend: Literal["idempotent", "asks first", "newest only"]

    def __init__(self, name: str, options: Any, context: Context) -> None: ...

    def open(self) -> None:
        """Get ready to write; called again after OutputAway. Raise OutputAway."""

    def newest_ms(self) -> int | None:
        """Return the time of the newest reading that the far side holds; None if it can't say."""

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""

    def close(self) -> None: ...


class Derivation(Protocol):
    """Computes readings from readings, and knows nothing but them.

    *hears* names the kinds of device whose readings it is given, *makes* the kinds of those that it
    returns. The two never meet, so a derivation never hears itself. One may hear what another
    makes; a circle is refused. *quantities* names all that it can return.

    The same readings give the same result, however they are cut into batches: there is no clock
    here, time is what the readings carry. They come in the journal's order, which is that of their
    arrival: those of several sources interleave, and history that is fetched later comes late. What
    it must remember is in its state. After a crash it gets some readings again and returns the same
    readings as before, which for every output are the same points.
    """

    Options: ClassVar[type]
    hears: frozenset[str]
    makes: frozenset[str]

    def __init__(self, name: str, options: Any, context: Context) -> None:
        """Check and remember. Raise BadOption."""

    @property
    def quantities(self) -> Collection[str]: ...

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return what follows from *readings*, which come after all that came before."""

    def state(self) -> Any:
        """Return what ``restore`` takes: what ``json`` can write, the smaller the better."""

    def restore(self, state: Any) -> None:
        """Take up a state of before. Raise ValueError where it is none."""
