"""The commands ``energy-monitor secret …``."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from collector.cli.arguments import config_option, json_option, pasteable
from collector.errors import ConfigFault, EnergyMonitorError

# What uses a secret without the configuration naming it.
USED_BY = {
    "backup-azure": "backups outside the house",
    "backup-signing": "the signature of backups",
    "backup-sftp": "backups outside the house",
    "grafana-admin": "Grafana, at its first start",
    "influxdb-admin-password": "you, to log in to InfluxDB",
    "influxdb-admin-token": "backups of InfluxDB",
    "influxdb-read-token": "Grafana",
    "mosquitto-password": "Mosquitto in Docker",
    "page-password": "Prometheus in Docker, to read /metrics",
    "postgresql-password": "PostgreSQL in Docker, at its first start",
    "redis-password": "Redis in Docker",
}
ON_THE_COMMAND_LINE = (
    "the value must not be on the command line: other users see it there, and the shell's history "
    "keeps it. Leave it out: it is asked for, or read from standard input"
)


@click.group()
def secret() -> None:
    """Store and show the passwords and tokens of this installation.

    The configuration names a secret: 'password: !secret mqtt-password'. Its value is a file in the
    folder 'secrets' beside the configuration.
    """


@secret.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("value", nargs=-1, metavar="")
@click.option("--no-restart", is_flag=True, help="Do not restart the services that use it.")
@click.option(
    "--hash", "as_hash", is_flag=True, help="Store only a hash of it: for page.password alone."
)
@config_option
def set_secret(
    name: str, value: tuple[str, ...], file: Path, *, no_restart: bool, as_hash: bool
) -> None:
    """Store a secret, and restart what uses it.

    The value is one line. On a terminal you are asked for it twice and see nothing of it;
    otherwise it is read from standard input. A secret of that name is replaced.

    \b
    Examples:
      sudo energy-monitor secret set mqtt-password
      sudo energy-monitor secret set mqtt-password < file-with-the-password
    """
    from collector import secrets  # noqa: PLC0415  only then needed
    from collector.cli import store  # noqa: PLC0415  likewise

    if value:
        raise EnergyMonitorError(ON_THE_COMMAND_LINE)
    require_name(name)
    places = places_by_name(file)
    folders = folders_of(file, name)
    try:
        for folder in folders:
            secrets.prepare(folder)
        given = given_value(name)
        if fault := store.fault_of(given):
            raise EnergyMonitorError(f"the value of {name!r} was not stored: {fault}")
        remark = store.remark_on(given)
        if as_hash:
            require_for_page(name, places)
            given = secrets.hashed(given)
        for folder in folders:
            require_loadable(folder, len(given))
            click.secho(f"stored: {store.store(folder, name, given)}", fg="green")
    except OSError as error:
        raise refusal(Path(error.filename or file), error) from error
    if remark:
        click.secho(remark, fg="yellow")
    if places is not None and name not in places and name not in USED_BY:
        click.secho(unnamed(name, file, places), fg="yellow")
    hand_over(file, name, restart=not no_restart)


def require_for_page(name: str, places: Mapping[str, list[str]] | None) -> None:
    """Raise EnergyMonitorError where another than the page would get a hash in place of *name*."""
    if (found := (places or {}).get(name)) != ["page.password"]:
        where = ", ".join(found or ["nothing"])
        raise EnergyMonitorError(
            f"{name!r} was not stored: {where} uses it, and only page.password can do with a hash"
        )


def hand_over(file: Path, name: str, *, restart: bool) -> None:
    """Restart what uses the secret *name*, and say so. Raise EnergyMonitorError."""
    from collector.cli import units  # noqa: PLC0415  only then needed

    try:
        for line in units.hand_over(file, name, restart=restart):
            click.echo(line)
    except ConfigFault:
        text = f"{units.COLLECTOR} was not restarted, because the configuration has these faults:"
        click.secho(text, fg="red", err=True)
        raise


@secret.command()
@click.argument("name", required=False)
@config_option
def show(name: str | None, file: Path) -> None:
    """Print the value of one secret; without a name, list the names.

    \b
    Examples:
      sudo energy-monitor secret show
      sudo energy-monitor secret show grafana-admin
    """
    folder = file.parent / "secrets"
    known = names_in(folder)
    if name is None:
        click.echo("\n".join(known) or f"no secret is in {folder}")
        return
    require_known(name, known, folder)
    try:
        value = (folder / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise refusal(folder / name, error) from error
    if not value:
        raise EnergyMonitorError(f"secret {name!r} is empty: {folder / name}")
    click.echo(value)


@secret.command("list")
@json_option
@config_option
def list_secrets(file: Path, *, as_json: bool) -> None:
    """List the secrets: which are stored, which are missing, and what uses them. No values.

    Exit status 1 where a file in the folder keeps the services from starting.

    \b
    Examples:
      sudo energy-monitor secret list
      sudo energy-monitor secret list --json | jq '.[] | select(.stored | not)'
    """
    from collector.text import table  # noqa: PLC0415

    folder = file.parent / "secrets"
    stored = names_in(folder) if folder.exists() else []
    places = places_by_name(file) or {}
    entries = [
        {"name": name, "stored": name in stored, "used_by": used_by(name, places)}
        for name in sorted({*stored, *places})
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
    else:
        rows = [
            [
                str(entry["name"]),
                "stored" if entry["stored"] else click.style("missing", fg="red"),
                ", ".join(used_by(str(entry["name"]), places)) or "nothing here",
            ]
            for entry in entries
        ]
        click.echo(table(["SECRET", "STATE", "USED BY"], rows))
    require_loadable(folder)


@secret.command()
@click.argument("name")
@config_option
def remove(name: str, file: Path) -> None:
    """Remove a secret that nothing uses any more.

    \b
    Example:
      sudo energy-monitor secret remove mqtt-password
    """
    folder = file.parent / "secrets"
    require_known(name, names_in(folder), folder)
    places = places_by_name(file)
    if places is None:
        raise EnergyMonitorError("correct the configuration first: it tells what uses the secret")
    if name in places:
        where = ", ".join(places[name])
        msg = f"{where} in {file} uses secret {name!r}: take it out there before"
        raise EnergyMonitorError(msg)
    try:
        (folder / name).unlink()
    except OSError as error:
        raise refusal(folder / name, error) from error
    click.echo(f"removed: {folder / name}")


def given_value(name: str) -> str:
    """Ask for the value on a terminal, else read it. Raise EnergyMonitorError."""
    from collector.cli.store import LARGEST  # noqa: PLC0415

    if sys.stdin.isatty():
        prompt = f"Value of {name} (nothing is shown)"
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt="Once more"))
    data = sys.stdin.buffer.read(LARGEST + 3)
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        msg = f"the value of {name!r} was not stored: it is not UTF-8 text"
        raise EnergyMonitorError(msg) from None  # the error holds the value


def places_by_name(file: Path) -> dict[str, list[str]] | None:
    """Return where the configuration names each secret; None where it has faults."""
    from collector import config  # noqa: PLC0415  loads every source

    try:
        loaded = config.load(file)
    except ConfigFault as error:
        why = pasteable(f"what uses the secrets is not known: {error.faults[0]}")
        click.secho(why, fg="yellow", err=True)
        return None
    places: dict[str, list[str]] = {}
    for place, each in loaded.secrets_named():
        places.setdefault(each.name, []).append(place)
    if token := loaded.main.backup.admin_token:
        places.setdefault(token.name, []).append("backup.admin_token")
    return places


def folders_of(file: Path, name: str) -> list[Path]:
    """Return where *name* is looked for: beside *file*, and beside imported files that name it."""
    from collector import config  # noqa: PLC0415

    folders = [file.parent / "secrets"]
    with suppress(ConfigFault):  # ``places_by_name`` reports it
        named = config.load(file).secrets_named()
        folders += [each.folder for _, each in named if each.name == name and each.folder]
    return list(dict.fromkeys(folders))


def used_by(name: str, places: Mapping[str, list[str]]) -> list[str]:
    return [*places.get(name, ()), *([USED_BY[name]] if name in USED_BY else ())]


def unnamed(name: str, file: Path, places: Mapping[str, list[str]]) -> str:
    from collector.scalars import did_you_mean  # noqa: PLC0415

    return f"nothing in {file} names it: 'password: !secret {name}'{did_you_mean(name, places)}"


def require_name(name: str) -> None:
    from collector.secrets import NAME, NAME_RULE  # noqa: PLC0415

    if not NAME.fullmatch(name):
        raise EnergyMonitorError(f"{name!r} is not a name of a secret: {NAME_RULE}")


def require_known(name: str, known: list[str], folder: Path) -> None:
    from collector.scalars import did_you_mean  # noqa: PLC0415

    if name not in known:
        near = did_you_mean(name, known)
        msg = f"no secret named {name!r} in {folder}; known: {', '.join(known) or 'none'}{near}"
        raise EnergyMonitorError(msg)


def require_loadable(folder: Path, adding: int = 0) -> None:
    """Raise EnergyMonitorError where services that load *folder* would not start.

    *adding* is the size of a secret that is to be stored.
    """
    from collector.doctor.secrets import obstacles  # noqa: PLC0415

    there = folder.exists()
    faults = [f"{file} {why}" for file, why in obstacles(folder, adding)] if there else []
    if faults:
        raise EnergyMonitorError(
            "\n".join([*faults, "systemd starts no service with that: move the file elsewhere"])
        )


def names_in(folder: Path) -> list[str]:
    """Return the names of the secrets in *folder*. Raise EnergyMonitorError."""
    try:
        return sorted(
            file.name
            for file in folder.iterdir()
            if file.is_file() and not file.name.startswith(".")
        )
    except OSError as error:
        raise refusal(folder, error) from error


def refusal(place: Path, error: OSError) -> EnergyMonitorError:
    """Say why a secret cannot be had, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        return EnergyMonitorError(f"there are no secrets: no {place}")
    hint = ": try 'sudo energy-monitor …'" if isinstance(error, PermissionError) else ""
    return EnergyMonitorError(f"{place} cannot be used: {error.strerror}{hint}")
