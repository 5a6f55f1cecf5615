"""The commands ``energy-monitor backup …``."""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector import text
from collector.cli.arguments import config_option, json_option, pasteable
from collector.cli.backup_connect import connect
from collector.cli.backup_sheet import sheet
from collector.cli.backup_text import entry, listed, verdict

if TYPE_CHECKING:
    from collector.config import Config
    from collector.errors import BackupFault

# All that the commands use is imported where it is used: 'energy-monitor --help' stays fast.
# ruff: noqa: PLC0415

from_option = click.option(
    "--from",
    "where",
    metavar="azure|sftp|FOLDER",
    help="Another place instead of the folder in the configuration; also as sftp://USER@HOST/FOLDER.",
)
identity_option = click.option(
    "--identity",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The private key of encrypted backups: a file as age-keygen writes it.",
)


signed_by_option = click.option(
    "--signed-by",
    metavar="KEY|anyone",
    help="Take only backups signed with this public key (see 'backup key'), or anyone's.",
)


def loaded_in(file: Path, where: str | None = None, groups: tuple[str, ...] = ()) -> "Config":
    """Load the configuration, and be the owner of the folder with the backups from now on."""
    from backup import ownership
    from backup.stores.connect import is_far
    from collector import config

    loaded = config.load(file)
    folder = Path(where) if where and not is_far(where) else loaded.backups
    ownership.step_down(folder, groups)
    return loaded


def tidy_up_when_ended() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@click.group()
def backup() -> None:
    """Back up all that the house would miss, and look after the backups."""


@backup.command()
@config_option
def key(file: Path) -> None:
    """Print the public key that this installation signs its backups with; make it if missing.

    Write it down beside the private key of encrypted backups: a new machine tells by it which
    backups are yours ('restore --signed-by').

    \b
    Example:
      sudo energy-monitor backup key
    """
    from backup import signing
    from collector import config

    click.echo(signing.own_key(file.parent, config.load(file).secrets))


@backup.command()
@config_option
def now(file: Path) -> None:
    """Make a backup now: InfluxDB, configuration, Grafana's database and journal.

    Only what is new is stored. What could not be had is left out and told.

    \b
    Example:
      sudo energy-monitor backup now
    """
    from backup import capture, signing
    from backup.progress import Progress
    from collector import config
    from collector.errors import UnsafeFolder

    tidy_up_when_ended()
    progress = Progress("backup")
    if os.access(file.parent, os.W_OK):
        try:
            signing.own_key(file.parent, config.load(file).secrets)
        except UnsafeFolder as error:
            click.secho(f"this installation has no key to sign with: {error}", fg="yellow")
    try:
        manifest, run = capture.capture(loaded_in(file), datetime.now(UTC), progress)
    finally:
        progress.end()
    files = text.counted(len(manifest.files), "file")
    click.echo(
        f"backup {manifest.id}: {text.amount(run.size)} in {files}, "
        f"{text.amount(run.new_bytes)} of it new, in {text.duration(run.took_s)}"
    )
    for note in manifest.notes:
        click.echo(pasteable(f"  {note}"))


@backup.command("list")
@from_option
@json_option
@config_option
def list_(where: str | None, as_json: bool, file: Path) -> None:
    """List the backups: age, size, what was new in each, whether it is proved, why it is kept.

    \b
    Examples:
      energy-monitor backup list
      energy-monitor backup list --from azure
      energy-monitor backup list --json | jq -r '.[-1].id'
    """
    from backup import rotation, signing
    from backup.latest import now_if_right
    from backup.stores.connect import open_store
    from backup.stores.folder import Folder
    from collector import backup_options

    loaded = loaded_in(file, where)
    store = open_store(where, loaded)
    store.trusted = signing.known(file.parent)
    runs = backup_options.read_runs(loaded.backups)
    kept = {}
    if isinstance(store, Folder):
        kept = rotation.plan(store, loaded.main.backup.keep, now_if_right(loaded))
    seen: set[str] = set()
    entries = [
        entry(each, store, seen, runs) | {"kept": list(kept.get(each, ()))} for each in store.ids()
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    click.echo(listed(entries) if entries else f"{store.name}: there is no backup")
    for alarm in backup_options.alarms(runs, datetime.now(UTC), off_site="upload" in runs):
        click.secho(pasteable(f"! {alarm}"), fg="red")


@backup.command()
@click.argument("wanted", metavar="[ID|latest]", default="latest")
@from_option
@identity_option
@signed_by_option
@json_option
@config_option
def verify(
    wanted: str,
    where: str | None,
    identity: Path | None,
    signed_by: str | None,
    as_json: bool,
    file: Path,
) -> None:
    """Read every object of a backup again and compare it with what was backed up.

    Names every damaged file and the newest backup without them; exit status 1 then. In the
    folder, damaged objects are set aside: the next backup stores their files anew.

    \b
    Examples:
      energy-monitor backup verify
      energy-monitor backup verify 20261120T193000Z --from azure --identity key.txt
    """
    from backup import signing
    from backup import verify as verifying
    from backup.latest import now_if_right, pick
    from backup.progress import Progress
    from backup.stores.connect import open_store

    loaded = loaded_in(file, where)
    store = open_store(where, loaded)
    store.trusted = signing.wanted(file.parent, signed_by)
    identities = [identity.read_text(encoding="utf-8")] if identity else []
    backup_id = pick(store, wanted, now_if_right(loaded), warn)
    progress = Progress(f"verify {backup_id}", store.manifest(backup_id).stored)
    try:
        found = verifying.verify_and_record(
            store, backup_id, identities, progress, datetime.now(UTC)
        )
    finally:
        progress.end()
    click.echo(json.dumps(vars(found), indent=2) if as_json else verdict(found))
    sys.exit(1 if found.damaged else 0)


def warn(sentence: str) -> None:
    click.secho(pasteable(sentence), fg="yellow", err=True)


@backup.command()
@config_option
def rotate(file: Path) -> None:
    """Remove the backups that newer ones replace, and what only they needed.

    What stays is told by 'backup.keep' of the configuration and shown by 'backup list'.

    \b
    Example:
      sudo energy-monitor backup rotate
    """
    from backup import rotation
    from backup.latest import now_if_right
    from backup.stores.folder import Folder

    loaded = loaded_in(file)
    options = loaded.main.backup
    now = now_if_right(loaded)
    done = rotation.rotate(Folder(loaded.backups), options.keep, now)
    click.echo(
        f"{len(done.removed)} backups removed, {len(done.kept)} kept, "
        f"{text.amount(done.freed)} freed"
    )


@backup.command()
@config_option
def upload(file: Path) -> None:
    """Bring backups out of the house, to every store that is connected.

    What is there already is not sent again; a run that was cut off goes on where it ended.

    \b
    Example:
      sudo energy-monitor backup upload
    """
    from backup.progress import Progress
    from backup.stores import connect as connecting
    from backup.stores import upload as uploading
    from backup.stores.folder import Folder

    loaded = loaded_in(file)
    options = loaded.main.backup
    unusable: list[BackupFault] = []
    stores = connecting.off_sites(loaded, unusable)
    if not stores and not unusable:
        click.echo(
            pasteable(
                "no store is connected: backups stay in the house; "
                "see 'energy-monitor backup connect --help'"
            )
        )
        return
    progress = Progress("upload")
    folder = Folder(loaded.backups)
    try:
        for far, done in uploading.run_each(folder, stores, options, progress, unusable):
            progress.end()
            backups = text.counted(len(done.ids), "backup")
            which = f"complete there: {backups}" if done.ids else "nothing was missing"
            click.echo(f"{far.name}: {text.amount(done.bytes)} sent, {which}")
            if done.late:
                click.echo("  more is left to upload: the next run continues")
    finally:
        progress.end()


@backup.command()
@identity_option
@config_option
def rehearse(identity: Path | None, file: Path) -> None:
    """Prove that the newest backup can be restored, by restoring it into an InfluxDB for a trial.

    It is the newest one outside the house where a store is connected. That InfluxDB, a program or
    a container of this machine, gets little memory and is gone afterwards.

    \b
    Examples:
      sudo energy-monitor backup rehearse
      sudo energy-monitor backup rehearse --identity key.txt
    """
    from backup import rehearse as rehearsing
    from backup.progress import Progress

    identities = [identity.read_text(encoding="utf-8")] if identity else []
    tidy_up_when_ended()
    progress = Progress("rehearsal")
    try:
        done = rehearsing.rehearse(
            loaded_in(file, groups=("docker",)), datetime.now(UTC), progress, identities
        )
    finally:
        progress.end()
    took = text.duration(done.took_s)
    counted = ", ".join(f"{points:,} points in {name}" for name, points in done.points.items())
    proved = f"restored completely: {counted}" if counted else "read, but not restored"
    click.secho(f"backup {done.id} of {done.store}: {proved} ({took})", fg="green")
    for note in done.notes:
        click.echo(pasteable(f"  {note}"))


backup.add_command(connect)
backup.add_command(sheet)
