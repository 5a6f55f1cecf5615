"""Restores a backup into a running InfluxDB of its kind."""

from datetime import datetime

from backup.chosen import Chosen
from backup.influxdb.influxdb_2 import Server
from backup.influxdb.kind import kind_of
from backup.influxdb.restore import Refilled
from backup.progress import Progress
from collector.errors import BackupFault


def refill(
    chosen: Chosen, server: Server, now: datetime, progress: Progress, *, replace: bool = False
) -> Refilled:
    """Restore every bucket of a backup, as ``refill_2`` or ``refill_1`` says. Raise BackupFault."""
    held, version = chosen.manifest.influxdb, server.version()
    kind = kind_of(version)
    if held and kind_of(held) is not kind:
        raise BackupFault(
            f"backup {chosen.id} is of InfluxDB {held}, whose files {server.name}, which is "
            f"{version}, can't use. Nothing was changed. 'energy-monitor restore --to FOLDER' lays "
            "them down for an InfluxDB of their own"
        )
    return kind.refill(chosen, server, now, progress, replace=replace)
