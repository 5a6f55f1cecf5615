"""The commands ``energy-monitor alert …``: what stands, a test, and what would have been raised."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from collector.cli.arguments import Time, config_option, json_option, log_folder, pasteable
from collector.config import Config, load
from collector.contract.alert import KIND, Alarm, Describing, Notifying, alarm_of
from collector.errors import EnergyMonitorError
from collector.reading import Reading, decode, kind_of, time_ms
from collector.status import AlertStatus
from collector.text import duration, number, table

LATEST_MS = 10**13


@click.group()
def alert() -> None:
    """Show the alerts that stand, test a target, try rules on the journal."""


@alert.command("list")
@json_option
@config_option
def list_(as_json: bool, file: Path) -> None:
    """List the alerts that stand now.

    \b
    Example:
      energy-monitor alert list
    """
    from collector.run import alerts, control  # noqa: PLC0415

    loaded = load(file)
    answer = control.status(loaded.socket)
    if as_json:
        document = {name: vars(each) for name, each in answer.alerts.items()}
        click.echo(json.dumps(document, indent=2))
        return
    if not answer.alerts:
        click.echo("no alert stands")
    else:
        click.echo(pasteable(standing(answer.alerts, ZoneInfo(loaded.main.timezone))))
    if not alerts.targets(loaded):
        click.echo(pasteable("no output sends them: 'energy-monitor add output ntfy' adds one"))


def standing(found: Mapping[str, AlertStatus], zone: ZoneInfo) -> str:
    """Set out the alerts that stand."""
    rows = [
        [
            name,
            local(each.since_ms, zone),
            duration(each.duration_s),
            f"{number(each.worst)} {each.unit}".rstrip(),
            each.text,
        ]
        for name, each in found.items()
    ]
    advice = {each.advice: name for name, each in found.items() if each.advice}
    lines = [f"{name}: {text}" for text, name in advice.items()]
    return "\n".join([table(["ALERT", "SINCE", "LASTS", "WORST", "WHAT"], rows), "", *lines])


def local(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


@alert.command()
@click.argument("target")
@config_option
def test(target: str, file: Path) -> None:
    """Send a message marked as a test to a target.

    \b
    Example:
      energy-monitor alert test phone
    """
    from collector.outputs.notify.words import Writer  # noqa: PLC0415
    from collector.run import wiring  # noqa: PLC0415

    loaded = load(file)
    built = wiring.build(loaded, wiring.new_health(loaded))
    output, options = built.outputs.get(target, (None, None))
    if not isinstance(output, Notifying):
        raise EnergyMonitorError(no_target(loaded, target))
    zone = ZoneInfo(loaded.main.timezone)
    writer = Writer(loaded.main.site, zone, {}, getattr(options, "link", ""))
    output.tell(writer.test(round(time.time() * 1000), target))
    click.secho(f"sent to {target}", fg="green")


def no_target(loaded: Config, target: str) -> str:
    from collector.run import alerts  # noqa: PLC0415

    known = alerts.targets(loaded)
    others = f"known: {', '.join(known)}" if known else "'energy-monitor add output ntfy' adds one"
    return f"no output that sends messages is named {target!r}; {others}"


@alert.command()
@click.option("--since", type=Time(), required=True, help="Only readings from this time on.")
@click.option("--until", type=Time(), help="Only readings before this time.")
@json_option
@config_option
def replay(since: int, until: int | None, as_json: bool, file: Path) -> None:
    """Print which alerts the rules would have raised; nothing is sent.

    The rules are those of the configuration as it is now: change a limit, and look again.

    \b
    Example:
      energy-monitor alert replay --since 2026-01-24
    """
    from collector.journal.reader import read_between  # noqa: PLC0415

    loaded = load(file)
    lines = read_between(log_folder(file, loaded.data_dir), max(since, 0), until or LATEST_MS)
    zone, raised = ZoneInfo(loaded.main.timezone), 0
    for alarm in raised_by(loaded, lines):
        raised += alarm.is_raised
        click.echo(json.dumps(document_of(alarm)) if as_json else pasteable(shown(alarm, zone)))
    if not as_json:
        click.echo(f"{raised} would have been raised; nothing was sent")


def raised_by(loaded: Config, lines: Iterator[bytes]) -> Iterator[Alarm]:
    """Yield each rise and each end, as the rules say it of *lines*."""
    from collector.contract import Ticking  # noqa: PLC0415
    from collector.run import wiring  # noqa: PLC0415
    from collector.run.derivation import OUR_FIGURES  # noqa: PLC0415

    built = wiring.build(loaded, wiring.new_health(loaded))
    chosen = [name for name, each in loaded.derivations.items() if isinstance(each, Describing)]
    made = [built.derivations[name]() for name in chosen]
    before: dict[str, bool] = {}

    def new(readings: list[Reading]) -> Iterator[Alarm]:
        for alarm in map(alarm_of, readings):
            if before.get(alarm.name, False) != alarm.is_raised:
                before[alarm.name] = alarm.is_raised
                yield alarm

    for line in lines:
        for each in made:
            if kind_of(line) != KIND:
                yield from new(each.derive([decode(line)]))
            if line.startswith(OUR_FIGURES) and isinstance(each, Ticking):
                yield from new(each.tick(time_ms(line)))


def document_of(alarm: Alarm) -> dict[str, object]:
    return {
        "name": alarm.name,
        "raised": alarm.is_raised,
        "at_ms": alarm.at_ms,
        "since_ms": alarm.since_ms,
        "duration_s": alarm.duration_s,
        "value": alarm.value,
        "worst": alarm.worst,
    }


def shown(alarm: Alarm, zone: ZoneInfo) -> str:
    at = local(alarm.at_ms, zone)
    if alarm.is_raised:
        return f"{at}  {alarm.name}  raised at {number(alarm.value)}"
    lasted = duration(alarm.duration_s)
    return f"{at}  {alarm.name}  over after {lasted}, at worst {number(alarm.worst)}"
