"""``energy-monitor status``: how the running service is doing."""

import json
import sys
import time
from pathlib import Path

import click

from collector.cli import show
from collector.cli.arguments import config_option, json_option, pasteable
from collector.config import load
from collector.demo.live import draw, live
from collector.run import control
from collector.status import Status
from collector.text import counted

WATCH_EVERY_S = 1


@click.command()
@click.option("--watch", is_flag=True, help="Show the values of every device until Ctrl-C.")
@json_option
@config_option
def status(watch: bool, as_json: bool, file: Path) -> None:
    """Tell how the running service is doing. Exit status 1 when something is wrong.

    \b
    Examples:
      energy-monitor status
      energy-monitor status --watch
      energy-monitor status --json | jq .outputs
    """
    socket = load(file).socket
    answer = control.status(socket)
    if watch:
        try:
            watch_values(socket, answer, as_json=as_json)
        except KeyboardInterrupt:
            return
    click.echo(
        json.dumps(answer.to_json(), indent=2) if as_json else pasteable(show.status(answer))
    )
    sys.exit(1 if answer.problems else 0)


def watch_values(socket: Path, answer: Status, *, as_json: bool) -> None:
    """Print *answer* and each newer one; draw it over the one before on a terminal."""
    on_terminal = sys.stdout.isatty() and not as_json
    if on_terminal:
        click.clear()
    while True:
        if as_json:
            click.echo(json.dumps(answer.to_json()))
        elif on_terminal:
            draw(head_of(answer), answer)
        else:
            click.echo(f"{head_of(answer)}\n\n{live(answer)}\n")
        time.sleep(WATCH_EVERY_S)
        answer = control.status(socket)


def head_of(answer: Status) -> str:
    now = time.strftime("%H:%M:%S")
    count = len(answer.problems)
    wrong = f"{counted(count, 'problem')}: see 'energy-monitor status'   " if count else ""
    return pasteable(f"{answer.site}   {now}   {wrong}Ctrl-C ends")
