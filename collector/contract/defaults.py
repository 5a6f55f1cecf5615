"""What is there in every house, also where the configuration does not name it."""

from collections.abc import Container, Mapping
from typing import Any

from collector.contract import registry

ENERGY = "energy"


def derivations(named: Mapping[str, Any], outputs: Container[str]) -> dict[str, Any]:
    """Return the derivations that are on, with one of energy unless one is *named*."""
    found = dict(named)
    if not any(each.type == ENERGY for each in named.values()):
        name = ENERGY if ENERGY not in named and ENERGY not in outputs else f"{ENERGY}-counters"
        found[name] = registry.find("derivations", ENERGY).Options(type=ENERGY)
    return {name: each for name, each in found.items() if each.enabled}
