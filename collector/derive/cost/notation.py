"""Single values of ``tariffs.yaml``, each written as people write it, each with its sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Literal, Self

import yaml

from collector.contract.currencies import CURRENCIES
from collector.options import Faults, Place, option, read_options
from collector.scalars import NotAccepted, decimal_of, did_you_mean, scalar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SUNDAY = 6
TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
DAYS_OF_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
TIER = re.compile(r"(\S+)\s+from\s+(\S+)\s*/\s*(\S+)")


def words_of(node: yaml.Node) -> Iterator[str]:
    """Yield the parts of ``a, b`` or ``[a, b]``. Raise NotAccepted."""
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for part in parts:
        yield from (each.strip().lower() for each in scalar(part).split(","))


def ranges(node: yaml.Node, known: tuple[str, ...], what: str) -> Iterator[int]:
    """Yield the places in *known* that ``mon-fri, sun`` names; a range may go over the end."""
    for word in words_of(node):
        first, dash, last = word.partition("-")
        for each in (first, last) if dash else (first,):
            if each[:3] not in known or not each.isalpha():
                hint = did_you_mean(each, known)
                raise NotAccepted(f"{each!r} is not a {what}: one of {', '.join(known)}{hint}")
        at = known.index(first[:3])
        yield at
        while dash and at != known.index(last[:3]):
            at = (at + 1) % len(known)
            yield at


class Percent(Decimal):
    """A part of a hundred, written 10%."""

    words: ClassVar[str] = "percentage"

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        text = scalar(node)
        if not text.endswith("%"):
            raise NotAccepted(f"{text!r} is not a percentage such as 10%")
        found = cls(decimal_of(text[:-1].strip()))
        if not 0 <= found < 1000:  # noqa: PLR2004  more is a slip of the hand
            raise NotAccepted(f"{text!r} is not accepted: from 0% to below 1000%")
        return found


class Currency(str):
    """A currency by its code in ISO 4217."""

    __slots__ = ()
    words: ClassVar[str] = "currency"

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        text = scalar(node)
        if text not in CURRENCIES:
            hint = did_you_mean(text.upper(), CURRENCIES)
            raise NotAccepted(f"{text!r} is not a currency of ISO 4217 such as EUR{hint}")
        return cls(text)


@dataclass(frozen=True)
class Rate:
    """An amount of money for a time, and of a peak also for each kW."""

    amount: Decimal
    per: str
    words: ClassVar[str] = "amount per day, month or year"
    unit: ClassVar[str] = ""

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        text = scalar(node)
        amount, _slash, rest = text.replace(" ", "").partition("/")
        unit, _slash, per = rest.rpartition("/")
        if per not in {"day", "month", "year"} or unit.lower() != cls.unit:
            of = "3.39/kW/month" if cls.unit else "0.42/day, 12.80/month or 150/year"
            raise NotAccepted(f"{text!r} is not accepted: such as {of}")
        return cls(decimal_of(amount), per)

    @property
    def monthly(self) -> Decimal:
        return self.amount / 12 if self.per == "year" else self.amount


@dataclass(frozen=True)
class PeakRate(Rate):
    """What a kW of the peak costs."""

    words: ClassVar[str] = "amount per kW and month or year"
    unit: ClassVar[str] = "kw"

    @classmethod
    def from_yaml(cls, node: yaml.Node, place: Place, faults: Faults) -> Self:
        found = super().from_yaml(node, place, faults)
        if found.per == "day":
            raise NotAccepted("a peak has a price per month or year, such as 3.39/kW/month")
        return found


class Days(frozenset[int]):
    """Days of the week, 0 for Monday."""

    words: ClassVar[str] = "days such as mon-fri, sun"

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        return cls(ranges(node, DAYS, "day"))


class Months(frozenset[int]):
    """Months, 1 for January."""

    words: ClassVar[str] = "months such as jun-sep"

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        return cls(each + 1 for each in ranges(node, MONTHS, "month"))


class Hours(frozenset[int]):
    """Quarter hours of a day by the clock on the wall, 0 to 95."""

    words: ClassVar[str] = "hours such as 08:00-19:00, 22:00-06:00"

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        found: set[int] = set()
        for word in words_of(node):
            first, dash, last = word.partition("-")
            if not dash:
                raise NotAccepted(f"{word!r} is not accepted: hours such as 08:00-19:00")
            begin, end = quarter_of(first.strip()), quarter_of(last.strip())
            if begin == end:
                raise NotAccepted(
                    f"{word!r} is no time at all; leave 'hours' out for the whole day"
                )
            found |= set(range(begin, end if begin < end else 96)) | (
                set(range(end)) if end < begin else set()
            )
        return cls(each % 96 for each in found)


def quarter_of(text: str) -> int:
    """Return which quarter hour of the day begins at *text*. Raise NotAccepted."""
    match = TIME.fullmatch(text)
    hour, minute = (int(match[1]), int(match[2])) if match else (99, 0)
    if hour * 60 + minute > 24 * 60 or minute > 59:  # noqa: PLR2004
        raise NotAccepted(f"{text!r} is not a time such as 08:00")
    if minute % 15:
        raise NotAccepted(f"{text!r} is not accepted: full quarter hours, such as 08:15")
    return hour * 4 + minute // 15


class MonthDay(tuple[int, int]):
    """A day of every year, written 04-01."""

    __slots__ = ()
    words: ClassVar[str] = "month and day"

    @classmethod
    def from_yaml(cls, node: yaml.Node, _: Place, __: Faults) -> Self:
        text = scalar(node)
        match = re.fullmatch(r"([0-9]{2})-([0-9]{2})", text)
        month, day = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (1 <= month <= 12 and 1 <= day <= DAYS_OF_MONTHS[month - 1]):  # noqa: PLR2004
            raise NotAccepted(f"{text!r} is not a day of the year such as 04-01")
        return cls((month, day))


@dataclass(frozen=True)
class Tier:
    """A price from so many kWh of a day or month on."""

    price: Decimal
    above: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class MarketOptions:
    """A price that a source of prices tells for each time."""

    source: str = option("name of the source of prices", example="spot")
    times: Decimal = option("multiplied by this", example="1.10", default=Decimal(1))
    plus: Decimal = option("then with this added per kWh", example="0.021", default=Decimal(0))


@dataclass(frozen=True)
class Price:
    """What a kWh costs: at all times the same, by tiers, or as a market says."""

    tiers: tuple[Tier, ...] = ()
    per: Literal["", "day", "month"] = ""
    market: MarketOptions | None = None
    words: ClassVar[str] = "price, tiers such as [0.18, 0.24 from 10/day], or {source: NAME}"

    @classmethod
    def from_yaml(cls, node: yaml.Node, place: Place, faults: Faults) -> Self | None:
        if isinstance(node, yaml.MappingNode):
            market = read_options(MarketOptions, node, place, faults)
            return cls(market=market) if market else None
        if isinstance(node, yaml.SequenceNode):
            return cls.of_tiers([scalar(each) for each in node.value])
        return cls((Tier(decimal_of(scalar(node))),))

    @classmethod
    def of_tiers(cls, texts: list[str]) -> Self:
        if not texts:
            raise NotAccepted("the list is empty; write [0.18, 0.24 from 10/day]")
        tiers, per = [Tier(decimal_of(texts[0]))], ""
        for text in texts[1:]:
            match = TIER.fullmatch(text.strip())
            if not match or match[3] not in {"day", "month"}:
                raise NotAccepted(f"{text!r} is not a tier such as '0.24 from 10/day'")
            if per and match[3] != per:
                raise NotAccepted(f"{text!r}: all tiers of a list are per {per} or none")
            per, above = match[3], decimal_of(match[2])
            if above <= tiers[-1].above:
                raise NotAccepted(
                    f"tiers must rise: {text!r} does not begin above {tiers[-1].above} kWh"
                )
            tiers.append(Tier(decimal_of(match[1]), above))
        return cls(tuple(tiers), per)  # type: ignore[arg-type]  # it was looked at above

    @classmethod
    def flat(cls, price: Decimal) -> Self:
        return cls((Tier(price),))


def one_or_many(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]


def at_of(place: Place, node: yaml.Node, number: int, faults: Faults, each: Any) -> Place:
    """Return the place of one of *node*, and remember its line."""
    if not isinstance(node, yaml.SequenceNode):
        return place
    inner = place.at(str(number))
    faults.lines[inner.path] = (place.file, each.start_mark.line + 1)
    return inner
