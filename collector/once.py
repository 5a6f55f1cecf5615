"""What ``energy-monitor read`` and ``energy-monitor scan`` do, now and without the service."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector import service, show
from collector.clock import Clock, utc
from collector.config import Config
from collector.contract import Source
from collector.errors import EnergyMonitorError, LineAway, ReadFault
from collector.intake import Feed, Intake
from collector.journal import Journal
from collector.line import Framing, LineConflict, Lines, SerialLine
from collector.reading import Reading

if TYPE_CHECKING:
    from collector.scan import Event, Found


def read(config: Config, name: str, *, watch: bool, raw: bool, as_json: bool) -> None:
    """Read the source *name* and print its values, again and again with *watch*.

    Raise EnergyMonitorError where there is no such source or it does not answer.
    """
    intake = find_intake(config, name)
    (each,) = intake.feeds
    try:
        if raw:
            each.source.open()
            print_raw(each.source, name, as_json=as_json)
        elif watch:
            read_on(intake, float(config.sources[name].every), as_json=as_json)
        else:
            print_readings(read_now(intake), as_json=as_json)
    except ReadFault as error:
        raise EnergyMonitorError(f"{name}: {error}") from error
    except KeyboardInterrupt:
        click.echo()
    finally:
        each.source.close()


def find_intake(config: Config, name: str) -> Intake:
    """Return the intake of the source *name* alone; its journal is never opened."""
    if name not in config.sources:
        known = ", ".join(config.sources)
        raise EnergyMonitorError(f"no source named {name!r}; known: {known}")
    health = service.new_health(config)
    feeds, _ = service.build(config, health)
    found = next(each for line in feeds.values() for each in line if each.name == name)
    return Intake([found], Journal(config.data_dir / "journal", ""), Clock(), health.lock)


def read_on(intake: Intake, every_s: float, *, as_json: bool) -> None:
    """Read and print until Ctrl-C; where no answer comes, say why and go on."""
    while True:
        try:
            print_readings(read_now(intake), as_json=as_json)
        except ReadFault as error:
            click.secho(f"{intake.feeds[0].name}: {error}", fg="yellow", err=True)
        time.sleep(every_s)


def read_now(intake: Intake) -> list[Reading]:
    """Read what the service would read and store. Raise ReadFault."""
    (each,) = intake.feeds
    if not each.is_open:
        each.source.open()
        each.is_open = True
    quantities = frozenset[str]().union(*(group.quantities for group in each.groups))
    try:
        readings = each.source.read(round(time.time() * 1000), quantities)
    except LineAway:
        each.source.close()
        each.is_open = False
        raise
    kept = [done for reading in readings if (done := intake.accept(each, reading))]
    tell_left_out(each)
    return kept


def tell_left_out(each: Feed) -> None:
    count, each.health.out_of_range = each.health.out_of_range, 0
    if count:
        text = f"{count} that cannot be true left out, the last {each.health.last_out_of_range}"
        click.secho(f"{each.name}: {text}", fg="yellow", err=True)


def print_readings(readings: Sequence[Reading], *, as_json: bool) -> None:
    if not as_json:
        click.echo(show.values(readings))
        return
    for each in readings:
        entry = {"device": each.device, "at": utc(each.at_ms), "values": dict(each.values)}
        click.echo(json.dumps(entry))


def print_raw(source: Source, name: str, *, as_json: bool) -> None:
    """Print register by register what a meter answers."""
    read_raw = getattr(source, "read_raw", None)
    if read_raw is None:
        raise EnergyMonitorError(f"{name}: this kind of source has no registers; leave --raw out")
    rows = read_raw()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    heads = ["QUANTITY", "ADDRESS", "FC", "TYPE", "WORDS", "VALUE", "UNIT"]
    click.echo(show.table(heads, [show.raw_row(row) for row in rows], right=(5,)))


def scan(line: str | None, own_dirs: Sequence[Path], *, thorough: bool, as_json: bool) -> bool:
    """Scan, showing how far it is, and print what was found; return whether anything was."""
    from collector import adapter  # noqa: PLC0415  loads files
    from collector import scan as scans  # noqa: PLC0415

    ports = [check_line(line)] if line else adapter.ports()
    found = list(follow(scans.scan(ports, thorough=thorough, own_dirs=own_dirs)))
    if as_json:
        click.echo(json.dumps([entry(each) for each in found], indent=2))
    elif found:
        click.echo(scans.render(found), nl=False)
    elif ports:
        click.echo(
            "nothing answered. Are A and B the right way round, and does the meter have power? "
            "'energy-monitor scan --all' tries every address and framing."
        )
    else:
        click.echo("no serial port is there: is the adapter plugged in? See 'ls /dev/serial/by-id'")
    return bool(found)


def check_line(line: str) -> str:
    """Return *line*, if that can be one. Raise EnergyMonitorError."""
    try:
        return Lines().get(line, Framing(), SerialLine).port
    except LineConflict as error:
        raise EnergyMonitorError(str(error)) from error


def follow(events: Iterable["Event"]) -> Iterator["Found"]:
    """Show on standard error how a scan goes on; yield what it finds."""
    from collector import scan as scans  # noqa: PLC0415

    for event in events:
        match event:
            case scans.Trying():
                progress(f"{event.part:4.0%}  {event.port}  {event.framing}  {event.address}")
            case scans.Unusable():
                progress("")
                click.secho(event.reason, fg="yellow", err=True)
            case scans.Found():
                models = ", ".join(event.models) or "a model that is not known"
                text = f"{event.port}  {event.framing}  address {event.address}: {models}"
                progress("")
                click.secho(text, fg="green", err=True)
                yield event
    progress("")


def entry(found: "Found") -> dict[str, object]:
    """Return what was found as programs read it."""
    return {
        "line": found.port,
        "address": found.address,
        "baudrate": found.framing.baudrate,
        "parity": found.framing.parity,
        "stopbits": found.framing.stopbits,
        "models": list(found.models),
    }


def progress(text: str) -> None:
    """Show how far it is, on a terminal only, over what was shown before."""
    if sys.stderr.isatty():
        click.echo(f"\r{text[:79]}\033[K", nl=False, err=True)
