"""``energy-monitor read``: the values of one source now, of the running service or by itself."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from collector.cli import show
from collector.cli.arguments import config_option, json_option, pasteable
from collector.clock import Clock, utc
from collector.config import Config, load
from collector.contract import Raw, Source, SourceOptions
from collector.errors import EnergyMonitorError, LineAway, NotProvided, ReadFault
from collector.journal.journal import Journal
from collector.reading import Reading
from collector.run import control, wiring
from collector.run.feed import Feed
from collector.run.intake import Intake
from collector.safe_text import safe
from collector.status import LatestReading, SourceStatus, titled
from collector.text import counted, duration


@click.command()
@click.argument("name")
@click.option("--watch", is_flag=True, help="Keep reading until Ctrl-C.")
@click.option("--raw", is_flag=True, help="Register by register, for meters.")
@json_option
@config_option
def read(name: str, watch: bool, raw: bool, as_json: bool, file: Path) -> None:
    """Read one source now and print its values.

    Where the service runs it has the port, and what it read last is printed. --raw needs the port:
    stop the service for it.

    \b
    Examples:
      energy-monitor read mains
      energy-monitor read mains --raw
      energy-monitor read mains --watch --json
    """
    read_source(load(file), name, watch=watch, raw=raw, as_json=as_json)


def read_source(config: Config, name: str, *, watch: bool, raw: bool, as_json: bool) -> None:
    """Read the source *name* and print its values, again and again with *watch*.

    Raise EnergyMonitorError where there is no such source or it does not answer.
    """
    if not raw and name in config.sources and (source := running(config, name)):
        print_latest(config, name, source, watch=watch, as_json=as_json)
        return
    intake = find_intake(config, name)
    (each,) = intake.feeds
    options = config.sources[name]
    try:
        if raw:
            each.source.open()
            print_raw(each.source, name, as_json=as_json)
        elif watch:
            read_on(intake, options, as_json=as_json)
        else:
            print_readings(read_now(intake), options, as_json=as_json)
    except (ReadFault, NotProvided) as error:
        raise EnergyMonitorError(f"{titled(name, options.label)}: {error}") from error
    except KeyboardInterrupt:
        click.echo()
    finally:
        each.source.close()


def running(config: Config, name: str) -> SourceStatus | None:
    """Return what the running service knows of a source; None without service or source.

    Raise NotAllowed, NoAnswer, EnergyMonitorError.
    """
    try:
        return control.status(config.socket).sources.get(name)
    except control.NotAllowed:
        raise
    except control.NotRunning:
        return None


def print_latest(
    config: Config, name: str, source: SourceStatus | None, *, watch: bool, as_json: bool
) -> None:
    """Print what the running service read last, and with *watch* each that comes.

    Raise EnergyMonitorError where it has read nothing, or does not answer any more.
    """
    printed: Mapping[str, LatestReading] = {}
    options = config.sources[name]
    try:
        while source:
            if not source.latest and not watch:
                why = source.last_error or "nothing was read yet; try again in a moment"
                raise EnergyMonitorError(f"{titled(name, options.label)}: {why}")
            latest = {
                device: each
                for device, each in source.latest.items()
                if each != printed.get(device)
            }
            if latest:
                readings = [
                    Reading(each.kind, device, each.at_ms, each.values)
                    for device, each in latest.items()
                ]
                print_readings(readings, options, as_json=as_json)
            printed = source.latest
            if not watch:
                if source.state in {"silent", "away", "failed"}:
                    tell_old(name, source)
                return
            time.sleep(options.every)
            source = running(config, name)
        raise EnergyMonitorError("the service has stopped")
    except KeyboardInterrupt:
        click.echo()


def tell_old(name: str, source: SourceStatus) -> None:
    """Say that what is printed is not of now."""
    text = f"{name} is {source.state}, last read {duration(source.age_s)} ago: {source.last_error}"
    click.secho(pasteable(text.removesuffix(": ")), fg="yellow", err=True)


def find_intake(config: Config, name: str) -> Intake:
    """Return the intake of the source *name* alone; its journal is never opened."""
    if name not in config.sources:
        known = ", ".join(config.sources)
        raise EnergyMonitorError(f"no source named {name!r}; known: {known}")
    health = wiring.new_health(config)
    feeds = wiring.build(config, health).feeds
    found = next(each for line in feeds.values() for each in line if each.name == name)
    return Intake([found], Journal(config.data_dir / "journal", ""), Clock(), health.lock)


def read_on(intake: Intake, options: SourceOptions, *, as_json: bool) -> None:
    """Read and print until Ctrl-C; where no answer comes, say why and go on."""
    while True:
        try:
            print_readings(read_now(intake), options, as_json=as_json)
        except (ReadFault, NotProvided) as error:
            text = pasteable(f"{intake.feeds[0].name}: {error}")
            click.secho(safe(text), fg="yellow", err=True)
        time.sleep(options.every)


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
    kept = [done for reading in readings if (done := intake.accept(each, reading, quantities))]
    tell_left_out(each)
    return kept


def tell_left_out(each: Feed) -> None:
    count, each.health.out_of_range = each.health.out_of_range, 0
    if count:
        last = each.health.last_out_of_range
        text = f"{counted(count, 'value')} left out: cannot be true, the last {last}"
        click.secho(f"{each.name}: {text}", fg="yellow", err=True)


def print_readings(readings: Sequence[Reading], options: SourceOptions, *, as_json: bool) -> None:
    if not as_json:
        click.echo(show.values(readings, options.label, options.labels))
        return
    for each in readings:
        entry = {"device": each.device, "at": utc(each.at_ms), "values": dict(each.values)}
        click.echo(json.dumps(entry))


def print_raw(source: Source, name: str, *, as_json: bool) -> None:
    """Print register by register what a meter answers, or label by label what a device says."""
    if not isinstance(source, Raw):
        raise EnergyMonitorError(f"{name}: this kind of source has no registers; leave --raw out")
    rows = source.read_raw()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(show.raw_table(rows))
