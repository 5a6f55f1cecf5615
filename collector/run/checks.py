"""What ``energy-monitor check`` looks at beyond the form of the configuration."""

from collections.abc import Iterator

from collector.config import Config
from collector.errors import ConfigFault
from collector.run import service
from collector.run.intake import Feed
from collector.secrets import Secret, SecretMissing


def check(config: Config) -> list[str]:
    """Build every source and output and look for their secrets; return advice in sentences.

    Raise ConfigFault with every fault.
    """
    feeds, _ = service.build(config, service.new_health(config))
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
