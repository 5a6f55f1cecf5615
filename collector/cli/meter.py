"""The commands ``energy-monitor meter …``: what was decided about counters, and what is true."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector.cli.arguments import Time, config_option, json_option
from collector.errors import EnergyMonitorError

if TYPE_CHECKING:
    from collector.config import Config
    from collector.ledger.database import Database, Event

MOST_EVENTS = 100_000
PER_UNIT = {"wh": 1, "kwh": 1000, "mwh": 1_000_000}
HIGHEST_WH = 10**10  # what the catalogue allows a counter


class Energy(click.ParamType[float]):
    """An energy in kWh as a display shows it, or with its unit: 12345.6 or 300Wh."""

    name = "energy"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) *([kM]?Wh)?", value, re.IGNORECASE)
        if found is None:
            self.fail(f"{value!r} is not an energy; write 12345.6 (kWh) or 300Wh", param, ctx)
        energy = Decimal(found[1]) * PER_UNIT[(found[2] or "kWh").lower()]
        if energy > HIGHEST_WH:
            self.fail(f"{value!r} is more than a counter can show: 10 GWh", param, ctx)
        return float(energy)


@click.group()
def meter() -> None:
    """Tell of a replaced meter, list what was decided about counters."""


@meter.command()
@click.argument("name")
@click.option(
    "--old-final", type=Energy(), required=True, help="Last value of the old meter, in kWh."
)
@click.option(
    "--new-start", type=Energy(), required=True, help="First value of the new meter, in kWh."
)
@click.option("--at", type=Time(), help="When it was replaced.  [default: now]")
@click.option("--quantity", help="The counter, where the device has several.")
@config_option
def replace(
    name: str, old_final: float, new_start: float, at: int | None, quantity: str | None, file: Path
) -> None:
    """Say that the meter NAME was replaced: what both used is counted, and no more.

    It may be said before or after the new meter is read. A meter with several counters needs one
    command for each.

    \b
    Example:
      energy-monitor meter replace mains --old-final 12345.6 --new-start 0.3 --at 2026-01-31T18:00
    """
    from collector import clock, config  # noqa: PLC0415
    from collector.contract.counters import REPLACED_RECORD  # noqa: PLC0415

    loaded = config.load(file)
    with opened(loaded) as ledger:
        counter = counter_of(ledger, name, quantity)
    now_ms = round(clock.Clock("always").wall_ms())
    when = now_ms if at is None else at
    if not 0 < when <= now_ms:
        raise EnergyMonitorError("--at lies in the future: tell it when the meter is replaced")
    values = {counter: new_start, "meter_final": old_final, "meter_time": when / 1000}
    append(loaded, REPLACED_RECORD, name, now_ms, values)
    click.echo(
        f"{name}: noted; 'energy-monitor meter history {name}' shows what became of it as soon as "
        "the new meter is read"
    )


@meter.command()
@click.argument("name")
@json_option
@config_option
def history(name: str, as_json: bool, file: Path) -> None:
    """List what was decided about the counters of the device NAME, newest last.

    \b
    Example:
      energy-monitor meter history mains
    """
    from collector import config  # noqa: PLC0415

    loaded = config.load(file)
    with opened(loaded) as ledger:
        found = list(events_of(ledger, name))
    if as_json:
        click.echo(json.dumps([as_object(each) for each in found], indent=2))
        return
    if not found:
        click.echo(f"{name}: nothing was decided about its counters")
    from datetime import datetime  # noqa: PLC0415
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from collector.ledger.decisions import sentence  # noqa: PLC0415

    zone = ZoneInfo(loaded.main.timezone)
    for each in found:
        at = datetime.fromtimestamp(each.at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
        number = f"{each.more.get('event_number', 0):.0f}"
        click.echo(f"{number:>4}  {at}  {sentence(each.quantity, numbers(each))}")


@meter.command()
@click.argument("name")
@click.argument("event", type=click.IntRange(min=1))
@config_option
def undo(name: str, event: int, file: Path) -> None:
    """Take back the decision EVENT about the device NAME, as numbered in its history.

    Of a reset, a roll-over or a replacement nothing is counted then; of a jump all of it is.

    \b
    Example:
      energy-monitor meter undo mains 3
    """
    from collector import clock, config  # noqa: PLC0415
    from collector.contract.counters import UNDO_RECORD  # noqa: PLC0415
    from collector.ledger.decisions import meaning  # noqa: PLC0415

    loaded = config.load(file)
    with opened(loaded) as ledger:
        known = list(events_of(ledger, name))
    found = [each for each in known if each.more.get("event_number") == event]
    if not found:
        raise EnergyMonitorError(
            f"{name} has no decision {event}: 'energy-monitor meter history {name}' lists them"
        )
    what = meaning(float(found[0].what))
    if not what.can_undo:
        raise EnergyMonitorError(f"decision {event} is {what.name!r}: nothing was counted for it")
    later = [each for each in known if each.more.get("event_of") == event]
    if later:
        number = later[0].more.get("event_number", 0)
        raise EnergyMonitorError(f"decision {event} is changed already, by decision {number:.0f}")
    now_ms = round(clock.Clock("always").wall_ms())
    append(loaded, UNDO_RECORD, name, now_ms, {"undo_event": float(event)})
    click.echo(f"{name}: decision {event} will be undone within seconds")


def append(loaded: "Config", kind: str, name: str, at_ms: int, values: dict[str, float]) -> None:
    """Put what the owner says into the journal, through the service where it runs."""
    from collector.cli.journal import append_part  # noqa: PLC0415
    from collector.reading import Reading, encode  # noqa: PLC0415

    append_part(loaded, [encode(Reading(kind, name, at_ms, values)).decode("ascii")])


@contextmanager
def opened(loaded: "Config") -> "Iterator[Database]":
    from collector.ledger import database  # noqa: PLC0415

    try:
        ledger = database.open_to_read(loaded.ledger)
    except FileNotFoundError as error:
        raise EnergyMonitorError(
            f"there is no ledger yet at {loaded.ledger}: the service makes it"
        ) from error
    try:
        yield ledger
    finally:
        ledger.close()


def counter_of(ledger: "Database", name: str, quantity: str | None) -> str:
    """Return the counter that is meant. Raise EnergyMonitorError where that is not clear."""
    from collector.scalars import did_you_mean  # noqa: PLC0415

    counters = {device: set[str]() for device, _, kind in ledger.known if kind == "counter"}
    for device, each, kind in ledger.known:
        if kind == "counter":
            counters[device].add(each)
    if name not in counters:
        near = did_you_mean(name, counters) or f"; known: {', '.join(sorted(counters)) or 'none'}"
        raise EnergyMonitorError(f"no counter of {name!r} is known{near}")
    known = sorted(counters[name])
    if quantity is None and len(known) == 1:
        return known[0]
    if quantity not in known:
        wrong = "" if quantity is None else f"{name} has no counter {quantity!r}: "
        raise EnergyMonitorError(f"{wrong}give --quantity one of {', '.join(known)}")
    return quantity


def events_of(ledger: "Database", name: str) -> "Iterator[Event]":
    """Yield the decisions about a device, oldest first."""
    for each in reversed(ledger.events(most=MOST_EVENTS)):
        if each.device == name:
            yield each


def numbers(event: "Event") -> dict[str, float]:
    return {"event": float(event.what), **event.more}


def as_object(event: "Event") -> dict[str, Any]:
    from collector.clock import utc  # noqa: PLC0415
    from collector.ledger.decisions import meaning, sentence  # noqa: PLC0415

    return {
        "number": int(event.more.get("event_number", 0)),
        "at": utc(event.at_ms),
        "quantity": event.quantity,
        "what": meaning(float(event.what)).name,
        "sentence": sentence(event.quantity, numbers(event)),
        "values": dict(event.more),
    }
