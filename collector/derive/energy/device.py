"""The counters of one device, what is decided about them, and the numbers of the decisions."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from collector.contract.counters import DECISION, ENERGY
from collector.derive.energy import counter, power
from collector.derive.energy.counter import Counter, Decision, Limits, Point
from collector.derive.energy.power import Power
from collector.ledger.book import FROM_POWER, micro
from collector.ledger.days import MICRO
from collector.ledger.decisions import Code, sentence
from collector.reading import Reading

log = logging.getLogger(__name__)

KEPT = 16  # decisions that can still be corrected
ACTIVE_POWER = "active_power"
IMPORTED, EXPORTED = "active_energy_import", "active_energy_export"
# What is kept of a decision, as a list that JSON can hold.
NUMBER, QUANTITY, CODE, BEGIN, END, BEFORE, AFTER, COUNTED, IS_OPEN = range(9)
Points = dict[int, dict[str, int]]  # time → quantity → what was counted


class Device:
    """What is known of a device; ``made`` has what is to be said of it."""

    def __init__(self, name: str, kind_limits: Mapping[str, Limits], limits: Limits) -> None:
        self.name = name
        self.kind_limits, self.limits = kind_limits, limits
        self.counters: dict[str, Counter] = {}
        self.power: Power | None = None
        self.number = 0
        self.event_at = 0
        self.decisions: list[list[Any]] = []
        self.points: Points = defaultdict(dict)
        self.estimated: Points = defaultdict(dict)
        self.events: list[Reading] = []

    def state(self) -> list[Any]:
        counters = {name: each.state() for name, each in self.counters.items()}
        from_power = self.power and self.power.state()
        return [counters, from_power, self.number, self.event_at, self.decisions]

    def restore(self, state: list[Any]) -> None:
        counters, from_power, self.number, self.event_at, decisions = state
        self.counters = {name: counter.restored(each) for name, each in counters.items()}
        self.power = power.restored(from_power) if from_power else None
        self.decisions = [list(each) for each in decisions]

    def limits_of(self, quantity: str) -> Limits:
        return self.kind_limits.get(quantity, self.limits)

    def point(self, quantity: str, points: Points | None = None) -> Point:
        into = self.points if points is None else points

        def add(at: int, total: int) -> None:
            into[at][quantity] = total

        return add

    def take(self, quantity: str, at: int, value: float) -> None:
        """Take what a counter shows."""
        raw, point = micro(value), self.point(quantity)
        known = self.counters.get(quantity)
        if known is None:
            self.counters[quantity] = counter.new(at, raw, self.before(quantity), point)
            self.power = None
            return
        decision = known.take(at, raw, self.limits_of(quantity), point)
        if decision:
            self.decided({quantity: decision} | self.together(quantity, decision))

    def before(self, quantity: str) -> int | None:
        """Return what power came to, of a counter that is new."""
        known = self.power
        if known is None or known.held or quantity not in {IMPORTED, EXPORTED}:
            return None
        return (known.drawn if quantity == IMPORTED else known.fed) // power.MS_PER_HOUR

    def take_power(self, at: int, value: float) -> None:
        if self.power is None:
            self.power = power.new(at, micro(value))
            return
        imported = self.point(IMPORTED, self.estimated)
        exported = self.point(EXPORTED, self.estimated)
        self.power.take(at, micro(value), imported, exported)

    def together(self, quantity: str, decision: Decision) -> dict[str, Decision]:
        """Decide the counters that fell with one that was reset, for they are one meter's."""
        if decision.code not in {Code.RESET, Code.RESET_IN_GAP, Code.RESET_UNCOUNTED}:
            return {}
        return {
            name: each.decide(self.limits_of(name), self.point(name))
            for name, each in self.counters.items()
            if name != quantity
            and each.pending
            and each.pending.begin_at == decision.end_at
            and each.pending.begin < each.raw
        }

    def decided(self, decisions: Mapping[str, Decision], of: int = 0) -> None:
        """Number a decision about counters, remember it and say it."""
        self.number += 1
        for quantity, each in decisions.items():
            if each.code != Code.SET_ASIDE:
                self.remember(quantity, each)
            values = {
                "event_before": each.before / MICRO,
                "event_energy": each.energy / MICRO,
                "event_begin": each.begin_at / 1000,
                "event_end": each.end_at / 1000,
            }
            if each.code == Code.SET_ASIDE:
                values["event_count"] = float(each.count)
            self.say(quantity, each.after, each.code, each.end_at, values, of)

    def remember(self, quantity: str, each: Decision) -> None:
        kept = [self.number, quantity, int(each.code), each.begin_at, each.end_at]
        self.decisions.append([*kept, each.before, each.after, each.energy, 1])
        del self.decisions[:-KEPT]

    def say(
        self,
        quantity: str,
        after: int,
        code: Code,
        at: int,
        more: Mapping[str, float],
        of: int = 0,
    ) -> None:
        """Add an event. Two of a device never have the same time, so that each is a point."""
        self.event_at = max(at, self.event_at + 1)
        values = {quantity: after / MICRO, "event": float(code), "event_number": float(self.number)}
        if of:
            values["event_of"] = float(of)
        values |= more
        self.events.append(Reading(DECISION, self.name, self.event_at, values))
        log.warning("%s: %d: %s", self.name, self.number, sentence(quantity, values))

    def made(self) -> Iterator[Reading]:
        """Yield what there is to say, and forget it."""
        for at in sorted(self.points):
            values = {name: total / MICRO for name, total in self.points[at].items()}
            yield Reading(ENERGY, self.name, at, values)
        for at in sorted(self.estimated):
            values = {name: total / MICRO for name, total in self.estimated[at].items()}
            yield Reading(ENERGY, self.name, at, {**values, FROM_POWER: 1.0})
        yield from self.events
        if self.points:
            self.points.clear()
        if self.estimated:
            self.estimated.clear()
        if self.events:
            self.events = []
