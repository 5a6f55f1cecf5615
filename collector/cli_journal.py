"""The commands ``energy-monitor journal …``."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.arguments import Time, config_option, data_dir_option, json_option
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.config import Config
    from collector.journal import Journal


@click.group()
def journal() -> None:
    """Look into the journal, export it, send readings again."""


@journal.command()
@click.option("-n", "--lines", default=20, show_default=True, help="So many of the last readings.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing new ones until Ctrl-C.")
@data_dir_option
@config_option
def tail(lines: int, follow: bool, data_dir: Path | None, file: Path) -> None:
    """Print the newest readings, one line of line protocol each.

    \b
    Example:
      energy-monitor journal tail -f
    """
    from collector.records import newest  # noqa: PLC0415  only this command needs it

    folder = log_folder(file, data_dir)
    records = newest(folder, lines, after=0)
    after = print_records(records)
    while follow:
        time.sleep(0.5)
        after = print_records(newest(folder, None, after=after)) or after


def print_records(records: list[tuple[int, bytes]]) -> int:
    for _, line in records:
        click.echo(line.decode("ascii"))
    return records[-1][0] if records else 0


@journal.command()
@click.option("--since", type=Time(), default=None, help="From this time on.")
@click.option("--until", type=Time(), default=None, help="Up to and without this time.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "lp"]),
    default="csv",
    show_default=True,
    help="csv: one line a value; lp: InfluxDB line protocol with milliseconds.",
)
@data_dir_option
@config_option
def export(
    since: int | None, until: int | None, form: str, data_dir: Path | None, file: Path
) -> None:
    """Print the readings of a range of time, also while the service runs.

    \b
    Examples:
      energy-monitor journal export --since 2026-01-31 > day.csv
      energy-monitor journal export --data-dir demo-data --format lp
    """
    from collector.clock import utc  # noqa: PLC0415
    from collector.reading import decode, time_ms  # noqa: PLC0415
    from collector.records import read_all  # noqa: PLC0415

    first, end = since or 0, until or 1 << 62
    lines = (
        line for _, line in read_all(log_folder(file, data_dir)) if first <= time_ms(line) < end
    )
    out = sys.stdout
    if form == "lp":
        out.writelines(f"{line.decode('ascii')}\n" for line in lines)
        return
    out.write("time,kind,device,quantity,value\n")
    for line in lines:
        reading = decode(line)
        out.writelines(
            f"{utc(reading.at_ms)},{reading.kind},{reading.device},{quantity},{value!r}\n"
            for quantity, value in reading.values.items()
        )


@journal.command()
@click.argument("output")
@click.option("--since", type=Time(), required=True, help="From this time on.")
@config_option
def replay(output: str, since: int, file: Path) -> None:
    """Send the readings since a time to an output again. Those it has already do no harm.

    \b
    Example:
      energy-monitor journal replay history --since 2026-01-31T18:00
    """
    from collector import config, control  # noqa: PLC0415

    loaded = config.load(file)
    if output not in loaded.outputs:
        known = ", ".join(loaded.outputs)
        raise EnergyMonitorError(f"no output named {output!r}; known: {known}")
    request = {"ask": "replay", "output": output, "since_ms": since}
    try:
        again = control.ask(loaded.socket, request)["again"]
    except control.NotRunning:
        with opened(loaded) as closed:
            again = closed.rewind(output, since)
    click.echo(f"{output}: {again} readings will be sent again")


@journal.command("dead-letters")
@click.argument("output", required=False)
@click.option("--resend", is_flag=True, help="Put them into the journal again, for every output.")
@json_option
@config_option
def dead_letters(output: str | None, resend: bool, as_json: bool, file: Path) -> None:
    """List the readings that an output refused for ever, or send them again.

    \b
    Examples:
      energy-monitor journal dead-letters
      energy-monitor journal dead-letters history --resend
    """
    from collector import config, notes  # noqa: PLC0415

    loaded = config.load(file)
    folder = loaded.data_dir / "journal"
    names = [output] if output else list(loaded.outputs)
    for name in names:
        letters = list(notes.dead_letters(folder, name))
        for letter in letters:
            entry = {"output": name, **letter}
            click.echo(
                json.dumps(entry)
                if as_json
                else f"{name}  {letter['at']}  {letter['reading']}\n    {letter['reason']}"
            )
        if resend and letters:
            click.echo(f"{name}: {resend_letters(loaded, name)} readings will be sent again")
        elif not letters and not as_json:
            click.echo(f"{name}: none")


def resend_letters(loaded: "Config", name: str) -> int:
    """Append an output's refused readings to the journal again; their list is kept aside."""
    from collector import control, notes  # noqa: PLC0415

    folder = loaded.data_dir / "journal"
    taken = notes.take_dead_letters(folder, name)
    readings = [letter["reading"] for letter in notes.read_json(taken)]
    try:
        control.ask(loaded.socket, {"ask": "resend", "readings": readings})
    except control.NotRunning:
        with opened(loaded) as closed:
            closed.append([line.encode("ascii") for line in readings])
    return len(readings)


@contextmanager
def opened(loaded: "Config") -> Iterator["Journal"]:
    """Open the journal of a service that is not running."""
    from collector.clock import boot_id  # noqa: PLC0415
    from collector.journal import Journal  # noqa: PLC0415

    journal = Journal(loaded.data_dir / "journal", boot_id(), list(loaded.outputs))
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


def log_folder(file: Path, data_dir: Path | None) -> Path:
    """Return the folder of the log, from the configuration or beside it."""
    if data_dir is None:
        from collector import config  # noqa: PLC0415

        data_dir = config.load(file).data_dir
    folder = data_dir / "journal" / "log"
    if not folder.is_dir():
        msg = f"there is no journal in {data_dir}: no {folder}"
        raise EnergyMonitorError(msg)
    return folder
