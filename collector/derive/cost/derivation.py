"""What today and this month have cost so far, and the prices that hold now: each quarter hour.

They are the bill of the same time, computed as ``energy-monitor bill`` does. At midnight there is a
last reading of the day that ends, so that each day and month has its final cost.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from collector.contract import Context, DerivationOptions
from collector.contract.counters import DECISION, ENERGY
from collector.contract.currencies import CURRENCIES
from collector.contract.defaults import COST
from collector.derive.cost.bill import Bill, House, NoBill, added
from collector.derive.cost.calendar import begin_of, month_with
from collector.derive.cost.contracts import Contracts
from collector.derive.cost.flows import PRICE, FromLedger, Use, billed
from collector.derive.cost.now import contract_on, moment
from collector.derive.cost.recent import COUNTERS, IMPORTED, Recent, View
from collector.derive.cost.tariffs import ContractOptions
from collector.errors import EnergyMonitorError
from collector.ledger.days import PER_DAY, QUARTER_MS
from collector.options import option
from collector.reading import Reading

log = logging.getLogger(__name__)

AHEAD_MS = 60_000  # what is further ahead of our own clock was told by a wrong one
LATE_MS = 120_000  # by then a meter has told the end of the quarter, if it still tells anything
MOST_METERS = 16
MOST_MIDNIGHTS = 7  # of days without any reading
STALE = 2
LAST_MS = 1000  # before midnight stands the last cost of a day


@dataclass(frozen=True, kw_only=True)
class CostOptions(DerivationOptions):
    """Cost so far and prices of now; it is there as soon as there is a file of contracts."""

    since: str = option(
        "where a new derivation begins: 'newest', 'beginning' (the oldest reading kept), a "
        "duration back such as '7d', or a time; ignored once it has begun",
        example="7d",
        default="beginning",
    )


@dataclass
class Before:
    """What was computed of the month before a *day*, from contracts, and is not again."""

    day: date
    contracts: Sequence[ContractOptions]
    begin: int
    bill: Bill | None = None
    uses: dict[tuple[str, int, int], Use] = field(default_factory=dict)
    stale: int = 0  # so many times it is computed anew


class Cost:
    """Makes readings of the kind ``cost``, each under the name of the meter that is billed."""

    Options = CostOptions
    hears = frozenset({ENERGY, DECISION, PRICE})
    makes = frozenset({COST})
    quantities = (
        *("cost_today", "cost_today_since", "cost_month", "cost_month_since"),
        *("import_price", "export_price", "currency"),
    )

    def __init__(self, name: str, options: CostOptions, context: Context) -> None:
        del options
        self.name = name
        self.zone, self.roles = context.zone, context.roles
        files = context.files
        self.contracts = Contracts(name, files)
        self.recent = Recent(files.ledger if files else None)
        self.heard: list[str] = []  # meters, in the order of their first reading
        self.last: dict[str, int] = {}  # the quarter at which each meter's newest cost is
        self.now_ms = self.forgot = 0
        self.said = ""
        self.before: dict[str, Before] = {}
        self.is_unclear = False

    def derive(self, readings: Sequence[Reading]) -> list[Reading]:
        made: list[Reading] = []
        for reading in readings:
            if reading.kind != PRICE and not self.is_meter(reading):
                continue
            self.changed(self.recent.take(reading), in_ledger=reading.kind == DECISION)
            if reading.kind == ENERGY and not IMPORTED.isdisjoint(reading.values):
                is_now = not self.now_ms or reading.at_ms <= self.now_ms + AHEAD_MS
                if is_now and reading.device in self.last:
                    made += self.until(reading.device, reading.at_ms // QUARTER_MS)
        return made

    def changed(self, quarter: int | None, *, in_ledger: bool) -> None:
        """Forget what was computed of the days before, where one of them changed."""
        for known in self.before.values():
            if quarter is not None and quarter < known.begin:
                # The ledger has it after the next quarter at the latest.
                known.stale = STALE if in_ledger else max(known.stale, 1)

    def tick(self, now_ms: int) -> list[Reading]:
        """Make what is due, also where no meter tells anything, for prices change by the clock."""
        self.now_ms = now_ms
        for name in [name for name, at in self.last.items() if at * QUARTER_MS > now_ms + AHEAD_MS]:
            del self.last[name]  # it was told by a wrong clock
        made: list[Reading] = []
        for name in self.meters():
            known = name in self.last
            made += self.until(name, (now_ms - LATE_MS if known else now_ms) // QUARTER_MS)
        return made

    def is_meter(self, reading: Reading) -> bool:
        """Tell whether a reading is of a meter that may be billed, and remember the meter."""
        if reading.device in self.heard:
            return True
        if COUNTERS.isdisjoint(reading.values):
            return False
        if self.roles.get(reading.device, "grid") != "grid" or len(self.heard) >= MOST_METERS:
            return reading.device in self.contracts.meters()
        if not IMPORTED.isdisjoint(reading.values):
            self.heard.append(reading.device)
        return True

    def meters(self) -> list[str]:
        """Return the meters that are billed; none where that is not clear."""
        if named := self.contracts.meters():
            return named
        found = billed(self.heard, self.roles)
        if len(found) > 1 and not self.is_unclear:
            log.warning(
                "%s: which meter is billed? There are %s; name one with 'meter:' in %s",
                *(self.name, ", ".join(found), self.contracts.file),
            )
        self.is_unclear = len(found) > 1
        return found if len(found) == 1 else []

    def until(self, meter: str, quarter: int) -> list[Reading]:
        """Return the costs of a meter at the beginning of a quarter, and at midnights before."""
        last = self.last.get(meter, quarter - 1)
        if quarter <= last or meter not in self.meters():
            return []
        self.last[meter] = quarter
        if quarter // PER_DAY != self.forgot:
            self.forgot = quarter // PER_DAY
            self.recent.forget(quarter)
        made = []
        try:
            with self.recent.opened() as view:
                for midnight in self.midnights(last, quarter):
                    at_ms = midnight * QUARTER_MS - LAST_MS
                    made.append(self.cost(meter, view, midnight, at_ms))
                made.append(self.cost(meter, view, quarter, quarter * QUARTER_MS))
            self.said = ""
        except (EnergyMonitorError, OSError) as error:
            self.before.clear()
            if self.said != str(error):
                log.warning("%s: no cost is known: %s", self.name, error)
            self.said = str(error)
        return [each for each in made if each.values]

    def midnights(self, last: int, quarter: int) -> list[int]:
        """Return the local midnights after the *last* quarter, up to one."""
        day = self.day_with(quarter)
        found: list[int] = []
        while (begin := begin_of(day, self.zone)) > last and len(found) < MOST_MIDNIGHTS:
            found.insert(0, begin)
            day -= timedelta(days=1)
        return found

    def day_with(self, quarter: int) -> date:
        return (
            datetime.fromtimestamp(quarter * QUARTER_MS // 1000, UTC).astimezone(self.zone).date()
        )

    def cost(self, meter: str, view: View, until: int, at_ms: int) -> Reading:
        """Return the cost of all before the quarter *until*, and the prices at *at_ms*.

        Raise EnergyMonitorError.
        """
        quarter = at_ms // QUARTER_MS
        day = self.day_with(quarter)
        flows = FromLedger(view, meter, until)
        before = self.before_of(meter, day)
        flows.known |= before.uses
        house = House(
            *(meter, self.contracts.of(meter), flows, self.zone, self.contracts.holidays(day.year))
        )
        contract = contract_on(house, day)
        if contract is None:
            return Reading(COST, meter, at_ms, {})
        values = {"currency": float(CURRENCIES[contract.currency])}
        now = moment(house, contract, day, quarter)
        for name in ("import_price", "export_price"):
            if (price := getattr(now, name)) is not None:
                values[name] = float(price)
        if any((meter, name, "counter") in self.recent.since for name in IMPORTED):
            values |= so_far(house, day, before)
        # Of months that are over, only what looks back (a mean of peaks, a bank) asks again.
        before.uses = {key: use for key, use in flows.known.items() if key[2] <= before.begin}
        return Reading(COST, meter, at_ms, values)

    def before_of(self, meter: str, day: date) -> "Before":
        """Return what was computed of the days before one; nothing where it may be wrong."""
        contracts, known = self.contracts.of(meter), self.before.get(meter)
        if known is None or known.day != day or known.contracts is not contracts:
            known = self.before[meter] = Before(day, contracts, begin_of(day, self.zone))
        if known.stale:
            known.stale -= 1
            known.bill, known.uses = None, {}
        return known

    def state(self) -> Any:
        return [self.recent.state(), self.heard, self.last, self.now_ms, self.forgot]

    def restore(self, state: Any) -> None:
        try:
            recent, self.heard, self.last, self.now_ms, self.forgot = state
            self.recent.restore(recent)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"this is no state of costs: {error!r}") from error


def so_far(house: House, day: date, before: Before) -> dict[str, float]:
    """Return the bills of a day and of its billing month; nothing where there is none."""
    month = month_with(day, house.billing_day(day))
    try:
        before.bill = before.bill or house.until(month, day)
        whole = house.until(month, day + timedelta(days=1), day)
    except NoBill as error:
        log.debug("%s: %s", house.meter, error)
        return {}
    return {
        "cost_today": float(added(before.bill, whole, day).total),
        "cost_today_since": float(begin_of(day, house.zone) * QUARTER_MS // 1000),
        "cost_month": float(whole.total),
        "cost_month_since": float(begin_of(month.first, house.zone) * QUARTER_MS // 1000),
    }
