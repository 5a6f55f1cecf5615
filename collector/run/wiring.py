"""Sources and outputs, ready to run, out of the configuration; and what is wrong with it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from collector.config import Config
from collector.contract import (
    Advising,
    BadOption,
    Context,
    Derivation,
    Output,
    OutputOptions,
    Source,
    Timed,
)
from collector.errors import ConfigFault, SecretMissing
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.registry import find
from collector.run.feed import Feed, feed
from collector.run.health import DerivationHealth, Health, OutputHealth, SourceHealth
from collector.run.selection import Selection
from collector.run.since import since_ms
from collector.secrets import Secret


class Built(NamedTuple):
    """What a configuration names, ready to run: sources by line, the others by name.

    A derivation is a function that makes it, since it is made anew after it has failed.
    """

    feeds: dict[str, list[Feed]]
    derivations: dict[str, Callable[[], Derivation]]
    outputs: dict[str, tuple[Output, OutputOptions]]


def build(config: Config, health: Health) -> Built:
    """Make every source, derivation and output. Raise ConfigFault with every fault."""
    lines = Lines()
    feeds: dict[str, list[Feed]] = defaultdict(list)
    outputs = {}
    for name, options in config.sources.items():
        try:
            source: Source = find("sources", options.type)(
                name, options, context(config, name, lines)
            )
            feeds[source.line].append(feed(name, source, options, health.sources[name]))
        except BadOption as error:
            config.faults.add_later(f"sources.{name}.{error.option}", str(error))
        except ConfigFault as error:  # of a device map of the owner's
            config.faults.found += error.faults
    for name, options in config.outputs.items():
        try:
            output: Output = find("outputs", options.type)(
                name, options, context(config, name, lines)
            )
            since_ms(options.since, 0, config.main.timezone)
            Selection(options)
            outputs[name] = (output, options)
        except BadOption as error:
            config.faults.add_later(f"outputs.{name}.{error.option}", str(error))
    derivations = build_derivations(config, lines)
    if config.faults.found:
        raise ConfigFault(config.faults.found)
    return Built(feeds, derivations, outputs)


def build_derivations(config: Config, lines: Lines) -> dict[str, Callable[[], Derivation]]:
    """Make every derivation once, to see that it can be; add what is wrong to the faults."""
    made: dict[str, Derivation] = {}
    makers: dict[str, Callable[[], Derivation]] = {}
    for name, options in config.derivations.items():
        maker = partial(
            find("derivations", options.type), name, options, context(config, name, lines)
        )
        try:
            since_ms(options.since, 0, config.main.timezone)
            made[name], makers[name] = maker(), maker
        except BadOption as error:
            config.faults.add_later(f"derivations.{name}.{error.option}", str(error))
            continue
        if unknown := sorted(set(made[name].quantities) - set(catalogue())):
            message = f"it makes {unknown[0]!r}, which is not in the catalogue"
            config.faults.add_later(f"derivations.{name}.type", message)
    if circle := circle_of(made):
        way = " → ".join([*circle, circle[0]])
        config.faults.add_later(
            f"derivations.{circle[0]}", f"derivations hear each other in a circle: {way}"
        )
    return makers


def circle_of(made: Mapping[str, Derivation]) -> list[str]:
    """Return the names of derivations that hear what follows from what they make, if any do."""
    followers = {
        name: [other for other in made if each.makes & made[other].hears]
        for name, each in made.items()
    }

    def walk(path: list[str]) -> list[str]:
        for each in followers[path[-1]]:
            if each in path:
                return path[path.index(each) :]
            if found := walk([*path, each]):
                return found
        return []

    return next((found for name in made if (found := walk([name]))), [])


def context(config: Config, name: str, lines: Lines) -> Context:
    state_dir = config.data_dir / "state" / name
    zone = ZoneInfo(config.main.timezone)
    return Context(config.main.site, lines, config.file.parent, state_dir, zone)


def new_health(config: Config, now_ms: float = 0) -> Health:
    """Return figures for what *config* names, with nothing counted yet."""
    sources = {
        name: SourceHealth(label=options.label, labels=options.labels)
        for name, options in config.sources.items()
    }
    outputs = {name: OutputHealth(label=each.label) for name, each in config.outputs.items()}
    derivations = {
        name: DerivationHealth(label=each.label) for name, each in config.derivations.items()
    }
    return Health(sources, outputs, now_ms, derivations)


def check(config: Config) -> list[str]:
    """Build every source and output and look for their secrets; return advice in sentences.

    Raise ConfigFault with every fault.
    """
    feeds = build(config, new_health(config)).feeds
    for place, secret in config.secrets_named():
        check_secret(config, place, secret)
    if config.faults.found:
        raise ConfigFault(config.faults.found)
    return list(dict.fromkeys(advice for line in feeds.values() for advice in advise(line)))


def check_secret(config: Config, path: str, secret: Secret) -> None:
    try:
        secret.value()
    except SecretMissing as error:
        config.faults.add_later(path, str(error))


def advise(line: list[Feed]) -> Iterator[str]:
    """Say where a line is asked for more than it can carry, or could answer sooner."""
    for each in line:
        if isinstance(each.source, Advising):
            yield from each.source.advice()
    busy = sum(load(each) for each in line)
    if busy > 1:
        names = ", ".join(each.name for each in line)
        yield (
            f"{names}: the line needs {busy:.1f} s of each second: slots will be skipped; "
            "read less often, read fewer quantities, or raise the meters' baud rate"
        )


def load(each: Feed) -> float:
    """Return which part of the time a source keeps its line busy."""
    source = each.source
    if not isinstance(source, Timed):
        return 0.0
    return sum(source.bus_time_ms(group.quantities) / group.interval_ms for group in each.groups)
