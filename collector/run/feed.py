"""The sources of a line, each with its quantities sorted into groups by their intervals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from collector.contract import BadOption, Remembering, Source, SourceOptions
from collector.quantity import Quantity, QuantityNotKnown, catalogue, matching
from collector.run.health import SourceHealth


@dataclass
class Group:
    """Quantities of one source that are due together, every *interval_ms*."""

    interval_ms: int
    quantities: frozenset[str]
    due_ms: int = 0


@dataclass
class Feed:
    """A source with its groups and how it has been doing."""

    name: str
    source: Source
    groups: list[Group]
    rename: dict[str, str]
    health: SourceHealth
    is_open: bool = False
    failures: int = 0
    retry_ms: float = 0
    tried_ms: float = 0

    @cached_property
    def remembering(self) -> Remembering | None:
        """The source, where it remembers how far it has come. Finding that out takes long."""
        return self.source if isinstance(self.source, Remembering) else None

    @cached_property
    def intervals_ms(self) -> dict[str, int]:
        """How often each quantity is read, under the name that it is stored by."""
        return {
            self.rename.get(name, name): group.interval_ms
            for group in self.groups
            for name in group.quantities
        }

    @property
    def labels(self) -> dict[str, str]:
        """The label of each device that has its own; under '' that of the others."""
        return {"": self.health.label, **self.health.labels}

    @cached_property
    def named(self) -> Mapping[str, Quantity]:
        """What each quantity of the source is, under its new name where it has one."""
        known = catalogue()
        if not self.rename:
            return known
        return {**known, **{old: known[new] for old, new in self.rename.items()}}

    @property
    def due_ms(self) -> int:
        return min(group.due_ms for group in self.groups)

    @property
    def answers(self) -> bool:
        """Has it answered, and not been called silent since?"""
        return self.health.state == "alive"

    @property
    def turn(self) -> int:
        """Whose turn it is within a slot: those that answer, new ones, failing ones."""
        return -1 if self.answers else self.failures


def feed(
    name: str,
    source: Source,
    options: SourceOptions,
    health: SourceHealth,
    offered: Collection[str] | None = None,
) -> Feed:
    """Sort a source's quantities, or those *offered*, into groups by their intervals.

    Raise BadOption.
    """
    offered = source.quantities if offered is None else offered
    known = catalogue()
    unknown = [quantity for quantity in source.quantities if quantity not in known]
    if unknown:
        raise BadOption("type", f"it reads {unknown[0]!r}, which is not in the catalogue")
    wanted = pick("quantities", options.quantities, offered) or list(offered)
    left = dict.fromkeys(wanted)
    groups = []
    for number, each in enumerate(options.read):
        chosen = pick(f"read.{number}.quantities", each.quantities, offered)
        for quantity in chosen:
            if quantity not in wanted:
                message = f"{quantity!r} is not among those that 'quantities' names"
                raise BadOption(f"read.{number}.quantities", message)
        groups.append(Group(round(each.every * 1000), frozenset(chosen)))
        for quantity in chosen:
            left.pop(quantity, None)
    if left:
        groups.append(Group(round(options.every * 1000), frozenset(left)))
    check_rename(options.rename, wanted, offered)
    return Feed(name, source, groups, options.rename, health)


def check_rename(
    rename: Mapping[str, str], wanted: Collection[str], offered: Collection[str]
) -> None:
    """Raise BadOption where a new name is not free, or not of the same unit."""
    known = catalogue()
    for old, new in rename.items():
        if new in wanted and new not in rename:
            raise BadOption(
                f"rename.{old}", f"{new!r} is read as well; exclude it with 'quantities'"
            )
        if old not in offered:
            raise BadOption(f"rename.{old}", f"{old!r} is not read by this source")
        if new not in known or known[new].unit != known[old].unit:
            raise BadOption(
                f"rename.{old}", f"{new!r} is no quantity in {known[old].unit or 'no unit'}"
            )
        if list(rename.values()).count(new) > 1:
            raise BadOption(
                f"rename.{old}", f"{new!r} is the new name of two quantities: one would be lost"
            )


def pick(option: str, patterns: Sequence[str], offered: Collection[str]) -> list[str]:
    try:
        return matching(patterns, offered)
    except QuantityNotKnown as error:
        raise BadOption(option, str(error)) from error
