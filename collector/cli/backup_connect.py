"""The command ``energy-monitor backup connect``."""

import sys
from pathlib import Path

import click

from collector.cli.arguments import config_option, pasteable
from collector.cli.backup_sheet import show

# ruff: noqa: PLC0415  see cli.backup


@click.command()
@click.argument("where", metavar="FILE|sftp://USER@HOST/FOLDER")
@click.option(
    "--host-key",
    metavar="SHA256:…",
    help="Over SFTP: believe the server that has a key with this fingerprint.",
)
@config_option
def connect(where: str, host_key: str | None, file: Path) -> None:
    """Connect a store that backups are uploaded to: one in Azure, one over SFTP, or both.

    Azure takes a file with its settings, or '-' to read them from a pipe. Over SFTP a key lets this
    machine in: the first run makes it, and says where the server wants it. The server's own key is
    compared once: by you on a terminal, else with --host-key.

    \b
    Examples:
      terraform output -raw collector_settings | sudo energy-monitor backup connect -
      sudo energy-monitor backup connect sftp://pi@nas.local/backups
    """
    from backup.stores import connect as connecting
    from backup.stores.sftp_line import NotAdmitted
    from collector import config

    loaded = config.load(file)
    if where.startswith(connecting.SFTP):
        settings = where
    else:
        with click.open_file(where, encoding="utf-8") as opened:
            settings = opened.read()
    confirm = believe if sys.stdin.isatty() else None
    while True:
        try:
            lines = connecting.connect(settings, loaded, confirm, host_key)
            break
        except NotAdmitted as error:
            if not sys.stdin.isatty():
                raise
            click.echo(pasteable(str(error)))
            click.prompt("Press Enter when it is there", default="", show_default=False)
    for line in lines:
        click.echo(pasteable(line))
    if lines[0].endswith(connecting.EMPTY):  # else it is printed already, or a machine is restored
        click.echo()
        show(loaded)


def believe(server: str) -> None:
    """Have a person compare what a server says it is."""
    click.echo(server)
    click.confirm("Is it the same there?", abort=True)
