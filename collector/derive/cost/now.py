"""What one more kWh costs in a quarter of an hour, and what one that is fed in brings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from collector.derive.cost.bill import House
from collector.derive.cost.calendar import day_of, days, month_with
from collector.derive.cost.energy import Booked, Line, book, merged
from collector.derive.cost.money import rounded
from collector.derive.cost.part import Part
from collector.derive.cost.row import micro_wh
from collector.derive.cost.tariffs import ContractOptions, LineOptions
from collector.derive.cost.windows import NONE, Windows

DIGITS = 6


def contract_on(house: House, day: date) -> ContractOptions | None:
    held = (each for each in house.contracts if each.from_ <= day <= each.last)
    return next(held, None)


def moment(house: House, contract: ContractOptions, day: date, quarter: int) -> "Moment":
    """Return a quarter of a local day on which a contract holds."""
    month = month_with(day, house.billing_day(day))
    first = max(month.first, contract.from_)
    span = list(days(first, day + timedelta(days=1), house.zone))
    holidays = house.holidays(contract)
    return Moment(Part(contract, month, span, house.flows, house.zone, holidays), day, quarter)


@dataclass(frozen=True)
class Moment:
    """A quarter of the last day of a part; tiers go by what was used up to it."""

    part: Part
    day: date
    quarter: int

    @property
    def import_price(self) -> Decimal | None:
        """Return the price of a kWh drawn, with charges and VAT; None where there is none."""
        contract = self.part.contract
        prices = [self.energy(contract.energy)] if contract.energy else []
        prices += [
            self.line([each], 0, "import")
            for each in contract.charges
            if self.fitting([each]) != NONE
        ]
        known = [each for each in prices if each is not None]
        if not prices or len(known) < len(prices):
            return None
        return rounded(sum(known, Decimal(0)), DIGITS)

    @property
    def export_price(self) -> Decimal | None:
        """Return what a kWh fed in brings; a bank pays nothing for it now."""
        lines = self.part.contract.export
        number = NONE if self.part.contract.bank else self.fitting(lines)
        found = None if number == NONE else self.line(lines, number, "export")
        return None if found is None else rounded(found, DIGITS)

    def energy(self, lines: Sequence[LineOptions]) -> Decimal | None:
        number = self.running(lines) if lines[0].register else self.fitting(lines)
        return None if number == NONE else self.line(lines, number, "import")

    def fitting(self, lines: Sequence[Line]) -> int:
        """Return which line is the first that fits now."""
        today = day_of(self.day, self.part.zone)
        slot = today.slots[self.quarter - today.begin]
        return Windows(lines, self.part.holidays).of(self.day)[slot]

    def running(self, lines: Sequence[LineOptions]) -> int:
        """Return the line of the one register that counted in the last quarter of an hour."""
        counted = [
            number
            for number, each in enumerate(lines)
            if any(
                self.part.flows.use(
                    f"import_{each.register}", self.quarter - 1, self.quarter
                ).measured.values()
            )
        ]
        return counted[0] if len(counted) == 1 else NONE

    def line(self, lines: Sequence[Line], number: int, direction: str) -> Decimal | None:
        """Return the price of a line now, with VAT; None where a market has none."""
        line = lines[number]
        if market := line.price.market:
            found = self.part.flows.market(market.source, self.quarter, self.quarter + 1)
            if self.quarter not in found.prices:
                return None
            price = Decimal(found.prices[self.quarter]).scaleb(-6) * market.times + market.plus
        else:
            price = self.tier(lines, number, direction)
        return price * (1 + self.part.contract.vat_of(line.vat) / 100)

    def tier(self, lines: Sequence[Line], number: int, direction: str) -> Decimal:
        """Return the price of the tier that the next kWh of a line falls in."""
        price = lines[number].price
        if len(price.tiers) == 1:
            return price.tiers[0].price
        booked = self.booked(lines, number, direction)
        used = booked.by_day.get(self.day, 0) if price.per == "day" else booked.total
        share = self.part.share if price.per == "month" else Decimal(1)
        reached = [each for each in price.tiers if micro_wh(each.above * share) <= used]
        return (reached or price.tiers)[-1 if reached else 0].price

    def booked(self, lines: Sequence[Line], number: int, direction: str) -> Booked:
        """Return what a line got so far, with those that a bill makes one of it."""
        part, line = self.part, lines[number]
        if direction == "export":
            use = part.flows.use("export", part.days[0].begin, part.days[-1].end)
            found = book(lines, [None] * len(lines), part.days, use, part.holidays)[0]
        else:
            drawn = [each for each in lines if isinstance(each, LineOptions)]
            found = part.booked(drawn, "import")[0]
            if part.contract.bank and drawn == list(part.contract.energy):
                found = part.netted(found)
        same = line.name, line.price, line.vat
        whole = (
            booked
            for _, each, booked in merged(lines, found)
            if (each.name, each.price, each.vat) == same
        )
        return next(whole)
