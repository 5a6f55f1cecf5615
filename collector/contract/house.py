"""What stands at the top of the configuration: the house, its clock, its journal."""

from dataclasses import dataclass, field
from typing import Literal

from collector.backup_options import BackupOptions
from collector.contract.page import PageOptions
from collector.options import option
from collector.reading import NAME
from collector.scalars import Bytes, FilePath, Seconds


@dataclass(frozen=True, kw_only=True)
class ClockOptions:
    """When the time of day can be trusted."""

    trust: Literal["synchronised", "always"] = option(
        "'synchronised' holds readings back until the kernel reports a synchronised clock; "
        "'always' is for a machine with a battery-backed clock or without a network",
        example="always",
        default="synchronised",
    )


@dataclass(frozen=True, kw_only=True)
class JournalOptions:
    """How long readings are kept on disk, and how much of it they may take."""

    sync: Seconds = option(
        "interval at which the journal is written to the disk for good; a power cut loses at "
        "most this much",
        example="10s",
        default=Seconds(10),
        low=0.1,
        high=3600,
    )
    keep: Seconds = option(
        "keep readings this long even after delivery",
        example="7d",
        default=Seconds(7 * 86400),
        low=3600,
    )
    keep_undelivered: Seconds = option(
        "keep readings that an output still lacks this long",
        example="365d",
        default=Seconds(365 * 86400),
        low=3600,
    )
    max_size: Bytes = option(
        "largest size on disk; beyond it the oldest readings are dropped",
        example="2 GB",
        default=Bytes(2 * 1000**3),
        low=1_000_000,
    )


@dataclass(frozen=True, kw_only=True)
class MainOptions:
    """What stands at the top of the file."""

    site: str = option(
        "name of the house; every stored reading carries it",
        example="home",
        default="home",
        pattern=NAME.pattern,
    )
    timezone: str = option(
        "time zone of the house, for days and for times that people read; storage is in UTC",
        example="Europe/Rome",
        default="UTC",
    )
    data_dir: FilePath = option(
        "folder for the journal and the state of the collector",
        example="/var/lib/energy-monitor",
        default=FilePath("/var/lib/energy-monitor"),
    )
    runtime_dir: FilePath = option(
        "folder for the socket of 'energy-monitor status'",
        example="/run/energy-monitor",
        default=FilePath("/run/energy-monitor"),
    )
    tariffs: FilePath = option(
        "file of the contracts that 'energy-monitor bill' computes with (docs/tariffs.md)",
        example="tariffs.yaml",
        default=FilePath("tariffs.yaml"),
    )
    clock: ClockOptions = field(
        default_factory=ClockOptions, metadata={"help": "when the time can be trusted"}
    )
    journal: JournalOptions = field(
        default_factory=JournalOptions, metadata={"help": "how long readings are kept on disk"}
    )
    page: PageOptions = field(
        default_factory=PageOptions, metadata={"help": "where the page is served, and to whom"}
    )
    backup: BackupOptions = field(
        default_factory=BackupOptions,
        metadata={"help": "where backups are kept, for how long, and who can read them"},
    )
