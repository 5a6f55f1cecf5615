"""The rules that every house has: those of ``defaults.yaml``."""

import functools
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from collector.derive.alerts.options import RuleOptions
from collector.options import Faults, Place, parse, read_mapping, read_options


@functools.cache
def project_rules() -> Mapping[str, RuleOptions]:
    """Return the options of each rule by its name."""
    file, faults = files("collector.derive.alerts") / "defaults.yaml", Faults()
    root: Any = parse(file, faults)
    place = Place(file.name, "")
    faults.raise_found()
    rules = {
        name: read_options(RuleOptions, node, place.at(name), faults)
        for name, node in read_mapping(root, place, faults).items()
    }
    faults.raise_found()
    return MappingProxyType(rules)
