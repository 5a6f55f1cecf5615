"""What the view of now takes from the ledger: found by a thread of its own, while somebody looks.

A request for /api/v1/now never waits for the disk. What is usual changes with the hour, today with
each quarter hour that the ledger gets.
"""

import logging
import threading
import time
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from collector.contract.views import Today
from collector.ledger.database import Database
from collector.ledger.days import QUARTER_MS
from collector.page.answer import Refused
from collector.page.pace import Turns
from collector.page.views.bills import changed_ns
from collector.page.views.cost import Costs, imported
from collector.page.views.energy import Energies, share, total_of, wh
from collector.page.views.records import Records
from collector.page.views.span import HOUR_MS, Span, before, span_of
from collector.page.views.usual import Usual, only_meter, usual

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
ASKED_LATELY_S = 120.0
MOST_WAIT_S = 2.0  # of a page that is opened


class Known(NamedTuple):
    """What was found out last."""

    usual: Usual | None = None
    today: Today = Today(cost_state="finding")


class Facts:
    """Finds out what ``known`` has; any thread may read that."""

    def __init__(self, records: Records, energies: Energies, costs: Costs, turns: Turns) -> None:
        self.records = records
        self.energies = energies
        self.costs = costs
        self.turns = turns
        self.known = Known()
        self.asked_s = -ASKED_LATELY_S
        self.wanted = threading.Event()
        self.found = threading.Event()
        self.hour = self.ledger_ns = 0
        self.last_error = ""

    def ask(self) -> Known:
        """Return what is known; somebody looks at it."""
        self.asked_s = time.monotonic()
        if not self.found.is_set():
            self.wanted.set()
        return self.known

    def wait(self) -> None:
        """Wait for a moment until something is known at all."""
        self.ask()
        self.found.wait(MOST_WAIT_S)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.wanted.wait(LOOK_EVERY_S)
            self.wanted.clear()
            if stop.is_set() or time.monotonic() > self.asked_s + ASKED_LATELY_S:
                continue
            try:
                self.find_out()
            except Refused:  # there is no ledger yet
                self.known = self.known._replace(today=Today())
            except Exception as error:
                if str(error) != self.last_error:
                    log.exception("page: internal error; figures of today are missing")
                self.last_error = str(error)
            self.found.set()

    def find_out(self) -> None:
        """Find out what may have changed. Raise Refused."""
        now_ms = self.records.now_ms
        hour, ledger_ns = now_ms // HOUR_MS, changed_ns(self.records.home.ledger)
        if (hour, ledger_ns) == (self.hour, self.ledger_ns):
            return
        with self.turns.own(), self.records.ledger() as database:
            if hour != self.hour or self.known.usual is None:
                found = usual(self.records, database, now_ms)
                self.known = self.known._replace(usual=found)
            self.known = self.known._replace(today=self.today(database, now_ms))
        self.hour, self.ledger_ns = hour, ledger_ns

    def today(self, database: Database, now_ms: int) -> Today:
        zone = self.records.zone
        span = span_of("day", None, now_ms, zone)
        amount, currency, earlier = self.costs.today(database)
        today = Today(
            begin_ms=span.begin_ms,
            until_ms=span.begin_ms,
            cost=amount,
            cost_state="none" if amount is None else "known",
            currency=currency,
            yesterday_same_time_cost=earlier,
        )
        if not self.records.plan.is_balanced:
            return self.of_only_meter(database, today, now_ms)
        found = self.energies.sums(database, span, "quarter", now_ms)
        known = [each for each in found if each.known]
        if not known:
            return today
        until_ms = known[-1].period.end_ms
        flow = total_of(found, span).flow
        day_before = before(span, zone)
        same = Span(day_before.begin_ms, same_time(day_before, until_ms, zone))
        other = total_of(self.energies.sums(database, same, "quarter", now_ms), same)
        plan = self.records.plan
        return replace(
            today,
            until_ms=until_ms,
            house_wh=wh(flow.house),
            import_wh=wh(flow.imported),
            export_wh=wh(flow.exported),
            solar_wh=wh(flow.solar) if plan.of("solar") else None,
            self_use=share(flow.self_use),
            autarky=share(flow.autarky),
            yesterday_same_time_wh=wh(other.flow.house) if other.known else None,
        )

    def of_only_meter(self, database: Database, today: Today, now_ms: int) -> Today:
        """Return today in a house without roles that has one meter."""
        if not (meter := only_meter(self.records)):
            return today
        begin, end = today.begin_ms // QUARTER_MS, now_ms // QUARTER_MS
        used = wh(imported(database, meter, begin, end))
        return replace(today, until_ms=end * QUARTER_MS, house_wh=used, import_wh=used)


def same_time(day_before: Span, at_ms: int, zone: ZoneInfo) -> int:
    """Return when the clock on the wall showed the same the day before."""
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    first = datetime.fromtimestamp(day_before.begin_ms / 1000, zone)
    if at_ms >= day_before.end_ms and (local.hour, local.minute) == (0, 0):
        return day_before.end_ms  # a whole day is over
    same = local.replace(year=first.year, month=first.month, day=first.day)
    return round(same.timestamp() * 1000)
