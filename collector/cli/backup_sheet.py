"""The command ``energy-monitor backup sheet``."""

import sys
from pathlib import Path
from typing import Any

import click

from collector.cli.arguments import config_option

# ruff: noqa: PLC0415  see cli.backup


@click.command()
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into this file instead, for its owner only.",
)
@click.option(
    "--with-credentials",
    is_flag=True,
    help="Print what lets a machine into the stores too: it is a secret then.",
)
@config_option
def sheet(target: Path | None, *, with_credentials: bool, file: Path) -> None:
    """Print the page to keep away from this machine: what brings the backups back on a blank card.

    It names the stores and public keys, and holds no secret unless you ask for that.

    \b
    Examples:
      sudo energy-monitor backup sheet
      sudo energy-monitor backup sheet --to recovery.txt
    """
    from backup import sheet as making
    from collector import config, files

    loaded = config.load(file)
    if target is None:
        show(loaded, with_credentials=with_credentials)
        return
    page = making.page(loaded, with_credentials=with_credentials)
    files.replace(target, "".join(f"{line}\n" for line in page).encode(), mode=0o600)
    click.echo(f"{target}: print it, and keep it where this machine is not")


def show(loaded: Any, *, with_credentials: bool = False) -> None:
    """Print the sheet; on a terminal its code is black on white, as a telephone reads it."""
    from backup import sheet as making

    for line in making.page(loaded, with_credentials=with_credentials):
        is_code = sys.stdout.isatty() and making.is_code(line)
        click.echo(click.style(line, fg="black", bg="bright_white") if is_code else line)
