"""A bill of a billing month, of a day or of a year, out of contracts and flows. Pure.

The bill of a day is what the day added to the bill of its month, line by line; that of a year is
the sum of those of its months. Rows are rounded, and nothing is rounded twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from collector.derive.cost.calendar import Month, begin_of, days, month_of, month_with
from collector.derive.cost.flows import Flows
from collector.derive.cost.money import digits, rounded
from collector.derive.cost.part import Part
from collector.derive.cost.row import Row, kwh, total
from collector.derive.cost.tariffs import ContractOptions
from collector.errors import EnergyMonitorError
from collector.ledger.days import QUARTER_MS

HolidaysOf = Callable[[ContractOptions], frozenset[date]]


class NoBill(EnergyMonitorError):
    """There is nothing that a bill could be made from; the message says what is missing."""


@dataclass(frozen=True)
class Coverage:
    """How much of a time was measured, and what a counter booked to gaps."""

    length_ms: int = 0
    measured_ms: int = 0
    gap_ms: int = 0
    gap: Decimal = Decimal(0)


@dataclass(frozen=True)
class Bill:
    """What the days from *first* to before *end* cost one meter."""

    meter: str
    first: date
    end: date
    currency: str
    rows: tuple[Row, ...]
    vat: Mapping[Decimal, tuple[Decimal, Decimal]]  # percentage: of this, so much
    coverage: Coverage
    notes: tuple[str, ...] = field(default=())

    @property
    def net(self) -> Decimal:
        return total(list(self.rows), digits(self.currency))

    @property
    def total(self) -> Decimal:
        return self.net + sum((amount for _, amount in self.vat.values()), Decimal(0))


@dataclass(frozen=True)
class House:
    """What bills of a meter are made from."""

    meter: str
    contracts: Sequence[ContractOptions]
    flows: Flows
    zone: ZoneInfo
    holidays: HolidaysOf

    def month(self, year: int, number: int, today: date) -> Bill:
        """Return the bill of the billing month that begins in a month, up to *today* with it."""
        month = month_of(year, number, self.billing_day(date(year, number, 1)))
        if month.first > today:
            raise NoBill(f"{month} has not begun")
        return self.until(month, min(month.end, today + timedelta(days=1)))

    def day(self, day: date, today: date) -> Bill:
        if day > today:
            raise NoBill(f"{day} has not begun")
        month = month_with(day, self.billing_day(day))
        before, after = self.until(month, day), self.until(month, day + timedelta(days=1), day)
        return added(before, after, day)

    def year(self, year: int, today: date) -> Bill:
        """Return the bill of the billing months of a year that have begun and have a contract."""
        bills, reasons = [], []
        for number in range(1, 13):
            try:
                bills.append(self.month(year, number, today))
            except NoBill as error:
                reasons.append(str(error))
        if not bills:
            raise NoBill(reasons[0])
        found = summed(bills)
        left_out = [each for each in reasons if "not begun" not in each]
        return replace(found, notes=(*left_out, *found.notes))

    def billing_day(self, day: date) -> int:
        """Return the billing day of the contract that holds on a day, or soonest after it."""
        after = [each for each in self.contracts if each.last >= day]
        return (after or self.contracts)[0].billing_day if self.contracts else 1

    def until(self, month: Month, end: date, only: date | None = None) -> Bill:
        """Return the bill of a billing month up to a day; notes may be of one day *only*.

        Raise NoBill.
        """
        held = [
            each for each in self.contracts if each.from_ < month.end and each.last >= month.first
        ]
        if not held:
            raise NoBill(f"there is no contract for {month} of {self.meter}")
        if len({each.currency for each in held}) > 1:
            raise NoBill(
                f"the currency changes within the billing month {month}: no bill adds both"
            )
        parts = list(self.parts(held, month, end, only))
        rows = tuple(row for part in parts for row in part.rows())
        notes = [note for part in parts for note in part.notes]
        if unheld := self.unheld(held, month, end):
            notes.append(unheld)
        currency = held[0].currency
        return Bill(
            *(self.meter, month.first, end, currency, rows),
            vat_of(rows, digits(currency)),
            self.coverage(month.first, end),
            tuple(dict.fromkeys(notes)),
        )

    def parts(
        self, held: Sequence[ContractOptions], month: Month, end: date, only: date | None
    ) -> Iterable[Part]:
        for each in held:
            last = min(each.last, end - timedelta(days=1))
            first = max(each.from_, month.first)
            if span := list(days(first, last + timedelta(days=1), self.zone)):
                holidays = self.holidays(each)
                same = [one for one in held if one.name == each.name]
                label = each.name if len(same) == 1 else f"{each.name} from {each.from_}"
                yield Part(
                    *(each, month, span, self.flows, self.zone, holidays), label=label, only=only
                )

    def unheld(self, held: Sequence[ContractOptions], month: Month, end: date) -> str:
        """Say on which days no contract holds, where there are such."""
        missing = [
            day.date
            for day in days(month.first, end, self.zone)
            if not any(each.from_ <= day.date <= each.last for each in held)
        ]
        if not missing:
            return ""
        return f"no contract holds on {len(missing)} days, {missing[0]} the first: not billed"

    def coverage(self, first: date, end: date) -> Coverage:
        begin, after = begin_of(first, self.zone), begin_of(end, self.zone)
        use = self.flows.use("import", begin, after)
        gap = kwh(sum(use.gaps.values()))
        return Coverage((after - begin) * QUARTER_MS, use.measured_ms, use.gap_ms, gap)


def vat_of(rows: Iterable[Row], digits: int) -> dict[Decimal, tuple[Decimal, Decimal]]:
    """Return for each percentage the sum that it is of, and the tax, rounded once."""
    sums: dict[Decimal, Decimal] = {}
    for row in rows:
        if row.vat:
            sums[row.vat] = sums.get(row.vat, Decimal(0)) + row.amount
    return {
        percent: (base, rounded(base * percent / 100, digits))
        for percent, base in sorted(sums.items())
    }


def added(before: Bill, after: Bill, day: date) -> Bill:
    """Return what a day added to the bill of its month."""
    known = {each.key: each for each in before.rows}
    rows = [less(each, known.pop(each.key, None)) for each in after.rows]
    rows += [negative(each) for each in known.values()]  # of a minimum that is reached, for example
    was, now = before.coverage, after.coverage
    coverage = Coverage(
        now.length_ms - was.length_ms,
        now.measured_ms - was.measured_ms,
        now.gap_ms - was.gap_ms,
        now.gap - was.gap,
    )
    none = Decimal(0), Decimal(0)
    vat = {
        percent: tuple_less(after.vat.get(percent, none), before.vat.get(percent, none))
        for percent in sorted({*before.vat, *after.vat})
    }
    return replace(after, first=day, rows=tuple(rows), vat=vat, coverage=coverage)


def tuple_less(
    after: tuple[Decimal, Decimal], before: tuple[Decimal, Decimal]
) -> tuple[Decimal, Decimal]:
    return after[0] - before[0], after[1] - before[1]


def negative(row: Row) -> Row:
    return replace(row, quantity=-row.quantity, amount=-row.amount, gap=-row.gap)


def less(after: Row, before: Row | None) -> Row:
    if before is None:
        return after
    quantity = after.quantity if after.kind == "peak" else after.quantity - before.quantity
    amount, gap = after.amount - before.amount, after.gap - before.gap
    return replace(after, quantity=quantity, amount=amount, gap=gap)


def summed(bills: Sequence[Bill]) -> Bill:
    """Return the sum of the bills of months. Raise NoBill where their currencies differ."""
    if len({each.currency for each in bills}) > 1:
        raise NoBill("the currency changes within the year: ask for its months")
    rows: dict[tuple[str, str, str], Row] = {}
    vat: dict[Decimal, tuple[Decimal, Decimal]] = {}
    for bill in bills:
        for row in bill.rows:
            rows[row.key] = more(rows.get(row.key), row)
        for percent, (base, amount) in bill.vat.items():
            old = vat.get(percent, (Decimal(0), Decimal(0)))
            vat[percent] = old[0] + base, old[1] + amount
    every = [each.coverage for each in bills]
    coverage = Coverage(
        sum(each.length_ms for each in every),
        sum(each.measured_ms for each in every),
        sum(each.gap_ms for each in every),
        sum((each.gap for each in every), Decimal(0)),
    )
    notes = tuple(
        dict.fromkeys(f"{each.first:%Y-%m}: {note}" for each in bills for note in each.notes)
    )
    first, last = bills[0], bills[-1]
    return Bill(
        *(first.meter, first.first, last.end, first.currency, tuple(rows.values())),
        *(vat, coverage, notes),
    )


def more(old: Row | None, new: Row) -> Row:
    if old is None:
        return new
    price = old.price if old.price == new.price else None
    quantity = (
        max(old.quantity, new.quantity) if new.kind == "peak" else old.quantity + new.quantity
    )
    amount, gap = old.amount + new.amount, old.gap + new.gap
    return replace(new, price=price, quantity=quantity, amount=amount, gap=gap)
