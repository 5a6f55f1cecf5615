"""What ``check`` says of the roles of devices: contradictions, and a role that seems to be missing.

What a source can read shows what it may be; only its owner knows where it is built in.
"""

from collections.abc import Collection, Iterator, Mapping

from collector.config import Config
from collector.contract import Source
from collector.contract.roles import places, roles_of, wrong_with

METERED = {"active_power", "voltage"}
NO_METER = {"battery_voltage", "panel_voltage", "panel_power", "battery_power"}
# One of these lets a battery be counted: counters of both directions, or a power with a sign.
BATTERY = (
    {"charged_energy", "discharged_energy"},
    {"active_energy_import", "active_energy_export"},
    {"active_power"},
)


def check_roles(config: Config, sources: Mapping[str, Source]) -> None:
    """Add to the faults of *config* what contradicts itself in its roles."""
    for path, wrong in wrong_with(config.sources, config.derivations):
        config.faults.add_later(path, wrong)
    for device, (path, role) in places(config.sources).items():
        source = sources.get(device)
        if role == "battery" and source and not counts(source.quantities):
            config.faults.add_later(
                path,
                f"{device!r} counts no energy: a battery needs charged_energy and "
                "discharged_energy, both directions of active_energy, or active_power",
            )


def counts(quantities: Collection[str]) -> bool:
    return any(each <= set(quantities) for each in BATTERY)


def advise_roles(config: Config, sources: Mapping[str, Source]) -> Iterator[str]:
    """Say which role is plainly missing, where no device has one."""
    if roles_of(config.sources):
        return
    meters = [name for name, source in sources.items() if is_meter(source.quantities)]
    if len(meters) == 1:
        yield (
            f"{meters[0]}: is this the meter between house and grid? 'role: grid' shows where "
            "the energy goes (docs/flows.md)"
        )


def is_meter(quantities: Collection[str]) -> bool:
    known = set(quantities)
    has_energy = any(each.startswith("active_energy") for each in known)
    return known >= METERED and has_energy and not NO_METER & known
