"""The command ``energy-monitor restore``."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector import text
from collector.cli.arguments import config_option, pasteable
from collector.cli.backup import from_option, identity_option, signed_by_option, warn
from collector.errors import BackupFault, ConfigFault

if TYPE_CHECKING:
    from backup.chosen import Chosen
    from backup.stores.folder import Store
    from collector.config import Config

MOST_NOTES = 20
LONGEST_NOTE = 1000
# ruff: noqa: PLC0415  see cli.backup


@click.command()
@click.argument("wanted", metavar="[ID|latest]", default="latest")
@from_option
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Only write it into this empty folder, in a form for 'influx restore'.",
)
@click.option("--into", "url", metavar="URL", help="Only restore the buckets of this InfluxDB.")
@click.option(
    "--replace",
    is_flag=True,
    help="Overwrite files that differ, and delete the previous data of the buckets.",
)
@identity_option
@signed_by_option
@click.option(
    "--admin-token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="InfluxDB's operator token; else the secret influxdb-admin-token is used.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@config_option
def restore(
    wanted: str,
    where: str | None,
    folder: Path | None,
    url: str | None,
    replace: bool,
    identity: Path | None,
    signed_by: str | None,
    admin_token_file: Path | None,
    yes: bool,
    file: Path,
) -> None:
    """Bring back a backup: onto this machine, into an InfluxDB, or into a folder.

    Without --to and --into it is this machine: configuration, secrets (of encrypted backups),
    InfluxDB, Grafana, and what the journal has since. Nothing that is there is lost: beside a file
    that differs the restored one is put, and a bucket gets another name. With --replace they go.

    What was cut off goes on when the same command is run again.

    \b
    Examples:
      sudo energy-monitor restore
      sudo energy-monitor restore --from azure --identity key.txt
      energy-monitor restore 20261120T193000Z --from /mnt/usb/backups --to /tmp/restored
      energy-monitor restore --into http://nas:8086 --admin-token-file token
    """
    if folder and url:
        raise click.UsageError("--to and --into cannot be combined")
    from backup import signing
    from backup.influxdb.kind import kind_of

    store = store_of(where, file)
    store.trusted = signing.wanted(file.parent, signed_by)
    chosen = choose(store, wanted, identity, file)
    click.echo(f"backup {chosen.id} of {chosen.store.name}")
    if not store.trusted and signed_by is None:
        for line in unproved(chosen.manifest.signed_by):
            warn(f"  {line}")
    tell_notes(chosen)
    if folder:
        to_folder(chosen, folder)
    elif url:
        from collector.cli.into_server import into_server

        into_server(chosen, url, token_for(admin_token_file, file), replace=replace)
        if kind_of(chosen.manifest.influxdb).tokens:
            renew = "'sudo energy-monitor setup influxdb --renew'"
            click.echo(pasteable(f"  these buckets need new tokens: {renew}"))
    else:
        from collector.cli import restore_here

        plan = restore_here.look(chosen, file, admin_token_file, replace=replace)
        for line in plan.summary():
            click.echo(f"  {line}")
        if not yes and sys.stdin.isatty():
            click.confirm("Restore this?", abort=True)
        restore_here.restore(plan)
    tell_notes(chosen)
    if chosen.manifest.influxdb and not folder:
        left = kind_of(chosen.manifest.influxdb).left_behind.format(id=chosen.id)
        click.echo(pasteable(f"  {left}"))


def tell_notes(chosen: "Chosen") -> None:
    """Repeat what was said when the backup was made: what is not in it, and what comes back."""
    notes = chosen.manifest.notes
    for note in notes[:MOST_NOTES]:
        warn(f"  {text.plain(note, LONGEST_NOTE)}")
    if len(notes) > MOST_NOTES:
        warn(f"  and {len(notes) - MOST_NOTES} more notes: 'energy-monitor backup list --json'")


def store_of(where: str | None, file: Path) -> "Store":
    """Return where the backup is kept; the configuration is read only where it tells that."""
    from backup.stores import connect
    from collector import config

    if where and connect.is_far(where):  # also where the configuration is what is to be restored
        return connect.open_far(where, file.parent / "secrets")
    if where:
        return connect.open_folder(Path(where))
    if not file.exists():
        raise BackupFault(f"there is no {file} that names the folder of the backups: add --from")
    return connect.open_store(None, config.load(file))


def unproved(signed_by: str | None) -> Iterator[str]:
    """Say what can't be known of a backup on a machine that knows no key to trust."""
    if signed_by:
        yield f"it is signed with the key {signed_by}, which this machine does not know:"
        yield "is it the one that you wrote down? --signed-by KEY compares it"
    else:
        yield "it is not signed: whoever can write to that place may have made it"


def choose(store: "Store", wanted: str, identity: Path | None, file: Path) -> "Chosen":
    """Return the backup that is meant; a key that it takes is asked for on a terminal."""
    from backup import chosen
    from backup.latest import now_if_right, pick

    keys = [identity.read_text(encoding="utf-8")] if identity else []
    backup_id = pick(store, wanted, now_if_right(config_if_sound(file)), warn)
    if not keys and sys.stdin.isatty() and chosen.is_encrypted(store, backup_id):
        keys = [click.prompt("The backup is encrypted. Its private key", hide_input=True)]
    return chosen.choose(store, backup_id, keys)


def config_if_sound(file: Path) -> "Config | None":
    """Return the configuration; None where it is missing or damaged: a backup may bring it back."""
    from collector import config

    try:
        return config.load(file)
    except (ConfigFault, OSError):
        return None


def to_folder(chosen: "Chosen", folder: Path) -> None:
    from backup.influxdb.kind import kind_of
    from backup.influxdb.stock import write_stock
    from backup.progress import Progress

    progress = Progress(f"restore {chosen.id}")
    try:
        notes = write_stock(chosen, folder, datetime.now(UTC), progress)
    finally:
        progress.end()
    click.secho(f"{folder} holds backup {chosen.id}: {text.amount(progress.done)}", fg="green")
    for note in notes:
        click.echo(f"  {note}")
    if chosen.manifest.influxdb:
        kind = kind_of(chosen.manifest.influxdb)
        click.echo(f"  into an InfluxDB: {kind.stock_command} {folder}")
        if kind.tokens:
            click.echo(
                "  with its users, tokens and tasks, into an empty one: add --full "
                "--operator-token OLD (the operator token it had)"
            )


def token_for(admin_token_file: Path | None, file: Path) -> str:
    """Return InfluxDB's operator token, from its file or the secret. Raise BackupFault."""
    from collector.errors import SecretMissing
    from collector.secrets import Secret

    if admin_token_file:
        return admin_token_file.read_text(encoding="utf-8").strip()
    try:
        return Secret("influxdb-admin-token", file.parent / "secrets").value()
    except SecretMissing as error:
        raise BackupFault(f"{error}; or give --admin-token-file") from error
