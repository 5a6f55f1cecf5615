"""Sources and outputs, ready to run, out of the configuration; and what is wrong with it."""

from collections import defaultdict
from collections.abc import Iterator

from collector.config import Config
from collector.contract import BadOption, Context, Output, OutputOptions, Source
from collector.errors import ConfigFault
from collector.lines.serial import Lines
from collector.registry import find
from collector.run.health import Health, OutputHealth, SourceHealth
from collector.run.intake import Feed, feed
from collector.run.selection import Selection
from collector.run.since import since_ms
from collector.secrets import Secret, SecretMissing


def build(
    config: Config, health: Health
) -> tuple[dict[str, list[Feed]], dict[str, tuple[Output, OutputOptions]]]:
    """Make every source and output; sources by line. Raise ConfigFault with every fault."""
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
    if config.faults.found:
        raise ConfigFault(config.faults.found)
    return feeds, outputs


def context(config: Config, name: str, lines: Lines) -> Context:
    return Context(config.main.site, lines, config.file.parent, config.data_dir / "state" / name)


def new_health(config: Config, now_ms: float = 0) -> Health:
    """Return figures for what *config* names, with nothing counted yet."""
    sources = {name: SourceHealth() for name in config.sources}
    return Health(sources, {name: OutputHealth() for name in config.outputs}, now_ms)


def check(config: Config) -> list[str]:
    """Build every source and output and look for their secrets; return advice in sentences.

    Raise ConfigFault with every fault.
    """
    feeds, _ = build(config, new_health(config))
    for name, options in [*config.sources.items(), *config.outputs.items()]:
        group = "sources" if name in config.sources else "outputs"
        for option, value in vars(options).items():
            if isinstance(value, Secret):
                check_secret(config, f"{group}.{name}.{option}", value)
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
        yield from getattr(each.source, "advice", list)()
    busy = sum(load(each) for each in line)
    if busy > 1:
        names = ", ".join(each.name for each in line)
        yield (
            f"{names}: the line needs {busy:.1f} s of each second: slots will be skipped; "
            "read less often, read fewer quantities, or raise the meters' baud rate"
        )


def load(each: Feed) -> float:
    """Return which part of the time a source keeps its line busy."""
    bus_time_ms = getattr(each.source, "bus_time_ms", None)
    if bus_time_ms is None:
        return 0.0
    return float(sum(bus_time_ms(group.quantities) / group.interval_ms for group in each.groups))
