"""Brings a backup back onto this machine: everything is looked at first, then done in order.

    configuration and secrets → InfluxDB → tokens → Grafana → collector → journal

Each step does nothing where it was done before, so a cut one is completed by the next run.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import click

from backup import signing
from backup.chosen import Chosen
from backup.files import GRAFANA, LEDGER, PACKAGES
from backup.influxdb.influxdb_1 import connect
from backup.influxdb.kind import kind_of
from backup.influxdb.refill_2 import listing_of
from backup.influxdb.restore import require_room
from backup.manifest import time_of
from backup.putback import (
    OF_THIS_MACHINE,
    Placed,
    put_back,
    put_back_grafana,
    put_back_installation,
    put_back_ledger,
    put_back_secrets,
)
from collector import config, text
from collector.cli import journal
from collector.cli.into_server import into_server
from collector.cli.units import COLLECTOR, STACK, is_active, systemctl
from collector.config import Config
from collector.errors import BackupFault, ConfigFault, SecretMissing
from collector.ledger import rebuilt
from collector.run.identity import installation
from collector.run.replay import replay
from collector.secrets import Secret

ADMIN_TOKEN = "influxdb-admin-token"  # noqa: S105  the name of a file
# What InfluxDB had in memory as it was backed up may be missing there.
OVERLAP = timedelta(hours=1)
PACKED = f"config/{PACKAGES}"
FACTOR = 1.3  # InfluxDB's index beside the data, and some air


@dataclass(frozen=True)
class Plan:
    """What is to be done. *config* is the one that will be in force once *file* is.

    *outputs* are those of its outputs that write to the InfluxDB which is restored, and *token*
    is its operator token, None for one that is new and has none.
    """

    chosen: Chosen
    file: Path
    config: Config
    outputs: tuple[str, ...]
    token: str | None
    admin_token_file: Path | None
    replace: bool

    @property
    def secrets(self) -> Path:
        return self.file.parent / "secrets"

    @property
    def url(self) -> str:
        return str(self.config.outputs[self.outputs[0]].url)

    def summary(self) -> Iterator[str]:
        manifest = self.chosen.manifest
        size = sum(file.size for file in manifest.files.values())
        taken_at = text.plain(manifest.taken_at)
        yield f"taken at {taken_at} in the house {manifest.site[:200]!r}, {text.amount(size)}"
        if self.outputs:
            yield f"its InfluxDB {manifest.influxdb} goes to {self.url}"
        if self.replace:
            yield "files that differ are overwritten, previous data of the buckets is deleted"


def look(chosen: Chosen, file: Path, admin_token_file: Path | None, *, replace: bool) -> Plan:
    """Find out beforehand what would go wrong. Raise EnergyMonitorError: nothing was changed."""
    loaded = config_in_force(chosen, file, replace=replace)
    influxdbs = {name: each for name, each in loaded.outputs.items() if each.type == "influxdb"}
    token: str | None = None
    outputs: tuple[str, ...] = ()
    if influxdbs and chosen.manifest.influxdb:
        url = next(iter(influxdbs.values())).url  # of several, the first is what is backed up
        outputs = tuple(name for name, each in influxdbs.items() if each.url == url)
        if not connect(url, "none").is_new():
            token = admin_token(chosen, loaded, file, admin_token_file)
            listing_of(connect(url, token))
        if urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}:
            size = sum(each.size for each in chosen.manifest.files.values())
            require_room(Path("/var/lib"), round(size * FACTOR))
    return Plan(chosen, file, loaded, outputs, token, admin_token_file, replace)


def config_in_force(chosen: Chosen, file: Path, *, replace: bool) -> Config:
    """Return the configuration that will be in force: the one that is here, or the backup's."""
    if f"config/{file.name}" in chosen.manifest.files and (replace or not file.exists()):
        with tempfile.TemporaryDirectory() as folder:
            put_back(chosen, "config", Path(folder))
            try:
                return config.load(Path(folder) / file.name).moved(file)
            except ConfigFault as error:
                require_packages(chosen, file.parent / PACKAGES, error)
                raise
    if not file.exists():
        raise BackupFault(f"there is no {file}, and backup {chosen.id} does not hold it either")
    return config.load(file)


def require_packages(chosen: Chosen, here: Path, error: ConfigFault) -> None:
    """Raise BackupFault where packages of the owner's are missing here, which *error* may mean.

    What a backup lists is run by root, so a person puts it there.
    """
    if PACKED not in chosen.manifest.files:
        return
    wanted = listed(chosen.whole(PACKED))
    missing = wanted - listed(here.read_bytes() if here.exists() else b"")
    if missing:
        raise BackupFault(
            f"the backup's configuration is not usable here yet: {error.faults[0]}. It was made "
            f"with packages of your own: write {', '.join(sorted(missing))} into {here}, a line "
            "each, run install.sh again, and restore then"
        ) from error


def listed(content: bytes) -> set[str]:
    lines = (
        text.plain(each.strip(), 200) for each in content.decode(errors="replace").splitlines()
    )
    return {each for each in lines if each and not each.startswith("#")}


def admin_token(chosen: Chosen, loaded: Config, file: Path, admin_token_file: Path | None) -> str:
    """Return InfluxDB's operator token: of this machine, or else as it was backed up."""
    if admin_token_file:
        return admin_token_file.read_text(encoding="utf-8").strip()
    name = getattr(loaded.main.backup.admin_token, "name", ADMIN_TOKEN)
    try:
        return Secret(name, file.parent / "secrets").value()
    except SecretMissing:
        known = chosen.secrets()
        if name not in known:
            raise
        return known[name].decode().strip()


def restore(plan: Plan) -> None:
    """Do what was planned, and say what was done. Raise EnergyMonitorError."""
    keeping = OF_THIS_MACHINE | {each.name for each in tokens(plan)}
    folder, replace = plan.file.parent, plan.replace
    tell(put_back(plan.chosen, "config", folder, replace=replace))
    tell(put_back_secrets(plan.chosen, plan.secrets, replace=replace, keeping=keeping))
    if plan.outputs:
        restore_influxdb(plan)
    restart_stack(plan)
    restore_ledger(plan)
    if is_active(COLLECTOR):
        systemctl("restart", COLLECTOR)  # it is handed its secrets when it starts
    if plan.outputs:
        replay_journals(plan)
    if plan.chosen.manifest.signed_by:  # whose backup this machine stands on, it trusts
        signing.trust(folder, plan.chosen.manifest.signed_by)
    click.secho(f"backup {plan.chosen.id} is restored", fg="green")


def tokens(plan: Plan) -> Iterator[Secret]:
    for name in plan.outputs:
        options = plan.config.outputs[name]
        yield from (each for each in (options.token, options.read_token) if each)


def tell(placed: Placed) -> None:
    for file in placed.written:
        click.echo(f"restored: {file}")
        if file.name == PACKAGES:
            click.secho(f"look at {file}: the next install.sh installs what it lists", fg="yellow")
    for file in placed.beside:
        click.secho(f"{file.with_suffix('')} differs and stays; restored: {file}", fg="yellow")


def restore_influxdb(plan: Plan) -> None:
    """Restore the buckets, and give the outputs tokens for them."""
    token = plan.token
    if token is None:
        set_up(plan, plan.outputs[0])
        token = Secret(ADMIN_TOKEN, plan.secrets).value()
    into_server(plan.chosen, plan.url, token, replace=plan.replace)
    if not kind_of(plan.chosen.manifest.influxdb).tokens:
        return  # its users keep their rights
    for name in plan.outputs:
        set_up(plan, name, "--renew")


def set_up(plan: Plan, *words: str) -> None:
    """Run 'setup influxdb' as a process of its own: what it imports takes 40 MB."""
    command = [sys.executable, "-m", "collector.cli", "setup", "influxdb", "--no-restart", *words]
    if plan.admin_token_file:
        command += ["--admin-token-file", str(plan.admin_token_file)]
    done = subprocess.run([*command, "--config", plan.file], check=False)  # noqa: S603  ours
    if done.returncode:
        raise BackupFault(
            "the tokens of InfluxDB could not be created; fix the cause and run this again"
        )


def restart_stack(plan: Plan) -> None:
    """Put Grafana's database in its place while it is stopped, and hand it its new token."""
    active = is_active(STACK)
    if active:
        systemctl("stop", STACK)
    try:
        restore_grafana(plan, stopped=active)
    finally:
        if active:
            systemctl("start", STACK)


def restore_ledger(plan: Plan) -> None:
    """Put the ledger where its keeper takes it, and the word of the installation beside it."""
    if plan.replace or not installation(plan.config.data_dir):
        put_back_installation(plan.chosen, plan.config.data_dir)
    if LEDGER not in plan.chosen.manifest.files:
        return
    ledger = plan.config.ledger
    place = put_back_ledger(plan.chosen, ledger, rebuilt.ready(ledger), replace=plan.replace)
    if place == rebuilt.ready(ledger):
        click.echo(f"restored: {ledger}")
    else:
        click.secho(f"{ledger} differs and stays; restored: {place}", fg="yellow")


def restore_grafana(plan: Plan, *, stopped: bool) -> None:
    """Put Grafana's database in its place, or where it may be used, beside what is there."""
    if GRAFANA not in plan.chosen.manifest.files:
        return
    database = Path(plan.config.main.backup.grafana)
    if database.parent.is_dir() and not (database.exists() and not (plan.replace and stopped)):
        put_back_grafana(plan.chosen, database)
        click.echo(f"restored: {database}")
        return
    beside = plan.config.data_dir / "grafana.db.restored"
    beside.parent.mkdir(parents=True, exist_ok=True)
    put_back_grafana(plan.chosen, beside)
    why = "is not replaced" if database.exists() else "has no folder here"
    click.secho(
        f"{database} {why}; restored: {beside}. To use it, stop Grafana, put it there under that "
        "name, and start Grafana",
        fg="yellow",
    )


def replay_journals(plan: Plan) -> None:
    """Deliver what the backup's journal has, and have this machine's journal do so since then."""
    loaded = config.load(plan.file)
    since_ms = round((time_of(plan.chosen.id) - OVERLAP).timestamp() * 1000)
    paths = plan.chosen.under("journal")
    for name in plan.outputs:
        if paths:
            taken, refused = replay(loaded, name, map(plan.chosen.whole, paths))
            line = f"journal of the backup: {taken:,} readings delivered to {name} again"
            click.echo(line + (f", {refused:,} refused" if refused else ""))
        if (loaded.data_dir / "journal" / "log").is_dir():
            again = rewind(loaded, name, since_ms)
            click.echo(f"journal of this machine: {again:,} readings go to {name} again")


def rewind(loaded: Config, name: str, since_ms: int) -> int:
    request = {"ask": "replay", "output": name, "since_ms": since_ms}
    return journal.have(loaded, request, "again", lambda each: each.rewind(name, since_ms))
