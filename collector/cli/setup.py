"""The commands ``energy-monitor setup …``."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector import text
from collector.cli.arguments import Duration, config_option
from collector.contract.rolled import is_rolled
from collector.errors import EnergyMonitorError
from collector.safe_text import safe

if TYPE_CHECKING:
    from collector.outputs.influxdb.setup import Done, Wanted

PROVISIONING = Path("/opt/energy-monitor/current/grafana-provisioning")


@click.group()
def setup() -> None:
    """Prepare the servers of the outputs."""


@setup.command()
@click.argument("output", required=False)
@click.option(
    "--retention",
    "retention_s",
    type=Duration(),
    default="0d",
    help="Retention of the bucket, such as 90d; 0d, the default, keeps readings for ever.",
)
@click.option("--change", is_flag=True, help="Set this retention for an existing bucket.")
@click.option("--renew", is_flag=True, help="Replace existing tokens.")
@click.option(
    "--admin-token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Where the server's admin token stands; else the secret influxdb-admin-token is used.",
)
@click.option("--no-restart", is_flag=True, help="Do not restart the services that use the tokens.")
@click.option(
    "--rollups",
    is_flag=True,
    help="Also make buckets for minutes (90 days), hours (5 years) and days (for ever), and print "
    "the outputs to them.",
)
@config_option
def influxdb(
    output: str | None,
    retention_s: float,
    change: bool,
    renew: bool,
    admin_token_file: Path | None,
    no_restart: bool,
    rollups: bool,
    file: Path,
) -> None:
    """Make bucket and tokens in InfluxDB 2 for an output of the configuration.

    The bucket gets shard groups of a day. A write-only and a read-only token go into the secrets
    that the output names as 'token' and 'read_token'; a new server gets its first user, whose
    password and token become secret files as well. Nothing secret is printed. Services that use a
    new token are restarted. It may be run again at any time.

    \b
    Examples:
      energy-monitor setup influxdb --retention 90d
      energy-monitor setup influxdb history --config config.yaml
      energy-monitor setup influxdb --rollups
    """
    from collector import config  # noqa: PLC0415
    from collector.cli import setup_rollups, units  # noqa: PLC0415
    from collector.outputs.influxdb import setup  # noqa: PLC0415  30 MB that only this needs

    loaded = config.load(file)
    name, options = find_output(loaded, "influxdb", output)
    files = token_files(name, options)
    wanted = setup.Wanted(
        url=options.url,
        org=options.org,
        bucket=options.bucket,
        retention_s=round(retention_s),
        folder=file.parent / "secrets",
        tokens=files,
        change=change,
        renew=renew,
    )
    admin_token = setup.read_secret(admin_token_file) if admin_token_file else None
    done = setup.set_up(wanted, admin_token)
    tell(name, wanted, done)
    written = [each.name for each in done.written]
    is_there = setup_rollups.are_in(loaded, wanted)
    for more in setup_rollups.wanted_with(wanted) if rollups or is_there else ():
        done = setup.set_up(more, admin_token)
        tell(name, more, done)
        written += [each.name for each in done.written]
    for line in units.hand_over(file, *written, restart=not no_restart):
        click.echo(f"  {line}")
    if options.read_token is None:
        click.echo(
            f"  add 'read_token: !secret {files['read'].name}' to outputs.{name}: then readings "
            "that the database loses in a power cut are noticed and sent again"
        )
    if rollups and not is_there:
        click.echo(setup_rollups.blocks(name, wanted))


@setup.command()
@click.argument("output", required=False)
@click.option("--change", is_flag=True, help="Replace other process lists of the listed inputs.")
@config_option
def emoncms(output: str | None, change: bool, file: Path) -> None:
    """Make the inputs, process lists and feeds in EmonCMS that an output lists as 'inputs'.

    An input that is missing is made; no reading is too old for it. A feed is found by tag and name.
    It may be run again at any time: what is there stays, and a process list that is another is only
    named, unless with --change.

    \b
    Examples:
      energy-monitor setup emoncms
      energy-monitor setup emoncms cloud --change --config config.yaml
    """
    from collector import config  # noqa: PLC0415
    from collector.outputs.emoncms import setup  # noqa: PLC0415

    name, options = find_output(config.load(file), "emoncms", output)
    done = setup.set_up(options, change=change)
    click.secho(f"{name}: EmonCMS at {options.url} is ready", fg="green")
    for each in done.made:
        click.echo(f"  made: {safe(each)}")
    for each in done.kept:
        click.echo(f"  exists: {safe(each)}")
    for each in done.other:
        click.secho(f"  {safe(each)}", fg="yellow")


@setup.command()
@click.option("--lan", "address", flag_value="0.0.0.0", help="The local network, with a password.")  # noqa: S104
@click.option("--local", "address", flag_value="127.0.0.1", help="This computer only.")
@config_option
def page(address: str | None, file: Path) -> None:
    """Say who can open the page: this computer only, or the local network with a password.

    The password is the secret 'page-password', which is made where it is missing. It is for a
    browser, and for programs as HTTP Basic with any user name. Nothing secret is printed.

    \b
    Examples:
      sudo energy-monitor setup page --lan
      sudo energy-monitor setup page --local
    """
    from collector.cli import setup_page  # noqa: PLC0415  only then needed

    if address is None:
        raise EnergyMonitorError("say who can open the page: --lan or --local")
    for line in setup_page.listen_at(file, address):
        click.echo(line)


@setup.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--provisioning",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=PROVISIONING,
    help="What Grafana starts with; it is copied.",
)
@config_option
def grafana(folder: Path, provisioning: Path, file: Path) -> None:
    """Write Grafana's provisioning into FOLDER, with the labels of the configuration.

    The dashboards show the names of devices, as they stand in the database. Here their 'label'
    takes its place. Give Grafana the folder as GRAFANA_PROVISIONING in
    /etc/energy-monitor/stack.env, and run this again after an upgrade or when labels change.

    \b
    Example:
      sudo energy-monitor setup grafana /etc/energy-monitor/grafana
    """
    from collector import config  # noqa: PLC0415
    from collector.dashboards.write import write  # noqa: PLC0415

    loaded = config.load(file)
    labels = {name: each.label for name, each in loaded.sources.items() if each.label}
    labels |= {name: each.label for name, each in loaded.derivations.items() if each.label}
    for each in loaded.sources.values():
        labels |= each.labels
    try:
        shutil.copytree(provisioning, folder, dirs_exist_ok=True)
        write(folder / "dashboards", labels)
    except OSError as error:
        raise EnergyMonitorError(f"{folder} cannot be written: {error}") from error
    click.secho(f"{folder}: dashboards with {len(labels)} labels", fg="green")
    click.echo(f"  add GRAFANA_PROVISIONING={folder} to /etc/energy-monitor/stack.env, then")
    click.echo("  sudo systemctl restart energy-monitor-stack")


def tell(name: str, wanted: "Wanted", done: "Done") -> None:
    """Say what is ready, what was written, and what has to be mended."""
    keeps = "for ever" if not done.retention_s else f"for {text.duration(done.retention_s)}"
    click.secho(f"{name}: InfluxDB {done.version} at {wanted.url} is ready", fg="green")
    click.echo(f"  bucket {wanted.bucket}: {done.bucket}, keeps readings {keeps}")
    for secret in done.written:
        click.echo(f"  written: {secret}")
    for secret in done.kept:
        click.echo(f"  exists and is accepted: {secret}")
    for secret in done.stale:
        click.secho(f"  the server does not accept {secret}: run this with --renew", fg="red")


def token_files(name: str, options: Any) -> dict[str, Path]:
    """Return the secret files of an output's tokens; one that may read is always made."""
    from collector.outputs.influxdb.setup import TOKENS  # noqa: PLC0415

    write, read = options.token, options.read_token
    files = {
        "write": write.folder / write.name,
        "read": read.folder / read.name if read else write.folder / TOKENS["read"],
    }
    if files["write"] == files["read"]:
        msg = (
            f"outputs.{name}: 'token' and 'read_token' must be different secrets: one writes, the "
            "other reads"
        )
        raise EnergyMonitorError(msg)
    return files


def takes_rollups(options: Any) -> bool:
    """Tell of an output whether it takes minutes, hours or days alone."""
    kinds = options.select.kinds if options.select else ()
    return bool(kinds) and all(map(is_rolled, kinds))


def find_output(loaded: Any, kind: str, name: str | None) -> tuple[str, Any]:
    """Return name and options of the output *name*, or of the only one of type *kind*."""
    outputs = {
        each: options
        for each, options in loaded.outputs.items()
        if options.type == kind and (each == name or not takes_rollups(options))
    }
    if name is None and len(outputs) == 1:
        return next(iter(outputs.items()))
    if name is None or name not in outputs:
        known = ", ".join(outputs) or "none"
        raise EnergyMonitorError(f"name an output of type {kind}; the configuration has: {known}")
    return name, outputs[name]
