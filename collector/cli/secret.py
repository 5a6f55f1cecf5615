"""The commands ``energy-monitor secret …``."""

from pathlib import Path

import click

from collector.cli.arguments import config_option
from collector.errors import EnergyMonitorError


@click.group()
def secret() -> None:
    """Show the passwords and tokens of this installation to those who may read them."""


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
    if name not in known:
        from collector.scalars import did_you_mean  # noqa: PLC0415  only then needed

        near = did_you_mean(name, known)
        msg = f"no secret named {name!r} in {folder}; known: {', '.join(known) or 'none'}{near}"
        raise EnergyMonitorError(msg)
    try:
        value = (folder / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise refusal(folder / name, error) from error
    if not value:
        raise EnergyMonitorError(f"secret {name!r} is empty: {folder / name}")
    click.echo(value)


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
    hint = ": try 'sudo energy-monitor secret show …'" if isinstance(error, PermissionError) else ""
    return EnergyMonitorError(f"{place} cannot be read: {error.strerror}{hint}")
