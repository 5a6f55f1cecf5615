"""What everyone behind a door is given, and how he refuses an option."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from collector.contract.alert import Meaning
from collector.contract.options import OutputOptions
from collector.errors import EnergyMonitorError
from collector.scalars import Role

Line = TypeVar("Line")


class Lines(Protocol):
    """Hands out lines: sources that name the same one share it (``lines.serial.Lines``)."""

    @property
    def lines(self) -> Mapping[str, object]: ...

    def get(self, url: str, framing: Any, kind: type[Any]) -> Any:
        """Return the serial line *url*, not yet opened. Raise ValueError where it can't be one."""

    def share(self, url: str, line: Line) -> Line:
        """Return the line that *url* already names, or else *line*. Raise ValueError."""


@dataclass(frozen=True)
class HouseFiles:
    """What the whole house keeps: its contracts, its ledger, the public holidays it asked for."""

    tariffs: Path
    ledger: Path
    holidays: Path


@dataclass(frozen=True)
class Context:
    """What a source, an output or a derivation is given besides its options.

    *lines* hands out the connections that several sources may share, *config_dir* is where the
    owner's own device maps lie, *state_dir* is a folder of its own for what it must remember.
    *zone* is the time zone of the house, in which its days begin. *installation* is a random word
    that no other installation has; '' where none is known. *roles* says what the devices of all
    sources are in the house, *alerts* what each alert means, by its rule. *files* are those of the
    whole house, where a derivation may read.
    """

    site: str
    lines: Lines
    config_dir: Path
    state_dir: Path
    zone: ZoneInfo = ZoneInfo("UTC")
    installation: str = ""
    roles: Mapping[str, Role] = field(default_factory=dict)
    alerts: Mapping[str, Meaning] = field(default_factory=dict)
    files: HouseFiles | None = None

    def tags(self, options: OutputOptions) -> dict[str, str]:
        """Return the tags that an output adds to every reading: plain words, the site first."""
        return {"site": self.site, **options.tags}


class BadOption(EnergyMonitorError):
    """An option that its class accepts and the whole does not; *option* may be a path."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
