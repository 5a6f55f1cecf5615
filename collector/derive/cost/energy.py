"""Energy by the lines of a contract: booked by quarter hour, then tiers and prices. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TypeVar

from collector.derive.cost.calendar import Day
from collector.derive.cost.flows import Flows, Market, Use
from collector.derive.cost.money import rounded
from collector.derive.cost.notation import Price
from collector.derive.cost.row import kwh, micro_wh, numbered, short
from collector.derive.cost.tariffs import ExportOptions, LineOptions, WindowOptions
from collector.derive.cost.windows import NONE, Windows

Line = TypeVar("Line", LineOptions, ExportOptions)


@dataclass
class Booked:
    """What a line got, in micro-Wh: by day, the part of gaps, and what a market had no price for.

    *worth* is the sum of micro-Wh times the millionths of a market's prices.
    """

    by_day: dict[date, int] = field(default_factory=dict)
    gap: int = 0
    unpriced: int = 0
    worth: int = 0

    @property
    def total(self) -> int:
        return sum(self.by_day.values())


def merged(lines: Sequence[Line], found: Sequence[Booked]) -> Iterator[tuple[str, Line, Booked]]:
    """Yield the lines as a bill has them, with their names: those that differ in hours are one.

    Those of one name and different prices have a number behind it.
    """
    groups: dict[tuple[object, ...], tuple[Line, list[Booked]]] = {}
    for line, booked in zip(lines, found, strict=True):
        groups.setdefault((line.name, line.price, line.vat), (line, []))[1].append(booked)
    names = numbered(line.name for line, _ in groups.values())
    for name, (line, parts) in zip(names, groups.values(), strict=True):
        whole = Booked()
        for each in parts:
            for day, used in each.by_day.items():
                whole.by_day[day] = whole.by_day.get(day, 0) + used
            whole.gap += each.gap
            whole.unpriced += each.unpriced
            whole.worth += each.worth
        yield name, line, whole


@dataclass(frozen=True)
class Part:
    """So much of a line at one price."""

    ending: str
    micro_wh: int
    price: Decimal
    amount: Decimal


def book(
    lines: Sequence[WindowOptions],
    markets: Sequence[Market | None],
    days: Sequence[Day],
    use: Use,
    holidays: frozenset[date],
) -> tuple[list[Booked], int]:
    """Book each quarter hour to the first line that fits; return also what none fits."""
    windows, found, outside = Windows(lines, holidays), [Booked() for _ in lines], 0
    for day in days:
        table = windows.of(day.date)
        for at, slot in enumerate(day.slots, day.begin):
            gap = use.gaps.get(at, 0)
            used = use.measured.get(at, 0) + gap
            if not used:
                continue
            number = table[slot]
            if number == NONE:
                outside += used
                continue
            booked, market = found[number], markets[number]
            if market and at not in market.prices:
                booked.unpriced += used
                continue
            booked.by_day[day.date] = booked.by_day.get(day.date, 0) + used
            booked.gap += gap
            if market:
                booked.worth += used * market.prices[at]
    return found, outside


def book_lines(
    lines: Sequence[LineOptions],
    markets: Sequence[Market | None],
    days: Sequence[Day],
    flows: Flows,
    direction: str,
    holidays: frozenset[date],
) -> tuple[list[Booked], int]:
    """Book a flow to *lines*: by the clock, or where they name registers by those of the meter."""
    begin, end = days[0].begin, days[-1].end
    if not any(each.register for each in lines):
        return book(lines, markets, days, flows.use(direction, begin, end), holidays)
    found = []
    for line, market in zip(lines, markets, strict=True):
        use = flows.use(f"{direction}_{line.register}", begin, end)
        found += book([line], [market], days, use, holidays)[0]
    return found, 0


def tiers(price: Price, booked: Booked, share: Decimal) -> Iterator[tuple[str, int, Decimal]]:
    """Yield for each tier that got something what it adds to the name, its part and its price.

    Of the limits of a month counts the *share* that the contract has of it.
    """
    sizes = list(booked.by_day.values()) if price.per == "day" else [booked.total]
    share = share if price.per == "month" else Decimal(1)
    limits = [micro_wh(each.above * share) for each in price.tiers]
    for number, tier in enumerate(price.tiers):
        upper = limits[number + 1] if number + 1 < len(limits) else None
        part = sum(between(size, limits[number], upper, is_first=not number) for size in sizes)
        if part or not number:
            ending = f" from {short(tier.above)} kWh/{price.per}" if number else ""
            yield ending, part, tier.price


def between(size: int, lower: int, upper: int | None, *, is_first: bool) -> int:
    part = size if upper is None else min(size, upper)
    return part if is_first else max(part - lower, 0)


def priced(price: Price, booked: Booked, share: Decimal, digits: int) -> Iterator[Part]:
    """Yield what a line costs, each part rounded."""
    if price.market:
        energy = kwh(booked.total)
        exact = Decimal(booked.worth).scaleb(-15) * price.market.times + energy * price.market.plus
        mean = rounded(exact / energy, 6) if energy else Decimal(0)
        yield Part("", booked.total, mean, rounded(exact, digits))
        return
    for ending, part, each in tiers(price, booked, share):
        yield Part(ending, part, each, rounded(kwh(part) * each, digits))
