"""What ``energy-monitor read`` does: read one source now, without the service."""

import json
import time
from collections.abc import Sequence

import click

from collector import service, show
from collector.clock import utc
from collector.config import Config
from collector.contract import Source
from collector.errors import EnergyMonitorError, ReadFault
from collector.health import Health, SourceHealth
from collector.reading import Reading


def read(config: Config, name: str, *, watch: bool, raw: bool, as_json: bool) -> None:
    """Read the source *name* and print its values, again and again with *watch*.

    Raise EnergyMonitorError where there is no such source or it does not answer.
    """
    source = find_source(config, name)
    try:
        source.open()
        if raw:
            print_raw(source, name, as_json=as_json)
            return
        while True:
            print_readings(read_now(source), as_json=as_json)
            if not watch:
                return
            time.sleep(config.sources[name].every)
    except ReadFault as error:
        raise EnergyMonitorError(f"{name}: {error}") from error
    except KeyboardInterrupt:
        click.echo()
    finally:
        source.close()


def find_source(config: Config, name: str) -> Source:
    if name not in config.sources:
        known = ", ".join(config.sources)
        raise EnergyMonitorError(f"no source named {name!r}; known: {known}")
    health = Health({each: SourceHealth() for each in config.sources}, {}, 0)
    feeds, _ = service.build(config, health)
    return next(each.source for line in feeds.values() for each in line if each.name == name)


def read_now(source: Source) -> list[Reading]:
    return source.read(round(time.time() * 1000), frozenset(source.quantities))


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
