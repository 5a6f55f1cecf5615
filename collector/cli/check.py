"""``energy-monitor check``: what is wrong with the configuration."""

from pathlib import Path

import click

from collector.cli import contracts
from collector.cli.arguments import config_option, pasteable
from collector.config import Config, read
from collector.run import since, wiring


@click.command()
@click.option("--extras", "only_extras", is_flag=True, hidden=True)  # install.sh asks
@config_option
def check(file: Path, *, only_extras: bool) -> None:
    """Look for mistakes in the configuration, all of them at once.

    Touches no device and no network. Exit status 78 when something is wrong. What can stand in
    the file is in docs/reference.md, and config.example.yaml shows every option.

    \b
    Example:
      energy-monitor check --config config.yaml
    """
    if only_extras:
        loaded = read(file)
        found = {extra for _, extra in wiring.missing_extras(loaded)}
        for extra in sorted(found | contracts.missing_extras(loaded)):
            click.echo(extra)
    else:
        report(file)


def report(file: Path) -> Config:
    """Print what is to be said of the configuration *file*, and return it. Raise ConfigFault."""
    loaded = read(file)
    if not file.exists():
        click.echo(
            pasteable(
                "There is no configuration yet: 'energy-monitor scan' prints one to begin with, "
                "and config.example.yaml shows every option."
            ),
            err=True,
        )
    of_contracts = contracts.look(loaded)  # before the other faults are raised with its own
    for advice in [*wiring.check(loaded), *of_contracts]:
        click.secho(pasteable(f"advice: {advice}"), fg="yellow", err=True)
    click.secho(f"{file}: no faults", fg="green")
    click.echo(f"  sources: {', '.join(loaded.sources)}")
    if loaded.derivations:
        click.echo(f"  derivations: {', '.join(loaded.derivations)}")
    if names := contracts.names(loaded):
        click.echo(f"  contracts: {', '.join(names)}")
    click.echo(f"  outputs: {', '.join(loaded.outputs) or 'none'}")
    for line in filter(None, (since.first_place(loaded, name) for name in loaded.outputs)):
        click.echo(f"  {line}")
    return loaded
