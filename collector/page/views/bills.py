"""Bills of the house's meters, out of contracts and ledger; computed once a quarter hour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from collector.contract.views import BillRow, BillView, MeterBill, Vat
from collector.derive.cost import check
from collector.derive.cost.bill import Bill, House
from collector.derive.cost.flows import Flows, FromLedger, Market, Use, meters
from collector.derive.cost.holidays import Holidays
from collector.derive.cost.tariffs import ContractOptions, Tariffs
from collector.errors import ConfigFault, EnergyMonitorError
from collector.ledger.database import Database
from collector.page.views.records import Records
from collector.safe_text import safe

MOST_MONTHS = 120
MOST_KEPT = 200  # bills of some 3 kB


class Stamp(NamedTuple):
    """As long as these are the same, so are bills: the two files, and the day."""

    ledger: int
    tariffs: int
    day: date


@dataclass(frozen=True)
class Until:
    """The flows of a meter up to a quarter hour, as if it were that time now."""

    flows: Flows
    end: int

    def use(self, flow: str, begin: int, end: int) -> Use:
        return self.flows.use(flow, begin, max(min(end, self.end), begin))

    def market(self, source: str, begin: int, end: int) -> Market:
        return self.flows.market(source, begin, end)


Make = Callable[[House], Bill]


class Bills:
    """Makes bills; for one thread at a time."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.known: dict[object, tuple[tuple[Bill, ...], tuple[str, ...]]] = {}
        self.stamp: Stamp | None = None
        self.tariffs: Tariffs | None = None
        self.read_at = 0

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.records.now_ms / 1000, self.records.zone).date()

    def of(
        self, database: Database, key: object, make: Make, end: int | None = None
    ) -> tuple[tuple[Bill, ...], tuple[str, ...]]:
        """Return what *make* gives of each meter, and why others have none. *key* names it."""
        self.look()
        if key not in self.known:
            try:
                self.known[key] = self.made(database, make, end)
            except ConfigFault as error:
                self.known[key] = (), tuple(safe(str(each)) for each in error.faults[:5])
            except EnergyMonitorError as error:
                self.known[key] = (), (safe(str(error)),)
        return self.known[key]

    def made(
        self, database: Database, make: Make, end: int | None
    ) -> tuple[tuple[Bill, ...], tuple[str, ...]]:
        contracts = self.contracts()
        if contracts is None:
            name = self.records.home.tariffs.name
            return (), (
                f"{name} is not there: it holds your contracts; docs/tariffs.md has examples",
            )
        known = meters(database)
        wanted = contracts.meters() or (known if len(known) == 1 else [])
        warnings = [f"the ledger has no meter {each!r}" for each in wanted if each not in known]
        if not wanted:
            several = f"name one of {', '.join(known)} with 'meter:'" if known else "no meter yet"
            warnings.append(f"which meter is billed? {several}")
        bills = []
        for meter in wanted:
            if meter not in known:
                continue
            try:
                bills.append(make(self.house(database, contracts, meter, end)))
            except EnergyMonitorError as error:
                warnings.append(safe(str(error)))
        return tuple(bills), tuple(warnings)

    def house(self, database: Database, contracts: Tariffs, meter: str, end: int | None) -> House:
        flows: Flows = FromLedger(database, meter)
        if end is not None:
            flows = Until(flows, end)
        known, year = Holidays(self.records.home.holidays), self.today.year

        def holidays(contract: ContractOptions) -> frozenset[date]:
            found = contract.holidays
            return known.of(found.code, range(year - 2, year + 2)) if found.code else found.dates

        return House(meter, contracts.of(meter), flows, self.records.zone, holidays)

    def contracts(self) -> Tariffs | None:
        """Return the contracts, read anew where the file has changed. Raise ConfigFault."""
        file = self.records.home.tariffs
        changed = changed_ns(file)
        if not changed:
            return None
        if self.tariffs is None or changed != self.read_at:
            self.tariffs = check.load(file)
            self.read_at = changed
        return self.tariffs

    def look(self) -> Stamp:
        """Forget bills that are of another day, ledger or contracts; return of which they are."""
        home = self.records.home
        stamp = Stamp(changed_ns(home.ledger), changed_ns(home.tariffs), self.today)
        if stamp != self.stamp or len(self.known) > MOST_KEPT:
            self.known, self.stamp = {}, stamp
        return stamp

    def view(self, month: str | None) -> BillView:
        """Return the bills of a month (YYYY-MM). Raise Refused where the ledger cannot be read."""
        today = self.today
        year, number = map(int, month.split("-")) if month else (today.year, today.month)
        with self.records.ledger() as database:
            bills, warnings = self.of(
                database, ("month", year, number), lambda house: house.month(year, number, today)
            )
            months = self.months(database)
        labels = self.records.home.labels
        return BillView(
            site=self.records.home.site,
            label=self.records.home.site,
            month=f"{year:04}-{number:02}",
            months=months,
            bills=tuple(shown(each, labels) for each in bills),
            warnings=warnings,
        )

    def months(self, database: Database) -> tuple[str, ...]:
        """Return the months that the ledger has counters of, newest first."""
        first = database.connection.execute(
            "SELECT min(day) FROM days JOIN series ON id = series WHERE kind != 'gauge'"
        ).fetchone()[0]
        today = self.today
        if first is None:
            return (f"{today:%Y-%m}",)
        begin = date(1970, 1, 1) + timedelta(days=first)
        count = 12 * (today.year - begin.year) + today.month - begin.month + 1
        back = range(min(max(count, 1), MOST_MONTHS))
        places = (12 * today.year + today.month - 1 - each for each in back)
        return tuple(f"{place // 12:04}-{place % 12 + 1:02}" for place in places)


def changed_ns(file: Path) -> int:
    """Return when a file was changed; 0 where there is none."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def shown(bill: Bill, labels: Mapping[str, str]) -> MeterBill:
    coverage = bill.coverage
    part = coverage.measured_ms / coverage.length_ms if coverage.length_ms else 0.0
    return MeterBill(
        meter=bill.meter,
        label=labels.get(bill.meter, ""),
        first=f"{bill.first}",
        last=f"{bill.end - timedelta(days=1)}",
        currency=bill.currency,
        rows=rows_of([bill]),
        net=f"{bill.net:f}",
        vat=tuple(
            Vat(percent=f"{percent:f}", of=f"{base:f}", amount=f"{amount:f}")
            for percent, (base, amount) in bill.vat.items()
        ),
        total=f"{bill.total:f}",
        measured=round(min(part, 1.0), 4),
        gap_s=coverage.gap_ms // 1000,
        gap_kwh=f"{coverage.gap:f}",
        notes=tuple(safe(each) for each in bill.notes),
    )


def rows_of(bills: Sequence[Bill]) -> tuple[BillRow, ...]:
    return tuple(
        BillRow(
            contract=each.contract,
            kind=each.kind,
            name=each.name,
            quantity=f"{each.quantity:f}",
            unit=each.unit,
            price=None if each.price is None else f"{each.price:f}",
            amount=f"{each.amount:f}",
            vat_percent=f"{each.vat:f}",
            gap_kwh=f"{each.gap:f}",
        )
        for bill in bills
        for each in bill.rows
    )


def total(bills: Sequence[Bill]) -> Decimal:
    return sum((each.total for each in bills), Decimal(0))
