"""``energy-monitor scan``: what is there, as configuration to paste."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from collector.cli.arguments import config_option, json_option, own_maps, pasteable
from collector.lines import adapter
from collector.scan import render
from collector.scan import scan as scanner
from collector.text import plain


@click.command()
@click.option("--line", help="Only this line: /dev/ttyUSB0, socket://10.0.0.5:4196, tcp://…:8889.")
@click.option("--all", "thorough", is_flag=True, help="Every baud rate, parity and address.")
@json_option
@config_option
def scan(line: str | None, thorough: bool, as_json: bool, file: Path) -> None:
    """Find devices and print the configuration to paste.

    Looks at the serial ports and calls out on the network; with --line also behind a TCP port or
    at an MQTT broker. Sources of packages that you have installed search too.
    Only reads. The service must be stopped while it runs. Meters are named by the device maps
    that come with this, and by your own in the folder 'devices' beside the configuration.

    \b
    Examples:
      energy-monitor scan
      energy-monitor scan --line /dev/ttyUSB0 --all
      energy-monitor scan --line tcp://192.168.2.5:8889
      energy-monitor scan --line tcp://192.168.2.9:502
      energy-monitor scan --line mqtt://192.168.2.3
    """
    dirs = own_maps(file)
    found = []
    reasons: list[str] = []
    ports = [] if line else adapter.ports()
    if not line:
        listed = ", ".join(map(plain, ports)) or "none"
        click.secho(f"serial ports: {listed}", err=True)

    def leave_out(reason: str) -> None:
        reasons.append(reason)
        skipped(reason)

    for each in scanner.scan(line or "", progress, leave_out, thorough=thorough, device_dirs=dirs):
        progress("")
        click.secho(f"{plain(each.place)}  {plain(each.text)}", fg="green", err=True)
        found.append(each)
    progress("")
    if as_json:
        click.echo(json.dumps([render.entry(each) for each in found], indent=2, default=str))
    elif found:
        click.echo(render.render(found), nl=False)
    else:
        click.echo(pasteable(nothing(line, ports, reasons)))
    sys.exit(0 if any(each.options for each in found) else 1)


def nothing(line: str | None, ports: Sequence[str], reasons: Sequence[str]) -> str:
    """Say what to look at where nothing was found; *reasons* are why places were left out."""
    if line and line.startswith("tcp:"):
        usual = scanner.usual_ports()
        return f"no known device answered. Are address and port right? Usual ports: {usual}"
    if line and not line.startswith(("/", "socket:", "rfc2217:")):
        return "nothing was recognised"
    places = [line] if line else list(ports)
    left_out = {place for place in places for each in reasons if each.startswith(f"{place} ")}
    searched = [place for place in places if place not in left_out]
    if searched:
        return (
            f"nothing answered at {', '.join(map(plain, searched))}. Are A and B the right way "
            "round, and does the meter have power? 'energy-monitor scan --all' tries every address "
            "and framing."
        )
    if places:
        return "nothing was found: no port could be searched, for the reasons above"
    return (
        "no serial port is there, and nothing that is known answers on the network: "
        "is the adapter plugged in? See 'ls /dev/serial/by-id'"
    )


def skipped(reason: str) -> None:
    """Say which place or source is left out, and why."""
    progress("")
    click.secho(pasteable(plain(reason, 1000)), fg="yellow", err=True)


def progress(text: str, part: float | None = None) -> None:
    """Show how far it is, on a terminal only, over what was shown before."""
    if sys.stderr.isatty():
        percent = f"{part:4.0%}  " if part is not None else " " * 6 * bool(text)
        click.echo(f"\r{percent}{plain(text)}"[:80] + "\033[K", nl=False, err=True)
