"""What every source, every output and every derivation understands in the configuration."""

from dataclasses import dataclass, field

from collector.options import option
from collector.scalars import Label, Role, Seconds

LONGEST_EVERY_S = 7 * 86400


class EntryOptions:
    """What the options of sources, outputs and derivations have in common."""

    def extras(self) -> tuple[str, ...]:
        """Return the extras of ``pyproject.toml`` that these options need."""
        return ()


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
class SourceOptions(EntryOptions):
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
    role: Role = option(
        "what the device is in the house: grid, solar, battery, house, heat_pump, or 'part of' "
        "another device or of 'house'; see docs/flows.md",
        example="part of house",
        default=Role(),
    )
    roles: dict[str, Role] = option(
        "roles of single devices, for a source that has several",
        example={"washer": "part of house"},
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
class OutputOptions(EntryOptions):
    """What every output understands."""

    type: str = option("type of the output", example="influxdb")
    every: Seconds = option(
        "delivery interval; a delivery waits up to half a second for the readings of the slot, "
        "and a backlog is sent immediately in batches",
        example="3s",
        default=Seconds(3),
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


@dataclass(frozen=True, kw_only=True)
class DerivationOptions(EntryOptions):
    """What every derivation understands."""

    type: str = option("type of the derivation", example="battery_bank")
    enabled: bool = option("false turns it off, and keeps its options", default=True)
    since: str = option(
        "where a new derivation begins: 'newest', 'beginning' (the oldest reading kept), a "
        "duration back such as '7d', or a time; ignored once it has begun",
        example="7d",
        default="newest",
    )
    label: Label = option(
        "name for people, in any script; shown beside the plain name, never stored",
        example="Akku",
        default=Label(),
    )
