"""``energy-monitor status``: how the running service is doing."""

import json
import sys
from pathlib import Path

import click

from collector.cli import show
from collector.cli.arguments import config_option, json_option
from collector.config import load
from collector.run import control


@click.command()
@json_option
@config_option
def status(as_json: bool, file: Path) -> None:
    """Tell how the running service is doing. Exit status 1 when something is wrong.

    \b
    Examples:
      energy-monitor status
      energy-monitor status --json | jq .outputs
    """
    answer = control.status(load(file).socket)
    click.echo(json.dumps(answer.to_json(), indent=2) if as_json else show.status(answer))
    sys.exit(1 if answer.problems else 0)
