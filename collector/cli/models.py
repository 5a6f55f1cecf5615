"""``energy-monitor models``: the meters that have a device map."""

from pathlib import Path

import click

from collector.cli import show
from collector.cli.arguments import config_option, json_option, own_maps


@click.command()
@click.argument("name", required=False)
@json_option
@config_option
def models(name: str | None, as_json: bool, file: Path) -> None:
    """List the meters that are known, or the registers of one of them.

    Your own are those in the folder 'devices' beside the configuration.

    \b
    Examples:
      energy-monitor models
      energy-monitor models orno-we-515
    """
    own = own_maps(file)
    click.echo(
        show.model(name, own, as_json=as_json) if name else show.models(own, as_json=as_json)
    )
