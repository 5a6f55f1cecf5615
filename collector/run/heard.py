"""Looks whether the devices that derivations hear are those of a source or of a derivation."""

from collector.config import Config
from collector.run.values import values_of
from collector.scalars import Device, did_you_mean

AFTER_NAME = (".", "-", "_")  # what follows the name of a source in the names of its devices


def check_heard(config: Config) -> None:
    """Add a fault for each device that no source and no derivation of *config* has."""
    known = names_known(config)
    for name, options in config.derivations.items():
        for at, device in values_of(Device, f"derivations.{name}", options):
            if not is_known(device, known - {name}):
                config.faults.add_later(at, why(device, known - {name}))


def why(device: str, known: set[str]) -> str:
    hint = did_you_mean(device, known) or f"; known: {', '.join(sorted(known))}"
    return f"{device!r} is neither a source nor one of its devices{hint}"


def names_known(config: Config) -> set[str]:
    """Return the names of sources, of devices that they list, and of derivations."""
    known = {*config.sources, *config.derivations}
    for options in config.sources.values():
        listed = getattr(options, "devices", None)
        known |= set(listed) if isinstance(listed, dict) else set()
    return known


def is_known(device: str, known: set[str]) -> bool:
    """Tell whether *device* has a known name, or begins with one as devices of a source do."""
    return any(
        device == each or device.startswith(tuple(each + after for after in AFTER_NAME))
        for each in known
    )
