"""What each device is in the house, as the configuration says: ``role`` and ``roles``.

Grid, solar, battery and house make up the balance of the house; a heat pump and whatever is
'part of' something draw from it. Without a meter at the grid and at the house there is no grid.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.contract import registry
from collector.contract.options import SourceOptions
from collector.scalars import ROLES, Role, did_you_mean

HOUSE = "house"
GRID = "grid"
SINGLE = (GRID, HOUSE)  # two solar inverters add up by themselves, two meters at the grid may not
FLOWS = "flows"
FLOWS_ENERGY = "flows_energy"  # the same as energy, in counters
Wrong = tuple[str, str]  # the path of an option, and what is wrong with it


@dataclass(frozen=True)
class Plan:
    """Which devices have which role; *parts* names of each part what it is a part of."""

    devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)

    def of(self, role: str) -> tuple[str, ...]:
        return self.devices.get(role, ())

    @property
    def is_balanced(self) -> bool:
        """Return whether there is anything beside parts."""
        return any(self.devices.values())


def roles_of(sources: Mapping[str, SourceOptions]) -> dict[str, Role]:
    """Return the role of each device that has one."""
    return {device: role for device, (_, role) in places(sources).items()}


def places(sources: Mapping[str, SourceOptions]) -> dict[str, tuple[str, Role]]:
    """Return of each device with a role where that stands, and the role."""
    found: dict[str, tuple[str, Role]] = {}
    for name, options in sources.items():
        if options.role:
            found[name] = f"sources.{name}.role", options.role
        for device, role in options.roles.items():
            found[device] = f"sources.{name}.roles.{device}", role
    return found


def plan(roles: Mapping[str, Role]) -> Plan:
    """Sort devices by their roles. What is part of a meter of grid or house is the house's."""
    wholes = {device for device, role in roles.items() if role in SINGLE}
    devices = {
        each: tuple(device for device, role in roles.items() if role == each)
        for each in ROLES
        if each != "heat_pump"
    }
    parts = {
        device: HOUSE if role == "heat_pump" or role.whole in wholes else role.whole
        for device, role in roles.items()
        if role == "heat_pump" or role.whole
    }
    return Plan(devices, parts)


def wrong_with(
    sources: Mapping[str, SourceOptions], derivations: Mapping[str, Any]
) -> Iterator[Wrong]:
    """Yield what contradicts itself in the roles of *sources*."""
    found = places(sources)
    roles = {device: role for device, (_, role) in found.items()}
    yield from given_twice(sources)
    summed = {each for one in flows_of(derivations) for each in one.sum}
    for role in SINGLE:
        several = [device for device in roles if roles[device] == role]
        if len(several) > 1 and role not in summed:
            wrong = (
                f"{several[0]!r} is the {role} already; where both add up, write 'sum: [{role}]' "
                "into the derivation 'flows'"
            )
            yield found[several[1]][0], wrong
    if house := next(iter(all_there(roles)), ""):
        yield (
            found[house][0],
            "the house follows from grid and solar: leave this role out, or one of theirs",
        )
    for device, role in roles.items():
        if role.whole and (wrong := wrong_part(device, roles)):
            yield found[device][0], wrong


def given_twice(sources: Mapping[str, SourceOptions]) -> Iterator[Wrong]:
    for name, options in sources.items():
        for device, role in options.roles.items():
            others = [
                other
                for other, each in sources.items()
                if (device == other and each.role and each.role != role)
                or (other != name and device in each.roles)
            ]
            if others:
                yield f"sources.{name}.roles.{device}", f"it has a role in {others[0]!r} too"


def all_there(roles: Mapping[str, Role]) -> list[str]:
    """Return the meters of the house, where those of grid and solar are there too."""
    has_both = {"grid", "solar"} <= set(roles.values())
    return [device for device, role in roles.items() if role == HOUSE and has_both]


def wrong_part(device: str, roles: Mapping[str, Role]) -> str:
    """Say what is wrong with what *device* is a part of; '' where nothing is."""
    path = [device]
    while whole := roles.get(path[-1], Role()).whole:
        if whole == HOUSE and whole not in roles:
            return ""
        if whole not in roles:
            if len(path) > 1:
                return ""  # told of the other one
            near = did_you_mean(whole, [*roles, HOUSE])
            return f"no device {whole!r} has a role{near}; name one that has, or 'house'"
        if whole in path:
            way = " → ".join([*path, whole])
            return f"parts go round in a circle: {way}" if whole == device else ""
        path.append(whole)
    if len(path) == 2 and roles[path[1]] in {"solar", "battery"}:  # noqa: PLR2004
        return f"{path[1]!r} is {roles[path[1]]}, which has no parts; parts are of the house"
    return ""


def flows_of(derivations: Mapping[str, Any]) -> list[Any]:
    return [options for options in derivations.values() if options.type == FLOWS]


def imply(read: Mapping[str, dict[str, Any]]) -> None:
    """Add the derivation of flows where a source has a role and it is not configured."""
    if flows_of(read["derivations"]) or not roles_of(read["sources"]):
        return
    if FLOWS in registry.names("derivations"):
        name = FLOWS if FLOWS not in read["outputs"] else f"{FLOWS}-of-house"
        options = registry.find("derivations", FLOWS).Options
        read["derivations"][name] = options(type=FLOWS)
