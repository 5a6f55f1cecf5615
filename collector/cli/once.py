"""What ``energy-monitor read`` and ``energy-monitor scan`` do, now and without the service."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli import show
from collector.clock import Clock, utc
from collector.config import Config
from collector.contract import Source
from collector.errors import EnergyMonitorError, LineAway, ReadFault
from collector.journal.journal import Journal
from collector.lines.serial import Framing, Lines, SerialLine
from collector.lines.tcp import place
from collector.reading import Reading
from collector.run import wiring
from collector.run.intake import Feed, Intake

if TYPE_CHECKING:
    from collector.scan.found import (
        Event,
        Found,
        FoundHeatPump,
        FoundLights,
        FoundUPSs,
        FoundVEDirect,
    )


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
    health = wiring.new_health(config)
    feeds = wiring.build(config, health).feeds
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
    """Print register by register what a meter answers, or label by label what a device says."""
    read_raw = getattr(source, "read_raw", None)
    if read_raw is None:
        raise EnergyMonitorError(f"{name}: this kind of source has no registers; leave --raw out")
    rows = read_raw()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(show.raw_table(rows))


def scan(line: str | None, own_dirs: Sequence[Path], *, thorough: bool, as_json: bool) -> bool:
    """Scan, showing how far it is, and print what was found; return whether anything was."""
    if line and line.startswith(("mqtt:", "mqtts:")):
        return scan_broker(line, as_json=as_json)
    from collector.lines import adapter  # noqa: PLC0415
    from collector.scan import found as report  # noqa: PLC0415
    from collector.scan import scan as search  # noqa: PLC0415
    from collector.sources.lutron_qs import discover as lutron_search  # noqa: PLC0415
    from collector.sources.luxtronik import protocol  # noqa: PLC0415  loads files
    from collector.sources.nut import protocol as nut  # noqa: PLC0415

    discover = (protocol.discover, lutron_search.discover, nut.discover)
    network = [] if line else [found for each in discover for found in each()]
    ports = [check_line(line)] if line else [*adapter.ports(), *network]
    found = list(follow(search.scan(ports, thorough=thorough, own_dirs=own_dirs)))
    if as_json:
        click.echo(json.dumps([entry(each) for each in found], indent=2))
    elif found:
        click.echo(report.render(found), nl=False)
    elif line and line.startswith("tcp:"):
        click.echo(
            "no heat pump or lighting processor answered. Is it the right address, and the port "
            "8889 (or 8888) of a heat pump, 23 of a Lutron processor, 3493 of a NUT server or 502 "
            "(SolarEdge: 1502) of Modbus?"
        )
    elif ports:
        click.echo(
            "nothing answered. Are A and B the right way round, and does the meter have power? "
            "'energy-monitor scan --all' tries every address and framing."
        )
    else:
        click.echo(
            "no serial port is there, and no heat pump or lighting processor answers on the "
            "network: is the adapter plugged in? See 'ls /dev/serial/by-id'"
        )
    return bool(found)


def scan_broker(line: str, *, as_json: bool) -> bool:
    """Print which known devices talk at an MQTT broker; return whether any does."""
    from collector.sources.mqtt_in import discover as mqtt_search  # noqa: PLC0415  loads files

    progress(f"      listening at {line} for {mqtt_search.LISTEN_S:.0f} s")
    try:
        found = mqtt_search.listen(line)
    except (ReadFault, ValueError) as error:
        raise EnergyMonitorError(str(error)) from error
    finally:
        progress("")
    if as_json:
        entries = [
            {"type": "mqtt_in", "line": line, "model": model, "topic": name}
            for model, name in sorted(found)
        ]
        click.echo(json.dumps(entries, indent=2))
    elif found:
        click.echo(mqtt_search.render(line, found), nl=False)
    else:
        click.echo("no device of a known kind has said anything; some talk every 5 minutes only")
    return bool(found)


def check_line(line: str) -> str:
    """Return *line*, if that can be one. Raise EnergyMonitorError."""
    try:
        if line.startswith("tcp:") and place(line):
            return line
        return Lines().get(line, Framing(), SerialLine).port
    except ValueError as error:
        raise EnergyMonitorError(str(error)) from error


def follow(
    events: Iterable["Event"],
) -> Iterator["Found | FoundVEDirect | FoundHeatPump | FoundLights | FoundUPSs"]:
    """Show on standard error how a scan goes on; yield what it finds."""
    from collector.scan import found as report  # noqa: PLC0415
    from collector.sources.vedirect.labels import identity  # noqa: PLC0415

    for event in events:
        match event:
            case report.Listening():
                progress(f"      listening for VE.Direct at {len(event.ports)} ports")
            case report.Trying():
                framing = event.framing or "unit"
                progress(f"{event.part:4.0%}  {event.port}  {framing}  {event.address}")
            case report.Unusable():
                progress("")
                click.secho(event.reason, fg="yellow", err=True)
            case report.Found():
                models = event.told or ", ".join(event.models) or "a model that is not known"
                framing = f"  {event.framing}" if event.framing else ""
                text = f"{event.port}{framing}  address {event.address}: {models}"
                progress("")
                click.secho(text, fg="green", err=True)
                yield event
            case report.FoundHeatPump():
                text = f"{event.port}  heat pump, firmware {event.firmware or 'not known'}"
                progress("")
                click.secho(text, fg="green", err=True)
                yield event
            case report.FoundLights():
                progress("")
                click.secho(f"{event.port}  Lutron, {event.database}", fg="green", err=True)
                yield event
            case report.FoundUPSs():
                progress("")
                text = f"{event.port}  NUT server with {', '.join(event.upss) or 'no UPS'}"
                click.secho(text, fg="green", err=True)
                yield event
            case report.FoundVEDirect():
                progress("")
                click.secho(f"{event.port}  {identity(event.said)}", fg="green", err=True)
                yield event
    progress("")


def entry(
    found: "Found | FoundVEDirect | FoundHeatPump | FoundLights | FoundUPSs",
) -> dict[str, object]:
    """Return what was found as programs read it."""
    from collector.scan import found as report  # noqa: PLC0415

    if isinstance(found, report.FoundHeatPump):
        return {"type": "luxtronik", "line": found.port, "firmware": found.firmware}
    if isinstance(found, report.FoundLights):
        return {"type": "lutron_qs", "line": found.port, "database": found.database}
    if isinstance(found, report.FoundUPSs):
        return {"type": "nut", "line": found.port, "upss": dict(found.upss)}
    if isinstance(found, report.FoundVEDirect):
        return {"type": "vedirect", "line": found.port, "said": dict(found.said)}
    return {
        "type": "modbus",
        "line": found.port,
        "address": found.address,
        **(vars(found.framing) if found.framing else {}),
        "models": list(found.models),
    }


def progress(text: str) -> None:
    """Show how far it is, on a terminal only, over what was shown before."""
    if sys.stderr.isatty():
        click.echo(f"\r{text[:79]}\033[K", nl=False, err=True)
