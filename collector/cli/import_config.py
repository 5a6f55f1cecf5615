"""The command ``energy-monitor import-config``."""

from importlib import import_module
from pathlib import Path

import click

PROGRAMS = ("vemonitor", "emonhub", "luxtronik", "lutron")
LONGEST_NOTE = 1000  # a name in a strange file may be as long as the file


@click.command("import-config")
@click.argument("program", type=click.Choice(PROGRAMS))
@click.argument("file", type=click.Path(path_type=Path))
def import_config(program: str, file: Path) -> None:
    """Turn the configuration of another program into one for this.

    It is printed. Settings without an equivalent are listed line by line on standard error, with
    how to store the secrets, which are not copied. Nothing is changed.

    \b
    vemonitor   vm_conf.yaml of vemonitor, with the files that it imports and emoncms.yaml
    emonhub     emonhub.conf of emonHub
    luxtronik   metric.yml of the Prometheus exporter for heat pumps
    lutron      config.json of the Prometheus exporter for Lutron HomeWorks QS

    \b
    Examples:
      energy-monitor import-config vemonitor vm_conf.yaml > config.yaml
      energy-monitor import-config luxtronik metric.yml
    """
    from collector.import_config.draft import accepted  # noqa: PLC0415  only this needs it

    draft = import_module(f"collector.import_config.{program}").read(file)
    try:
        text = accepted(draft)
    finally:
        for note in draft.notes:
            shown = "".join(each if each.isprintable() else "?" for each in note)
            click.echo(shown[:LONGEST_NOTE], err=True)
    click.echo(text, nl=False)
