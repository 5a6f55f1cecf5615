"""The rows of one contract in a billing month, or in the part of the month that it holds in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from collector.contract.currencies import CODES
from collector.derive.cost import bank
from collector.derive.cost.calendar import Day, Month, days
from collector.derive.cost.energy import Booked, book, book_lines, merged, priced
from collector.derive.cost.flows import Flows, Market
from collector.derive.cost.money import digits, rounded
from collector.derive.cost.notation import Price, Rate
from collector.derive.cost.peaks import demand, peaks
from collector.derive.cost.row import Kind, Row, kwh, numbered, short
from collector.derive.cost.tariffs import ContractOptions, LineOptions
from collector.text import counted

MOST_DAYS = 3  # without all of their prices, told one by one


@dataclass
class Part:
    """A contract over the *days* of a billing month that it holds in, up to the day asked for."""

    contract: ContractOptions
    month: Month
    days: Sequence[Day]
    flows: Flows
    zone: ZoneInfo
    holidays: frozenset[date]
    notes: list[str] = field(default_factory=list)
    label: str = ""  # its name, or more where two of the month have the same
    only: date | None = None  # the day that is told of, of more days than that

    def __post_init__(self) -> None:
        last = min(self.contract.last, date.fromordinal(self.month.end.toordinal() - 1))
        held = (last - max(self.contract.from_, self.month.first)).days + 1
        self.share = Decimal(held) / self.month.length  # of the month that the contract has
        self.elapsed = Decimal(len(self.days)) / self.month.length
        self.digits = digits(self.contract.currency)

    def rows(self) -> list[Row]:
        found = [*self.energy(), *self.charges(), *self.exports(), *self.peaks(), *self.standing()]
        return found + list(self.minimum(found))

    def row(
        self,
        kind: Kind,
        name: str,
        quantity: tuple[Decimal, str],
        price: Decimal | None,
        amount: Decimal,
        vat: Decimal,
        gap: Decimal = Decimal(0),
    ) -> Row:
        return Row(self.label or self.contract.name, kind, name, *quantity, price, amount, vat, gap)

    def market(self, price: Price, span: Sequence[Day]) -> Market | None:
        """Return a market's prices, and note days without all of them."""
        if price.market is None:
            return None
        source = price.market.source
        found = self.flows.market(source, span[0].begin, span[-1].end)
        for number in found.currencies:
            if (code := CODES.get(number, str(number))) != self.contract.currency:
                self.note(
                    f"{source}: its prices are in {code}, the contract in {self.contract.currency}"
                )
        lacking = [
            (day, known)
            for day in span
            if self.only in {None, day.date}
            and (known := sum(at in found.prices for at in range(day.begin, day.end)))
            < len(day.slots)
        ]
        for day, known in lacking[:MOST_DAYS]:
            self.note(
                f"{source}: {known} prices for the {len(day.slots)} quarter hours of {day.date}; "
                "what has no price is not billed"
            )
        if more := len(lacking[MOST_DAYS:]):
            self.note(f"{source}: prices are missing on {counted(more, 'day')} more")
        return found

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def booked(
        self, lines: Sequence[LineOptions], direction: str, span: Sequence[Day] | None = None
    ) -> tuple[list[Booked], int]:
        span = span or self.days
        markets = [self.market(each.price, span) for each in lines]
        return book_lines(lines, markets, span, self.flows, direction, self.holidays)

    def energy(self) -> Iterator[Row]:
        lines = self.contract.energy
        if not lines:
            return
        found, outside = self.booked(lines, "import")
        if outside:
            self.note(f"{kwh(outside):.3f} kWh have no price: no line of 'energy' fits their hours")
        if self.contract.bank:
            found = self.netted(found)
        for name, line, booked in merged(lines, found):
            yield from self.line("energy", name, line, booked)

    def line(self, kind: Kind, title: str, line: LineOptions, booked: Booked) -> Iterator[Row]:
        vat = self.contract.vat_of(line.vat)
        for number, each in enumerate(priced(line.price, booked, self.share, self.digits)):
            gap = kwh(booked.gap) if not number else Decimal(0)
            name, quantity = f"{title}{each.ending}", (kwh(each.micro_wh), "kWh")
            yield self.row(kind, name, quantity, each.price, each.amount, vat, gap)
        if booked.unpriced:
            quantity = kwh(booked.unpriced), "kWh"
            yield self.row(kind, f"{title}: no price known", quantity, None, self.money(0), vat)

    def money(self, amount: Decimal | int) -> Decimal:
        return rounded(Decimal(amount), self.digits)

    def charges(self) -> Iterator[Row]:
        lines = self.contract.charges
        found = [self.booked([each], "import")[0][0] for each in lines]
        for name, line, booked in merged(lines, found):
            yield from self.line("charge", name, line, booked)

    def netted(self, found: list[Booked]) -> list[Booked]:
        """Return what is billed of each line with what was fed in and lies in the bank."""
        option = self.contract.bank
        assert option
        months = []
        for month in bank.months_of(self.contract, option, self.month)[:-1]:
            span = self.held(month)
            drawn, fed = self.booked(self.contract.energy, "import", span)[0], self.fed(span)
            months.append(list(zip(drawn, fed, strict=True)))
        months.append(list(zip(found, self.fed(self.days), strict=True)))
        self.balances = bank.balances(months)
        for line, balance in zip(self.contract.energy, self.balances, strict=True):
            drawn_kwh, left = (f"{kwh(each):.3f} kWh" for each in (balance.drawn, balance.left))
            self.note(f"{line.name}: {drawn_kwh} came out of the bank, {left} are left in it")
        return [
            Booked({self.days[0].date: balance.billed}, gap=booked.gap)
            for balance, booked in zip(self.balances, found, strict=True)
        ]

    def held(self, month: Month) -> list[Day]:
        first = max(month.first, self.contract.from_)
        return list(days(first, month.end, self.zone))

    def fed(self, span: Sequence[Day]) -> list[Booked]:
        return self.booked(self.contract.energy, "export", span)[0]

    def exports(self) -> Iterator[Row]:
        lines = self.contract.export
        if option := self.contract.bank:
            if bank.is_last(option, self.month) and self.days[-1].date.toordinal() + 1 == (
                self.month.end.toordinal()
            ):
                left = sum(each.left for each in self.balances)
                price = option.price.tiers[0].price
                name, quantity = f"{option.name}: left in the bank", (kwh(left), "kWh")
                amount = -self.money(kwh(left) * price)
                yield self.row("export", name, quantity, price, amount, option.vat)
            return
        if not lines:
            return
        markets = [self.market(each.price, self.days) for each in lines]
        use = self.flows.use("export", self.days[0].begin, self.days[-1].end)
        found, outside = book(lines, markets, self.days, use, self.holidays)
        if outside:
            self.note(f"{kwh(outside):.3f} kWh fed in have no price: no line of 'export' fits")
        for title, line, booked in merged(lines, found):
            for each in priced(line.price, booked, self.share, self.digits):
                name, quantity = f"{title}{each.ending}", (kwh(each.micro_wh), "kWh")
                gap = kwh(booked.gap)
                yield self.row("export", name, quantity, each.price, -each.amount, line.vat, gap)

    def peaks(self) -> Iterator[Row]:
        names = numbered(each.name for each in self.contract.peak)
        for name, option in zip(names, self.contract.peak, strict=True):
            if not any(each.date.month in option.months for each in self.days):
                continue
            found = peaks(option, self.month, self.days, self.flows, self.zone, self.holidays)
            if not found:
                self.note(f"{option.name}: nothing was measured, so no peak is known")
                continue
            if len(found) < option.mean_of:
                known = counted(len(found), "month")
                self.note(f"{option.name}: the mean of {known}; no more are measured")
            kw = demand(found, option.at_least)
            price = option.price.monthly
            amount = self.money(kw * price * self.share)
            quantity = rounded(kw, 3), "kW"
            shown = rounded(price, 6)
            vat = self.contract.vat_of(option.vat)
            yield self.row("peak", name, quantity, shown, amount, vat)

    def standing(self) -> Iterator[Row]:
        names = numbered(each.name for each in self.contract.standing)
        for name, each in zip(names, self.contract.standing, strict=True):
            amount, vat = self.over_days(each.amount), self.contract.vat_of(each.vat)
            quantity = (
                (Decimal(len(self.days)), "days")
                if each.amount.per == "day"
                else (rounded(self.elapsed, 3), "months")
            )
            yield self.row("standing", name, quantity, each.amount.monthly, amount, vat)

    def over_days(self, rate: Rate) -> Decimal:
        """Return what an amount for a time is over the days of this part."""
        by = Decimal(len(self.days)) if rate.per == "day" else self.elapsed
        return self.money(rate.monthly * by)

    def minimum(self, rows: Sequence[Row]) -> Iterator[Row]:
        if (rate := self.contract.minimum) is None:
            return
        missing = self.over_days(rate) - sum(each.amount for each in rows)
        if missing > 0:
            name = f"up to the minimum of {short(rate.amount)}/{rate.per}"
            quantity = Decimal(1), ""
            yield self.row("minimum", name, quantity, None, missing, self.contract.vat)
