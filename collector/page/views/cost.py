"""What energy costs: today, this month and its forecast, by window and part.

Prices differ by the hour; a part of the house is charged at the month's mean price.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from collector.contract.views import Cost, CostView, EnergyPeriod, PartCost, Peak
from collector.derive.cost.bill import Bill, House
from collector.derive.cost.calendar import begin_of, month_before, month_with
from collector.derive.cost.flows import FromLedger
from collector.derive.cost.money import digits, rounded
from collector.ledger.database import Database
from collector.ledger.days import MICRO, QUARTER_MS
from collector.page.pace import Pace
from collector.page.views.bills import Bills, Stamp, rows_of, total
from collector.page.views.energy import Energies
from collector.page.views.records import Records
from collector.page.views.span import Span
from collector.page.views.usual import base_load

LEAST_DAYS = 2  # whole ones, before a month is foretold
HOURS_PER_YEAR = 8766
METERED = {"energy", "charge"}


class Costs:
    """Makes the view of costs; for one thread at a time."""

    def __init__(self, records: Records, energies: Energies, bills: Bills) -> None:
        self.records = records
        self.energies = energies
        self.bills = bills
        self.stamp: Stamp | None = None
        self.made: CostView | None = None

    def view(self) -> CostView:
        """Return what energy costs. Raise Refused where the ledger cannot be read."""
        stamp = self.bills.look()
        if self.made is None or stamp != self.stamp:
            self.made, self.stamp = self.new_view(), stamp
        return replace(self.made, at_ms=self.records.now_ms)

    def new_view(self) -> CostView:
        pace, today = Pace(), self.bills.today
        with self.records.ledger() as database:
            month, warnings = self.bills.of(
                database, "month", lambda house: month_until(house, today, today)
            )
            pace()
            whole, _ = self.bills.of(
                database, "whole", lambda house: month_until(house, today, yesterday_of(today))
            )
            pace()
            now, _ = self.bills.of(database, "today", lambda house: house.day(today, today))
            pace()
            yesterday = yesterday_of(today)
            day_before, _ = self.bills.of(
                database, "yesterday", lambda house: house.day(yesterday, today)
            )
            pace()
            earlier, _ = self.bills.of(
                database, "before", lambda house: the_month_before(house, today)
            )
            pace()
            base = base_load(self.records, database, self.records.now_ms)
            peak = self.peak(database, month)
            costs = [self.cost(database, each) for each in (now, day_before, month, earlier, whole)]
        energy = self.energy_of(month)
        price = mean_price(month)
        return CostView(
            at_ms=self.records.now_ms,
            currency=month[0].currency if month else "",
            today=costs[0],
            yesterday=costs[1],
            month=costs[2],
            month_before=costs[3],
            forecast=self.forecast(whole, costs[4], today),
            by_window=rows_of(month),
            by_part=tuple(self.parts(energy, price, month)) if energy else (),
            base_load_w=base,
            base_load_per_year=per_year(base, price, month),
            peak_quarter=peak,
            self_use=energy.self_use if energy else None,
            autarky=energy.autarky if energy else None,
            warnings=tuple(
                dict.fromkeys((*warnings, *(note for each in month for note in each.notes)))
            ),
        )

    def cost(self, database: Database, bills: Sequence[Bill]) -> Cost | None:
        """Return the sum of bills of one currency; None without any."""
        if not bills or len({each.currency for each in bills}) > 1:
            return None
        begin, end = self.quarters(bills[0])
        used = sum(imported(database, each.meter, begin, end) for each in bills)
        return Cost(
            amount=f"{total(bills):f}",
            wh=round(used / MICRO, 3),
            begin_ms=begin * QUARTER_MS,
            end_ms=min(end * QUARTER_MS, self.records.now_ms),
        )

    def quarters(self, bill: Bill) -> tuple[int, int]:
        return begin_of(bill.first, self.records.zone), begin_of(bill.end, self.records.zone)

    def today(self, database: Database) -> tuple[str | None, str, str | None]:
        """Return what today cost so far, its currency, and yesterday at the same time."""
        today, now_ms, zone = self.bills.today, self.records.now_ms, self.records.zone
        bills, _ = self.bills.of(database, "today", lambda house: house.day(today, today))
        if not bills or len({each.currency for each in bills}) > 1:
            return None, "", None
        yesterday = yesterday_of(today)
        local = datetime.fromtimestamp(now_ms / 1000, zone)
        same = local.replace(year=yesterday.year, month=yesterday.month, day=yesterday.day)
        end = round(same.timestamp()) // (QUARTER_MS // 1000)
        before, _ = self.bills.of(
            database, ("same", end), lambda house: house.day(yesterday, yesterday), end
        )
        earlier = f"{total(before):f}" if before else None
        return f"{total(bills):f}", bills[0].currency, earlier

    def forecast(self, whole: Sequence[Bill], so_far: Cost | None, today: date) -> Cost | None:
        """Return what the month comes to when its other days are like those so far."""
        if not whole or so_far is None:
            return None
        first, until = whole[0].first, whole[0].end
        days = (until - first).days
        month = month_with(today, first.day)
        if days < LEAST_DAYS or month.first != first:
            return None
        times = Decimal(month.length) / days
        places = digits(whole[0].currency)
        end_ms = begin_of(month.end, self.records.zone) * QUARTER_MS
        return Cost(
            amount=f"{rounded(Decimal(so_far.amount) * times, places):f}",
            wh=round(so_far.wh * float(times), 3),
            begin_ms=so_far.begin_ms,
            end_ms=end_ms,
        )

    def energy_of(self, bills: Sequence[Bill]) -> EnergyPeriod | None:
        """Return the energies of a month, in a house with roles."""
        if not bills or not self.records.plan.is_balanced:
            return None
        begin, end = self.quarters(bills[0])
        span = Span(begin * QUARTER_MS, end * QUARTER_MS)
        return self.energies.view(span, self.records.now_ms).total

    def parts(
        self, energy: EnergyPeriod, price: Decimal, bills: Sequence[Bill]
    ) -> Sequence[PartCost]:
        """Return what each part drew from the grid, at the mean price; the rest has no name."""
        if not bills or not energy.house:
            return ()
        bought = energy.from_grid / energy.house
        places, labels = digits(bills[0].currency), self.records.home.labels
        plan = self.records.plan.parts
        outer = {part: wh for part, wh in energy.parts.items() if plan.get(part) == "house"}
        return [
            PartCost(
                name=part,
                label=labels.get(part, ""),
                wh=round(wh, 3),
                amount=f"{rounded(Decimal(wh * bought) / 1000 * price, places):f}",
            )
            for part, wh in (*outer.items(), ("", energy.rest))
        ]

    def peak(self, database: Database, bills: Sequence[Bill]) -> Peak | None:
        """Return the highest quarter hour that was drawn from the grid in the month."""
        found: dict[int, int] = {}
        for bill in bills:
            use = FromLedger(database, bill.meter).use("import", *self.quarters(bill))
            for quarter, micro in use.measured.items():
                found[quarter] = found.get(quarter, 0) + micro
        if not found:
            return None
        at = max(found, key=lambda quarter: found[quarter])
        return Peak(power=round(found[at] * 4 / MICRO, 1), at_ms=at * QUARTER_MS)


def month_until(house: House, today: date, last: date) -> Bill:
    """Return the bill of this billing month up to *last*. Raise NoBill."""
    month = month_with(today, house.billing_day(today))
    return house.until(month, max(last + timedelta(days=1), month.first))


def the_month_before(house: House, today: date) -> Bill:
    month = month_before(month_with(today, house.billing_day(today)))
    return house.until(month, month.end)


def yesterday_of(today: date) -> date:
    return today - timedelta(days=1)


def imported(database: Database, meter: str, begin: int, end: int) -> int:
    use = FromLedger(database, meter).use("import", begin, end)
    return sum(use.measured.values()) + sum(use.gaps.values())


def mean_price(bills: Sequence[Bill]) -> Decimal:
    """Return what a kWh cost, tax included, without what is due each month anyway."""
    energy = amount = Decimal(0)
    for bill in bills:
        for row in bill.rows:
            if row.kind in METERED:
                amount += row.amount * (1 + row.vat / 100)
            if row.kind == "energy" and row.unit == "kWh":
                energy += row.quantity
    return amount / energy if energy > 0 else Decimal(0)


def per_year(base: float | None, price: Decimal, bills: Sequence[Bill]) -> str | None:
    if base is None or not bills or not price:
        return None
    kwh = Decimal(base) * HOURS_PER_YEAR / 1000
    return f"{rounded(kwh * price, digits(bills[0].currency)):f}"
