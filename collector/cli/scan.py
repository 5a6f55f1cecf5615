"""``energy-monitor scan``: what is there, as configuration to paste."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.arguments import config_option, json_option, own_maps
from collector.errors import EnergyMonitorError, ReadFault
from collector.lines.serial import Framing, Lines, SerialLine
from collector.lines.tcp import place

if TYPE_CHECKING:
    from collector.scan.found import (
        Event,
        Found,
        FoundHeatPump,
        FoundLights,
        FoundUPSs,
        FoundVEDirect,
    )


@click.command()
@click.option("--line", help="Only this line: /dev/ttyUSB0, socket://10.0.0.5:4196, tcp://…:8889.")
@click.option("--all", "thorough", is_flag=True, help="Every baud rate, parity and address.")
@json_option
@config_option
def scan(line: str | None, thorough: bool, as_json: bool, file: Path) -> None:
    """Find devices and print the configuration to paste.

    Meters on the serial ports, and heat pumps (Luxtronik) that answer a call on the network; with
    --line also Modbus units behind a TCP port, such as inverters and gateways.
    Only reads. The service must be stopped while it runs. Meters are named by the device maps
    that come with this, and by your own in the folder 'devices' beside the configuration.

    \b
    Examples:
      energy-monitor scan
      energy-monitor scan --line /dev/ttyUSB0 --all
      energy-monitor scan --line tcp://192.168.2.5:8889
      energy-monitor scan --line tcp://192.168.2.9:502
    """
    found = search(line, own_maps(file), thorough=thorough, as_json=as_json)
    sys.exit(0 if found else 1)


def search(line: str | None, own_dirs: Sequence[Path], *, thorough: bool, as_json: bool) -> bool:
    """Scan, showing how far it is, and print what was found; return whether anything was."""
    if line and line.startswith(("mqtt:", "mqtts:")):
        return scan_broker(line, as_json=as_json)
    from collector.lines import adapter  # noqa: PLC0415
    from collector.scan import found as report  # noqa: PLC0415
    from collector.scan import scan as scanner  # noqa: PLC0415
    from collector.sources.lutron_qs import discover as lutron_search  # noqa: PLC0415
    from collector.sources.luxtronik import protocol  # noqa: PLC0415  loads files
    from collector.sources.nut import protocol as nut  # noqa: PLC0415

    discover = (protocol.discover, lutron_search.discover, nut.discover)
    network = [] if line else [found for each in discover for found in each()]
    ports = [check_line(line)] if line else [*adapter.ports(), *network]
    found = list(follow(scanner.scan(ports, thorough=thorough, own_dirs=own_dirs)))
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
