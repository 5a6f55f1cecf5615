"""``energy-monitor demo``: a whole simulated house, live."""

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
    help="Where journal, ledger and configuration are kept.",
)
@click.option("--grafana", is_flag=True, help="Show it in Grafana too, where Docker is there.")
def demo(duration_s: float | None, data_dir: Path, *, grafana: bool) -> None:
    """Show a simulated house, live, without root, Docker or hardware.

    Six meters answer as Modbus RTU slaves, Victron devices talk VE.Direct, and a heat pump and a
    lighting processor answer over TCP; the real collector reads them. Sixty days of the same house
    stand in the ledger, the last hours in the journal. The page is at the address that is shown.

    \b
    Examples:
      energy-monitor demo
      energy-monitor demo --for 20s --data-dir /tmp/demo
      energy-monitor demo --grafana
    """
    sys.exit(command.run(duration_s, data_dir, with_grafana=grafana))
