"""``energy-monitor demo``: a simulated house, live."""

import sys
from pathlib import Path

import click

from collector.cli.arguments import Duration
from collector.demo import command


@click.command()
@click.option("--for", "duration_s", type=Duration(), help="End after this long, such as 20s.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default="demo-data",
    show_default=True,
    help="Where the journal is kept.",
)
def demo(duration_s: float | None, data_dir: Path) -> None:
    """Show a simulated house, live, without root, Docker or hardware.

    A simulated ORNO OR-WE-515 answers as a Modbus RTU slave, Victron devices talk VE.Direct, and a
    heat pump and a lighting processor answer over TCP, each in a process of its own; the real
    collector reads them.

    \b
    Examples:
      energy-monitor demo
      energy-monitor demo --for 20s --data-dir /tmp/demo
    """
    sys.exit(command.run(duration_s, data_dir))
