"""What a condition consists of, and whether it holds for what was heard of the devices."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

OUR_OWN = "collector"  # a device's name is also that of its source, whose figures are ours
MARGIN = 0.05
FELL_FOR_MS = 3_600_000


@dataclass
class Seen:
    """What was heard of one device: the newest values, and when a counter last went backwards.

    *at_ms* is the time of the newest reading, *heard_ms* when it came.
    """

    at_ms: int = 0
    heard_ms: int = 0
    values: dict[str, float] = field(default_factory=dict)
    fell: dict[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class House:
    """All that a condition may look at: devices by name and kind, settings, and the time."""

    devices: Mapping[str, Mapping[str, Seen]]
    settings: Mapping[str, float]
    now_ms: int
    began_ms: int


@dataclass(frozen=True)
class Verdict:
    """Whether a condition *holds*, and the value that decides it."""

    holds: bool
    value: float | None = None


NO = Verdict(holds=False)


@dataclass(frozen=True)
class Name:
    """A device by its kind ('*': any but our own figures) and name, with '*' for anything."""

    kind: str
    device: str

    @property
    def is_wild(self) -> bool:
        return "*" in self.device

    def names(self, kind: str, device: str) -> bool:
        """Is this the device?"""
        kinds = kind != OUR_OWN if self.kind == "*" else fits(self.kind, kind)
        return kinds and fits(self.device, device)

    def found(self, house: House, bound: str) -> Iterator[Seen]:
        """Yield what was heard of the device, which is *bound* where the name is wild."""
        device = bound if self.is_wild else self.device
        for kind, seen in house.devices.get(device, {}).items():
            if self.names(kind, device):
                yield seen


@lru_cache(maxsize=4096)  # some fifty times per reading
def fits(pattern: str, name: str) -> bool:
    """Is *name* what *pattern* says, in which at most one '*' stands for anything?"""
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == name
    return len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)


class Condition(Protocol):
    """Decides whether it holds. *relaxed*: whether a standing alert shall stand on."""

    @property
    def parts(self) -> "tuple[Condition, ...]": ...

    def decide(self, house: House, bound: str, relaxed: float | None) -> Verdict: ...


@dataclass(frozen=True)
class Limit:
    """A number, or *number* times a quantity of the same reading or a setting."""

    number: float
    of: str = ""

    def value(self, seen: Seen, settings: Mapping[str, float]) -> float | None:
        if not self.of:
            return self.number
        of = settings.get(self.of, seen.values.get(self.of))
        return None if of is None else self.number * of


@dataclass(frozen=True)
class Comparison:
    """A quantity beside a limit. *margins* is False where values are states or small counts."""

    name: Name
    quantities: frozenset[str]
    sign: str
    limit: Limit
    unit: str = ""
    margins: bool = True
    clear: float | None = None
    parts: tuple[Condition, ...] = ()

    def may_hold(self, seen: Seen, settings: Mapping[str, float]) -> bool:
        of = self.limit.of
        known = not of or of in settings or of in seen.values
        return known and not self.quantities.isdisjoint(seen.values)

    def decide(self, house: House, bound: str, relaxed: float | None) -> Verdict:
        holding = []
        for seen in self.name.found(house, bound):
            limit = self.limit.value(seen, house.settings)
            if limit is None:
                continue
            if relaxed is not None:
                limit = self.relax(limit, relaxed)
            for quantity in self.quantities & seen.values.keys():
                if compare(seen.values[quantity], self.sign, limit):
                    holding.append(seen.values[quantity])  # noqa: PERF401  reads better so
        if not holding:
            return NO
        return Verdict(holds=True, value=worst(self.sign, *holding))

    def relax(self, limit: float, margin: float) -> float:
        """Return the limit at which a standing alert ends."""
        if self.clear is not None:
            return self.clear
        if not self.margins or self.sign in {"=", "!="}:
            return limit
        return limit - abs(limit) * margin * (1 if self.sign[0] == ">" else -1)


@dataclass(frozen=True)
class Age:
    """How long nothing has come from a device, in seconds; *or_never* where it need never have."""

    name: Name
    sign: str
    limit: Limit
    unit: str = "s"
    parts: tuple[Condition, ...] = ()

    def may_hold(self, seen: Seen, settings: Mapping[str, float]) -> bool:  # noqa: ARG002
        return True

    def decide(self, house: House, bound: str, relaxed: float | None) -> Verdict:
        del relaxed
        heard = [seen.heard_ms for seen in self.name.found(house, bound)]
        if not heard and self.name.is_wild:
            return NO
        age_s = max(house.now_ms - max(house.began_ms, *heard, 0), 0) / 1000
        return Verdict(compare(age_s, self.sign, self.limit.number), age_s)


@dataclass(frozen=True)
class Falls:
    """A counter went backwards within the last hour; the value is by how much."""

    name: Name
    quantities: frozenset[str]
    sign: str = ">"
    unit: str = ""
    parts: tuple[Condition, ...] = ()

    def may_hold(self, seen: Seen, settings: Mapping[str, float]) -> bool:  # noqa: ARG002
        return bool(seen.fell)

    def decide(self, house: House, bound: str, relaxed: float | None) -> Verdict:
        del relaxed
        drops = [
            drop
            for seen in self.name.found(house, bound)
            for quantity, (at_ms, drop) in seen.fell.items()
            if quantity in self.quantities and house.now_ms - at_ms < FELL_FOR_MS
        ]
        return Verdict(holds=True, value=max(drops)) if drops else NO


@dataclass(frozen=True)
class Every:
    """All of *parts*."""

    parts: tuple[Condition, ...]

    def decide(self, house: House, bound: str, relaxed: float | None) -> Verdict:
        first: Verdict | None = None
        for each in self.parts:
            verdict = each.decide(house, bound, relaxed)
            if not verdict.holds:
                return NO
            first = first or verdict
        return first or NO


@dataclass(frozen=True)
class Either:
    """Any of *parts*."""

    parts: tuple[Condition, ...]

    def decide(self, house: House, bound: str, relaxed: float | None) -> Verdict:
        verdicts = (each.decide(house, bound, relaxed) for each in self.parts)
        return next((each for each in verdicts if each.holds), NO)


Leaf = Comparison | Age | Falls  # ``may_hold``: whether it is worth deciding after a reading


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Yield what a condition consists of, in order."""
    if isinstance(condition, Comparison | Age | Falls):
        yield condition
    for each in condition.parts:
        yield from leaves(each)


def compare(value: float, sign: str, limit: float) -> bool:
    match sign:
        case ">":
            return value > limit
        case ">=":
            return value >= limit
        case "<":
            return value < limit
        case "<=":
            return value <= limit
        case "=":
            return value == limit
    return value != limit


def worst(sign: str, *values: float) -> float:
    """Return the value farthest beyond a limit."""
    return min(values) if sign[0] == "<" else max(values)
