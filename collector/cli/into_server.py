"""Fills the buckets of an InfluxDB from a backup, and tells of it."""

from datetime import UTC, datetime

import click

from backup.chosen import Chosen
from backup.influxdb.influxdb_1 import connect
from backup.influxdb.refill import refill
from backup.progress import Progress
from collector import text
from collector.errors import BackupFault, Damaged


def into_server(chosen: Chosen, url: str, token: str, *, replace: bool) -> None:
    """Restore the buckets of an InfluxDB, and tell of it. Raise BackupFault."""
    progress = Progress(f"restore {chosen.id}")
    try:
        done = refill(chosen, connect(url, token), datetime.now(UTC), progress, replace=replace)
    except Damaged:
        raise
    except BackupFault as error:
        msg = f"{error}\nRun the same command again: it goes on where it stopped"
        raise BackupFault(msg) from error
    finally:
        progress.end()
    for bucket, points in done.points.items():
        click.secho(f"bucket {bucket}: {points:,} points restored and counted", fg="green")
    for bucket, aside in done.kept.items():
        click.echo(f"  the previous data of bucket {bucket} is in bucket {aside}")
    for note in done.notes:
        click.echo(f"  {note}")
    click.echo(f"  {text.amount(progress.done)} in {text.duration(progress.took_s)}")
