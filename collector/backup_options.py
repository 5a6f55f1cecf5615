"""What the configuration says about backups; the commands of ``backup/`` read it from there."""

from dataclasses import dataclass, field

from collector.options import option
from collector.scalars import Bytes, Seconds
from collector.secrets import Secret


@dataclass(frozen=True, kw_only=True)
class KeepOptions:
    """How many backups stay in the folder: the newest ones, and the last of each day and so on."""

    hourly: int = option("the newest backups, whatever their age", example=10, default=10, low=1)
    daily: int = option("the last backup of each of this many days", example=7, default=7, low=0)
    weekly: int = option("the last backup of each of this many weeks", example=4, default=4, low=0)
    monthly: int = option(
        "the last backup of each of this many months", example=12, default=12, low=0
    )


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    """Where backups are kept, for how long, and who can read them."""

    folder: str = option(
        "folder for the backups; best on another disk than the database",
        example="/mnt/usb/backups",
        default="/var/lib/energy-monitor/backups",
    )
    keep: KeepOptions = field(
        default_factory=KeepOptions, metadata={"help": "how many backups stay in the folder"}
    )
    encrypt_to: tuple[str, ...] = option(
        "age public keys: only who has a private key of one of them can read what is in the "
        "backups, so secrets are backed up too ('age-keygen' makes a pair)",
        example=["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
        default=(),
        pattern="age1[a-z0-9]{58}",
    )
    admin_token: Secret | None = option(
        "InfluxDB's operator token, which alone may read all of it (default: the one that "
        "'energy-monitor setup influxdb' keeps)",
        example="!secret influxdb-admin-token",
        default=None,
    )
    grafana: str = option(
        "Grafana's database; left out of a backup where it is not there",
        example="/var/lib/grafana/grafana.db",
        default="/var/lib/docker/volumes/energy-monitor_grafana/_data/grafana.db",
    )
    upload_rate: Bytes = option(
        "use at most this much of the line out of the house, per second (0: all of it)",
        example="200 kB",
        default=Bytes(0),
        low=0,
    )
    upload_for: Seconds = option(
        "an upload ends after this long; the next one goes on where it ended",
        example="50m",
        default=Seconds(50 * 60),
        low=60,
    )
