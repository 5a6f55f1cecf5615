"""What ``check`` says of the contracts beside the configuration."""

from contextlib import closing

from collector.config import Config
from collector.contract import extras
from collector.ledger.database import LedgerDamaged, open_to_read


def look(config: Config) -> list[str]:
    """Add what is wrong with the contracts to the faults of *config*; return advice."""
    if not config.tariffs.exists():
        if "tariffs" in config.faults.lines:
            config.faults.add_later("tariffs", f"{config.tariffs} is not there")
        return []
    from collector.derive.cost import check, tariffs  # noqa: PLC0415  only where there are any
    from collector.derive.cost.holidays import Holidays  # noqa: PLC0415

    found = tariffs.read(config.tariffs)
    known = check.known_in(config.sources, series_of(config))
    advice = check.look(found, known, Holidays(config.data_dir / "holidays.json"))
    config.faults.found += found.faults.found
    return advice


def series_of(config: Config) -> list[tuple[str, str, str]]:
    """Return what the ledger has; nothing where there is none yet, or none that we may read."""
    try:
        with closing(open_to_read(config.ledger)) as database:
            return list(database.known)
    except (OSError, LedgerDamaged):
        return []


def names(config: Config) -> list[str]:
    """Return the names of the contracts, each once."""
    if not config.tariffs.exists():
        return []
    from collector.derive.cost import tariffs  # noqa: PLC0415

    return list(dict.fromkeys(each.name for each in tariffs.read(config.tariffs).contracts))


def missing_extras(config: Config) -> set[str]:
    """Return the extras that the contracts need and that are not installed."""
    if not config.tariffs.exists():
        return set()
    from collector.derive.cost import tariffs  # noqa: PLC0415
    from collector.derive.cost.holidays import EXTRA  # noqa: PLC0415

    needed = any(each.holidays.code for each in tariffs.read(config.tariffs).contracts)
    return {EXTRA} if needed and not extras.is_installed(EXTRA) else set()
