"""The doors of the collector.

A Source yields readings, an Output delivers them, a Derivation computes readings from readings.

Constructors check and remember; the outside world is touched in ``open`` and let go in ``close``,
which may be called twice. Threads, retries, pauses, counting and ranges are not their business:
the pump takes care of them, so a source or an output can be used with no thread and no clock.
"""

from collector.contract.common import BadOption, Context, Lines
from collector.contract.derivation import AllBut, Derivation, Ticking
from collector.contract.discovery import Discovering, Found, Manner, Search, with_role
from collector.contract.options import (
    LONGEST_EVERY_S,
    DerivationOptions,
    EntryOptions,
    OutputOptions,
    ReadGroup,
    RenameOptions,
    SelectOptions,
    SourceOptions,
)
from collector.contract.output import KeepingKinds, Output
from collector.contract.source import Advising, Framed, Raw, Remembering, Source, Timed

__all__ = [
    "LONGEST_EVERY_S",
    "Advising",
    "AllBut",
    "BadOption",
    "Context",
    "Derivation",
    "DerivationOptions",
    "Discovering",
    "EntryOptions",
    "Found",
    "Framed",
    "KeepingKinds",
    "Lines",
    "Manner",
    "Output",
    "OutputOptions",
    "Raw",
    "ReadGroup",
    "Remembering",
    "RenameOptions",
    "Search",
    "SelectOptions",
    "Source",
    "SourceOptions",
    "Ticking",
    "Timed",
    "with_role",
]
