"""The commands ``energy-monitor journal …``."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backup.ownership import owner_of
from collector.cli.arguments import (
    Time,
    config_option,
    data_dir_option,
    json_option,
    log_folder,
)
from collector.cli.export import export
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.config import Config
    from collector.journal.journal import Journal
    from collector.journal.reader import Record

RESENT_AT_ONCE = 1000  # some 300 kB; a request has at most 2 MiB, and holds others up


@click.group()
def journal() -> None:
    """Print the journal, send readings again."""


@journal.command()
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Number of newest readings to print.",
)
@click.option("-f", "--follow", is_flag=True, help="Keep printing new readings until Ctrl-C.")
@data_dir_option
@config_option
def tail(lines: int, follow: bool, data_dir: Path | None, file: Path) -> None:
    """Print the newest readings, one line of line protocol each.

    \b
    Example:
      energy-monitor journal tail -f
    """
    from collector.journal.reader import newest, read_after  # noqa: PLC0415

    folder = log_folder(file, data_dir)
    last = print_records(newest(folder, lines or 1), 0, silent=not lines)
    while follow:
        time.sleep(0.5)
        last = print_records(read_after(folder, last), last)


def print_records(records: "Iterable[Record]", last: int, *, silent: bool = False) -> int:
    """Print *records* unless *silent*; return the number of the last one, *last* for none."""
    out = sys.stdout.buffer
    for number, line in records:
        last = number
        if not silent:
            out.write(line + b"\n")
    out.flush()
    return last


journal.add_command(export)  # its older name


@journal.command()
@click.argument("name", metavar="OUTPUT|DERIVATION")
@click.option("--since", type=Time(), required=True, help="Only readings from this time on.")
@config_option
def replay(name: str, since: int, file: Path) -> None:
    """Send the readings since a time to an output again, or let a derivation make them again.

    An output that has them already takes no harm. A derivation goes back to its last snapshot
    before that time. What it makes again and the journal has already is not stored twice.

    \b
    Example:
      energy-monitor journal replay history --since 2026-01-31T18:00
    """
    from collector import config  # noqa: PLC0415

    loaded = config.load(file)
    since_ms = max(since, 0)
    request = {"ask": "replay", "output": name, "since_ms": since_ms}
    if name in loaded.derivations:
        again = have(
            loaded, request, "again", lambda journal: journal.rewind_derivation(name, since_ms)
        )
        click.echo(f"{name}: {again} readings are used again")
        return
    check_output(loaded, name)
    again = have(loaded, request, "again", lambda journal: journal.rewind(name, since_ms))
    click.echo(f"{name}: {again} readings will be sent again")


@journal.command("dead-letters")
@click.argument("output", required=False)
@click.option("--resend", is_flag=True, help="Append them to the journal again, for every output.")
@json_option
@config_option
def dead_letters(output: str | None, resend: bool, as_json: bool, file: Path) -> None:
    """List the readings that an output refused for ever, or send them again.

    \b
    Examples:
      energy-monitor journal dead-letters
      energy-monitor journal dead-letters history --resend
    """
    from collector import config  # noqa: PLC0415
    from collector.journal import notes  # noqa: PLC0415

    loaded = config.load(file)
    if output:
        check_output(loaded, output)
    for name in [output] if output else loaded.outputs:
        letters = list(notes.dead_letters(loaded.data_dir / "journal", name))
        for letter in letters:
            click.echo(show_letter(name, letter, as_json=as_json))
        if resend and letters:
            count = resend_letters(loaded, name, letters)
            click.echo(f"{name}: {count} readings will be sent again", err=as_json)
        elif not letters and not as_json:
            click.echo(f"{name}: none")


def check_output(loaded: "Config", name: str) -> None:
    if name not in loaded.outputs:
        known = ", ".join(loaded.outputs) or "none"
        raise EnergyMonitorError(f"no output named {name!r}; known: {known}")


def show_letter(output: str, letter: dict[str, Any], *, as_json: bool) -> str:
    """Set out one refused reading; what a damaged entry lacks is '?'."""
    if as_json:
        return json.dumps({"output": output, **letter})
    at, reading, reason = (letter.get(each, "?") for each in ("at", "reading", "reason"))
    return f"{output}  {at}  {reading}\n    {reason}"


def resend_letters(loaded: "Config", name: str, letters: Sequence[dict[str, Any]]) -> int:
    """Append an output's refused readings to the journal again; return how many.

    Only then is their list put aside. Raise EnergyMonitorError where one is no reading.
    """
    from collector.journal import notes  # noqa: PLC0415

    folder = loaded.data_dir / "journal"
    try:
        count = append_again(loaded, letters)
    except ValueError as error:
        file = folder / "dead-letters" / f"{name}.jsonl"
        raise EnergyMonitorError(f"{error}; remove it from {file} and try again") from error
    taken = notes.take_dead_letters(folder, name)
    refused_meanwhile = list(notes.read_json(taken))[len(letters) :]
    return count + append_again(loaded, refused_meanwhile)


def append_again(loaded: "Config", letters: Sequence[dict[str, Any]]) -> int:
    """Append the readings of *letters* to the journal. Raise ValueError where one is none."""
    from collector.reading import check_line  # noqa: PLC0415

    readings = [letter["reading"] for letter in letters if isinstance(letter.get("reading"), str)]
    for each in readings:
        check_line(each)
    for first in range(0, len(readings), RESENT_AT_ONCE):
        append_part(loaded, readings[first : first + RESENT_AT_ONCE])
    return len(readings)


def append_part(loaded: "Config", readings: Sequence[str]) -> None:
    request = {"ask": "resend", "readings": readings}
    if not have(loaded, request, "resent", lambda journal: journal.resend(readings)):
        raise EnergyMonitorError("the disk is full: the readings stay in their list")


def have(
    loaded: "Config", request: dict[str, Any], answer: str, otherwise: "Callable[[Journal], int]"
) -> int:
    """Have the service do something; where none is running, do it in the journal itself."""
    from collector.run import control  # noqa: PLC0415

    try:
        return int(control.ask(loaded.socket, request)[answer])
    except control.NotRunning as error:
        if isinstance(error.__cause__, PermissionError):
            raise
        with opened(loaded) as journal:
            return otherwise(journal)


@contextmanager
def opened(loaded: "Config") -> "Iterator[Journal]":
    """Open the journal of a service that is not running, as its owner where we are root."""
    from collector.clock import boot_id  # noqa: PLC0415
    from collector.journal.journal import Journal  # noqa: PLC0415

    folder = loaded.data_dir / "journal"
    if not folder.is_dir():
        raise EnergyMonitorError(f"there is no journal in {loaded.data_dir}: no {folder}")
    with owning(folder):
        journal = Journal(folder, boot_id(), list(loaded.outputs), list(loaded.derivations))
        journal.open()
        try:
            yield journal
        finally:
            journal.close()


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Let root be the owner of *folder*, who could not use files of root's in it."""
    if os.geteuid() != 0:
        yield
        return
    (owner, owners_group), group = owner_of(folder), os.getegid()
    os.setegid(owners_group)
    os.seteuid(owner)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
