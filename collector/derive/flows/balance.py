"""The balance of a house over a short time, in whole numbers of any unit: exact and pure.

House = import + solar + battery out - export - battery in. It holds for a moment and for a quarter
of an hour, never for a day: what is exported at noon does not light the evening.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from collector.contract.roles import HOUSE, Plan


@dataclass(slots=True)
class Sides:
    """What the meters show; None where no meter has the role. A meter has two sides."""

    imported: int | None = None
    exported: int | None = None
    solar: int | None = None
    charged: int | None = None
    discharged: int | None = None
    house: int | None = None


@dataclass(slots=True)
class Flow:
    """What flowed: the sides of the meters, what the house drew from where, and its parts.

    *from_grid*, *from_solar* and *from_battery* add up to *house*. *used* is the solar energy that
    was not exported; *paid* what was imported and not exported again at once. *clamped* is by how
    much the balance was below 0 and *exceeded* by how much parts were more than their whole, both
    of which come from meters that are out of step.
    """

    imported: int = 0
    exported: int = 0
    solar: int = 0
    charged: int = 0
    discharged: int = 0
    house: int = 0
    from_grid: int = 0
    from_solar: int = 0
    from_battery: int = 0
    used: int = 0
    paid: int = 0
    rest: int = 0
    clamped: int = 0
    exceeded: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Flow") -> None:
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for part, drawn in other.parts.items():
            self.parts[part] = self.parts.get(part, 0) + drawn

    @property
    def self_use(self) -> float | None:
        """Return which part of the solar energy was not exported; None without any."""
        return self.used / self.solar if self.solar else None

    @property
    def autarky(self) -> float | None:
        """Return which part of what the house drew was not bought; None where it drew nothing."""
        return max(1 - self.paid / self.house, 0.0) if self.house else None


NUMBERS = tuple(each.name for each in fields(Flow) if each.name != "parts")


def balance(sides: Sides, parts: Mapping[str, int], plan: Plan) -> Flow:
    """Return what flowed. A part that is missing in *parts* is not known, and in the rest."""
    flow = Flow(
        sides.imported or 0,
        sides.exported or 0,
        sides.solar or 0,
        sides.charged or 0,
        sides.discharged or 0,
    )
    complete(flow, sides)
    share_out(flow)
    divide(flow, HOUSE, flow.house, parts, plan)
    flow.rest = flow.house - sum(flow.parts.get(each, 0) for each in parts_of(HOUSE, plan))
    return flow


def complete(flow: Flow, sides: Sides) -> None:
    """Find the one side that nobody measures."""
    inner = flow.solar + flow.discharged - flow.charged
    if sides.house is None:
        house = flow.imported - flow.exported + inner
        flow.house, flow.clamped = max(house, 0), max(-house, 0)
        return
    flow.house = sides.house
    if sides.imported is None and sides.exported is None:
        flow.imported, flow.exported = max(flow.house - inner, 0), max(inner - flow.house, 0)
        return
    solar = flow.house + flow.exported - flow.imported + flow.charged - flow.discharged
    flow.solar, flow.clamped = max(solar, 0), max(-solar, 0)


def share_out(flow: Flow) -> None:
    """Say where the house's energy came from: the sun serves first the house, then the battery.

    What is exported is the sun's before it is the battery's.
    """
    sunny = min(flow.solar, flow.exported)
    stored = min(flow.discharged, flow.exported - sunny)
    flow.used = flow.solar - sunny
    flow.paid = flow.imported - min(flow.imported, flow.exported - sunny - stored)
    flow.from_solar = min(flow.used, flow.house)
    flow.from_battery = min(flow.discharged - stored, flow.house - flow.from_solar)
    flow.from_grid = flow.house - flow.from_solar - flow.from_battery


def divide(flow: Flow, whole: str, amount: int, drawn: Mapping[str, int], plan: Plan) -> None:
    """Give each part of *whole* what it drew; together never more than *amount*."""
    known = [each for each in parts_of(whole, plan) if each in drawn]
    amounts = [drawn[each] for each in known]
    flow.exceeded += max(sum(amounts) - amount, 0)
    for part, each in zip(known, fitted(amount, amounts), strict=True):
        flow.parts[part] = each
        divide(flow, part, each, drawn, plan)


def parts_of(whole: str, plan: Plan) -> list[str]:
    return [part for part, each in plan.parts.items() if each == whole]


def fitted(whole: int, amounts: Sequence[int]) -> list[int]:
    """Return *amounts*, shrunk alike where they are more than *whole* together."""
    total = sum(amounts)
    if total <= whole:
        return list(amounts)
    found, before, at = [], 0, 0
    for each in amounts:
        at += each
        until = whole * at // total
        found.append(until - before)
        before = until
    return found
