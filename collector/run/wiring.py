"""Sources and outputs, ready to run, out of the configuration; and what is wrong with it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from collector.config import GROUPS, Config
from collector.contract import (
    Advising,
    Context,
    Derivation,
    DerivationOptions,
    Output,
    OutputOptions,
    Source,
    SourceOptions,
    Timed,
    extras,
)
from collector.contract.defaults import ENERGY
from collector.contract.page import wrong_with
from collector.contract.registry import find
from collector.contract.roles import roles_of
from collector.contract.rolled import quantity_of
from collector.errors import SecretMissing
from collector.lines.serial import Lines
from collector.options import within
from collector.quantity import catalogue
from collector.run import alerts
from collector.run.attempt import attempt
from collector.run.feed import Feed, feed
from collector.run.health import (
    DerivationHealth,
    Health,
    OutputHealth,
    PageHealth,
    SourceHealth,
)
from collector.run.heard import check_heard
from collector.run.identity import installation
from collector.run.paths import check_paths
from collector.run.roles import advise_roles, check_roles
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
    built = build_anyway(config, health)
    config.faults.raise_found()
    return built


def build_anyway(config: Config, health: Health) -> Built:
    """Make what can be made; *faults* of *config* has why the others cannot."""
    lines = Lines()
    if wrong := wrong_with(config.main.page):
        config.faults.add_later(f"page.{wrong[0]}", wrong[1])
    feeds: dict[str, list[Feed]] = defaultdict(list)
    outputs = {}
    for name, options in config.sources.items():
        if each := build_source(config, name, options, lines, health.sources[name]):
            feeds[each.source.line].append(each)
    for name, options in config.outputs.items():
        path = f"outputs.{name}"
        output, _ = attempt(config.faults, path, options, maker(config, "outputs", name, lines))
        attempt(config.faults, path, options, partial(check_since, config))
        attempt(config.faults, path, options, Selection)
        if output:
            outputs[name] = (output, options)
    check_roles(config, {each.name: each.source for line in feeds.values() for each in line})
    derivations = build_derivations(config, lines)
    alerts.check_targets(config)
    return Built(feeds, derivations, outputs)


def build_source(
    config: Config, name: str, options: SourceOptions, shared: Lines, health: SourceHealth
) -> Feed | None:
    """Make a source and sort its quantities; add what is wrong to the faults."""
    faults, path, cls = config.faults, f"sources.{name}", find("sources", options.type)
    common = {each.name for each in fields(SourceOptions)}

    def make(options: SourceOptions) -> Source:
        wrong = [each for each in vars(options) if each not in common and replaced(each)]
        lines = Lines() if wrong else shared  # what stands in takes no address on a line
        source: Source = cls(name, options, context(config, name, lines))
        return source

    def replaced(option: str) -> bool:
        return any(within(each, f"{path}.{option}") for each in faults.stand_ins)

    source, options = attempt(faults, path, options, make)
    if not source:
        return None
    required = [each.name for each in fields(options) if has_no_default(each)]
    offered = catalogue() if any(map(replaced, required)) else source.quantities
    made, _ = attempt(
        faults, path, options, lambda options: feed(name, source, options, health, offered)
    )
    return made


def has_no_default(option: "Field[Any]") -> bool:
    return option.default is MISSING and option.default_factory is MISSING


def maker(config: Config, group: str, name: str, lines: Lines) -> Callable[[Any], Any]:
    """Return what makes the output or derivation *name* out of its options."""
    cls = find(group, getattr(config, group)[name].type)
    meant = alerts.meanings(config) if group == "outputs" else {}
    given = replace(context(config, name, lines), alerts=meant)
    return lambda options: cls(name, options, given)


def check_since(config: Config, options: OutputOptions | DerivationOptions) -> None:
    since_ms(options.since, 0, config.main.timezone)


def build_derivations(config: Config, lines: Lines) -> dict[str, Callable[[], Derivation]]:
    """Make every derivation once, to see that it can be; add what is wrong to the faults."""
    made: dict[str, Derivation] = {}
    makers: dict[str, Callable[[], Derivation]] = {}
    for name, options in config.derivations.items():
        path, make = f"derivations.{name}", maker(config, "derivations", name, lines)
        attempt(config.faults, path, options, partial(check_since, config))
        derivation, _ = attempt(config.faults, path, options, make)
        if not derivation:
            continue
        made[name], makers[name] = derivation, partial(make, options)
        if unknown := sorted(each for each in derivation.quantities if not quantity_of(each)):
            message = f"it makes {unknown[0]!r}, which is not in the catalogue"
            config.faults.add_later(f"derivations.{name}.type", message)
    for first, second in pairwise(
        name for name, each in config.derivations.items() if each.type == ENERGY
    ):
        message = f"{first!r} derives the energy of all devices already: keep one"
        config.faults.add_later(f"derivations.{second}.type", message)
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
    whose, roles = installation(config.data_dir), roles_of(config.sources)
    return Context(
        *(config.main.site, lines, config.file.parent, state_dir, zone, whose, roles),
        files=config.house_files,
    )


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
    page = config.main.page
    serves = PageHealth(page.url, "starting", now_ms) if page.port else PageHealth()
    meant = alerts.meanings(config)
    return Health(sources, outputs, now_ms, derivations, page=serves, meanings=meant)


def check(config: Config) -> list[str]:
    """Build every source and output, look for their secrets and files; return advice in sentences.

    Raise ConfigFault with every fault, those that *config* was read with too.
    """
    feeds = build_anyway(config, new_health(config)).feeds
    for place, secret in config.secrets_named():
        check_secret(config, place, secret)
    check_paths(config)
    check_heard(config)
    for place, extra in missing_extras(config):
        config.faults.add_later(place, extras.how(extra))
    config.faults.raise_found()
    given = [advice for line in feeds.values() for advice in advise(line)]
    sources = {each.name: each.source for line in feeds.values() for each in line}
    return list(dict.fromkeys([*given, *advise_roles(config, sources), *alerts.advice(config)]))


def missing_extras(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the place of each entry whose options need an extra that is missing, and its name."""
    for group in GROUPS:
        for name, options in getattr(config, group).items():
            for extra in options.extras():
                if not extras.is_installed(extra):
                    yield f"{group}.{name}", extra


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
