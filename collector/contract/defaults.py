"""What is there in every house, also where the configuration does not name it."""

from collections.abc import Container, Mapping
from typing import Any

from collector.contract import registry

ENERGY, ALERTS, COST = "energy", "alerts", "cost"
# Derivations of every house, and what each is called where its name is an output's.
ALWAYS = {ENERGY: "energy-counters", ALERTS: "house-alerts"}
WITH_CONTRACTS = {COST: "cost-so-far"}


def derivations(
    named: Mapping[str, Any], outputs: Container[str], *, costs: bool = False
) -> dict[str, Any]:
    """Return the derivations that are on, with those of every house unless they are *named*.

    *costs* says whether the house has contracts.
    """
    found = dict(named)
    for kind, other in (ALWAYS | (WITH_CONTRACTS if costs else {})).items():
        if not any(each.type == kind for each in named.values()):
            name = kind if kind not in named and kind not in outputs else other
            found[name] = registry.find("derivations", kind).Options(type=kind)
    return {name: each for name, each in found.items() if each.enabled}
