"""The contracts of a house, and how they are written in ``tariffs.yaml``."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml

from collector.derive.cost.notation import (
    Currency,
    Days,
    Hours,
    MonthDay,
    Months,
    PeakRate,
    Percent,
    Price,
    Rate,
    at_of,
    one_or_many,
)
from collector.options import Faults, Place, option, parse, read_options
from collector.scalars import NotAccepted, Seconds, decimal_of, read_date, scalar

EVERY_DAY, EVERY_HOUR, EVERY_MONTH = Days(range(7)), Hours(range(96)), Months(range(1, 13))


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """When a line of a contract applies, by the clock on the wall; each local day by itself."""

    days: Days = option("days of the week", example="mon-fri", default=EVERY_DAY)
    hours: Hours = option("hours of the day", example="08:00-19:00", default=EVERY_HOUR)
    months: Months = option("months of the year", example="jun-sep", default=EVERY_MONTH)

    @property
    def is_always(self) -> bool:
        return (len(self.days), len(self.hours), len(self.months)) == (7, 96, 12)

    def fits(self, month: int, weekday: int, slot: int) -> bool:
        return month in self.months and weekday in self.days and slot in self.hours


@dataclass(frozen=True, kw_only=True)
class LineOptions(WindowOptions):
    """A price of energy."""

    name: str = option("name on the bill", example="F1", default="energy")
    price: Price = option("price per kWh", example="0.1450")
    register: Literal["", "t1", "t2", "t3", "t4"] = option(
        "the meter's own register in place of a window", example="t1", default=""
    )
    vat: Percent | None = option("VAT of this line", example="10%", default=None)


@dataclass(frozen=True, kw_only=True)
class StandingOptions:
    """A charge for a time, whatever is used."""

    name: str = option("name on the bill", example="network", default="standing charge")
    amount: Rate = option("per day, month or year", example="12.80/month")
    vat: Percent | None = option("VAT of this line", example="10%", default=None)


@dataclass(frozen=True, kw_only=True)
class ExportOptions(WindowOptions):
    """What is paid for energy that is fed in."""

    name: str = option("name on the bill", example="feed-in", default="export")
    price: Price = option(
        "paid per kWh; with 'bank' for what is left in it at the end of its year",
        example="0.055",
        default=Price.flat(Decimal(0)),
    )
    bank: bool = option(
        "a kWh that is fed in is set against one that is used, also in a later month",
        example=True,
        default=False,
    )
    true_up: MonthDay = option(
        "day on which the year of the bank begins", example="04-01", default=MonthDay((1, 1))
    )
    vat: Percent = option("VAT of this line", example="19%", default=Percent(0))


@dataclass(frozen=True, kw_only=True)
class PeakOptions(WindowOptions):
    """A charge for the highest power of a billing month."""

    name: str = option("name on the bill", example="capacity", default="peak")
    price: PeakRate = option("per kW and month or year", example="3.39/kW/month")
    over: Seconds = option(
        "the power is the mean over this long: 15m, 30m or 1h",
        example="15m",
        default=Seconds(900),
    )
    at_least: Decimal = option(
        "each month counts as at least so many kW", example="2.5", default=Decimal(0)
    )
    mean_of: int = option(
        "mean of so many months, this one the last", example=12, default=1, low=1, high=24
    )
    vat: Percent | None = option("VAT of this line", example="10%", default=None)


class Standings(tuple[StandingOptions, ...]):
    """Standing charges: one amount, or a list."""

    __slots__ = ()
    words: ClassVar[str] = "0.42/day, or a list of blocks"

    @classmethod
    def from_yaml(cls, node: yaml.Node, place: Place, faults: Faults) -> Self:
        found = []
        for number, each in enumerate(one_or_many(node)):
            inner = at_of(place, node, number, faults, each)
            if isinstance(each, yaml.MappingNode):
                found.append(read_options(StandingOptions, each, inner, faults))
            else:
                found.append(StandingOptions(amount=Rate.from_yaml(each, inner, faults)))
        return cls(found)


class Exports(tuple[ExportOptions, ...]):
    """What is paid for energy that is fed in: a price, ``bank``, a block, or a list of blocks."""

    __slots__ = ()
    words: ClassVar[str] = "price, `bank`, or a list of blocks"

    @classmethod
    def from_yaml(cls, node: yaml.Node, place: Place, faults: Faults) -> Self:
        if isinstance(node, yaml.ScalarNode):
            if scalar(node) == "bank":
                return cls([ExportOptions(bank=True)])
            try:
                return cls([ExportOptions(price=Price.flat(decimal_of(scalar(node))))])
            except NotAccepted as error:
                raise NotAccepted(f"{error}; or 'bank'") from error
        return cls(blocks(ExportOptions, node, place, faults))


class Peaks(tuple[PeakOptions, ...]):
    """Charges for the highest power: a block, or a list of blocks."""

    __slots__ = ()
    words: ClassVar[str] = "block, or a list of blocks"

    @classmethod
    def from_yaml(cls, node: yaml.Node, place: Place, faults: Faults) -> Self:
        return cls(blocks(PeakOptions, node, place, faults))


def blocks(kind: type, node: yaml.Node, place: Place, faults: Faults) -> Iterator[Any]:
    for number, each in enumerate(one_or_many(node)):
        yield read_options(kind, each, at_of(place, node, number, faults, each), faults)


@dataclass(frozen=True)
class Holidays:
    """Public holidays: those of a country or part of it, or dates."""

    code: str = ""
    dates: frozenset[date] = frozenset()
    words: ClassVar[str] = "country such as IT or CA-ON, or a list of dates"

    @classmethod
    def from_yaml(cls, node: yaml.Node, place: Place, faults: Faults) -> Self:
        if isinstance(node, yaml.SequenceNode):
            dates = set()
            for number, each in enumerate(node.value):
                try:
                    dates.add(read_date(each))
                except NotAccepted as error:
                    faults.add(at_of(place, node, number, faults, each), each, str(error))
            return cls(dates=frozenset(dates))
        code = scalar(node)
        country, dash, part = code.partition("-")
        if not (len(country) == 2 and country.isalpha() and country.isupper()) or (  # noqa: PLR2004
            dash and not (0 < len(part) <= 6 and part.isalnum())  # noqa: PLR2004
        ):
            raise NotAccepted(f"{code!r} is not a country such as IT or CA-ON; or a list of dates")
        return cls(code)


@dataclass(frozen=True, kw_only=True)
class ContractOptions:
    """A contract, from a day on; one that changes is a new entry, so the past stays as it was."""

    from_: date = option("first day of the contract", example="2026-01-01")
    until: date | None = option(
        "last day of the contract (default: the day before the next begins)",
        example="2026-12-31",
        default=None,
    )
    name: str = option("name of the contract", example="Trend 24", default="contract")
    meter: str = option(
        "device that is billed (default: the only meter)", example="mains", default=""
    )
    currency: Currency = option("currency of all amounts", example="EUR")
    vat: Percent = option(
        "VAT that is added (default: the prices include it)", example="10%", default=Percent(0)
    )
    standing: Standings = option("standing charges", example="0.42/day", default=Standings())
    minimum: Rate | None = option(
        "least that is billed before VAT", example="20/month", default=None
    )
    holidays: Holidays = option(
        "public holidays, which count as Sundays", example="IT", default=Holidays()
    )
    energy: tuple[LineOptions, ...] = option(
        "prices of energy; of each quarter hour the first that fits",
        example=[{"price": 0.1450}],
        default=(),
    )
    charges: tuple[LineOptions, ...] = option(
        "what is added per kWh beside them; every one that fits",
        example=[{"name": "network", "price": 0.085}],
        default=(),
    )
    export: Exports = option(
        "what is paid for energy that is fed in", example="0.055", default=Exports()
    )
    peak: Peaks = option(
        "charges for the highest power", example={"price": "3.39/kW/month"}, default=Peaks()
    )
    billing_day: int = option(
        "day of the month on which billing months begin", example=1, default=1, low=1, high=28
    )

    def vat_of(self, vat: Percent | None) -> Decimal:
        return self.vat if vat is None else vat

    @property
    def bank(self) -> ExportOptions | None:
        return next((each for each in self.export if each.bank), None)

    @property
    def last(self) -> date:
        return self.until or date.max

    @property
    def sources(self) -> frozenset[str]:
        prices = [each.price for each in (*self.energy, *self.charges, *self.export)]
        return frozenset(each.market.source for each in prices if each.market)


@dataclass(frozen=True, kw_only=True)
class TariffOptions:
    """The file ``tariffs.yaml``."""

    contracts: tuple[ContractOptions, ...] = option("contracts with their dates", example=[])


@dataclass(frozen=True)
class Tariffs:
    """Contracts that could be read, in the order of the file; *faults* has their lines."""

    file: Path
    contracts: tuple[ContractOptions, ...] = ()
    faults: Faults = field(default_factory=Faults)

    def meters(self) -> list[str]:
        return list(dict.fromkeys(each.meter for each in self.contracts if each.meter))

    def of(self, meter: str) -> list[ContractOptions]:
        """Return the contracts of a meter by date, each ending before the next begins."""
        found = sorted(
            (each for each in self.contracts if each.meter in {meter, ""}),
            key=lambda each: each.from_,
        )
        for at in range(len(found) - 1):
            day_before = date.fromordinal(found[at + 1].from_.toordinal() - 1)
            found[at] = replace(found[at], until=min(found[at].last, day_before))
        return found


def read(file: Path) -> Tariffs:
    """Read *file*, or what of it can be read; *faults* of what is returned has what is wrong."""
    faults = Faults()
    root = parse(file, faults)
    place = Place(str(file), "")
    found = read_options(TariffOptions, root, place, faults) if root is not None else None
    if found and not found.contracts:
        faults.add(place.at("contracts"), root, "the list is empty: no contract, no bill")
    return Tariffs(file, found.contracts if found else (), faults)
