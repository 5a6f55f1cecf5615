"""What bills say, beside the same contracts reckoned out of the truth, day by day and window by
window, in whole micro-Wh and decimal money.
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from collector.derive.cost.bill import House
from collector.derive.cost.flows import FromLedger
from collector.derive.cost.tariffs import Tariffs
from collector.ledger.database import open_to_read
from tests.truth.chain import ROME
from tests.unit.derive.cost.house import contracts_of

QUARTER_S, QUARTER_MS = 900, 900_000
HOLIDAYS = {date(2026, 1, 6), date(2026, 4, 6), date(2026, 12, 25)}
SUNDAY = 6
CHANGES = date(2026, 7, 1)
TARIFFS = """
contracts:
  - from: 2026-01-01
    name: windows
    currency: EUR
    vat: 10%
    standing: 0.42/day
    holidays: [2026-01-06, 2026-04-06, 2026-12-25]
    energy:
      - {name: F1, price: 0.1450, days: mon-fri, hours: 08:00-19:00}
      - {name: F2, price: 0.1320, days: mon-sat, hours: 07:00-23:00}
      - {name: F3, price: 0.1180}
    export: 0.055
    peak: {price: 3.39/kW/month, over: 15m, at_least: 2.5}
  - from: 2026-07-01
    name: tiers
    currency: EUR
    vat: 22%
    standing: 12.80/month
    energy:
      - {name: all day, price: [0.18, 0.24 from 10/day]}
    export: 0.061
"""


def window(begin_s):
    """Return the name of the line that a quarter belongs to, by the clock on the wall."""
    local = datetime.fromtimestamp(begin_s, ROME)
    if local.date() >= CHANGES:
        return "all day"
    weekday = SUNDAY if local.date() in HOLIDAYS else local.weekday()
    if weekday < 5 and 8 <= local.hour < 19:
        return "F1"
    return "F2" if weekday < SUNDAY and 7 <= local.hour < 23 else "F3"


@dataclass
class Span:
    """Quarters one after the other that one line of a day gets."""

    name: str
    begin_ms: int
    end_ms: int


def spans(day):
    """Yield the spans of a local day."""
    begin_s = round(datetime(day.year, day.month, day.day, tzinfo=ROME).timestamp())
    after = day + timedelta(days=1)
    end_s = round(datetime(after.year, after.month, after.day, tzinfo=ROME).timestamp())
    made = None
    for at_s in range(begin_s, end_s, QUARTER_S):
        name = window(at_s)
        if made and made.name == name:
            made.end_ms += QUARTER_MS
            continue
        if made:
            yield made
        made = Span(name, at_s * 1000, at_s * 1000 + QUARTER_MS)
    yield made


def energy(counted, begin_ms, end_ms):
    """Return between what the energy of a span lies, whatever a gap's shares by time are."""
    first, last = counted.known.bounds(begin_ms), counted.known.bounds(end_ms)
    return max(last[0] - first[1], 0), last[1] - first[0]


def euros(micro, price):
    amount = Decimal(micro).scaleb(-9) * Decimal(price)
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def bills(truth, file, found, result):
    """Compare the lines of each month that is over, and of some days."""
    imported = found["mains", "active_energy_import"]
    exported = found["mains", "active_energy_export"]
    first = datetime.fromtimestamp(truth.begin_ms / 1000, ROME).date().replace(day=1)
    last = datetime.fromtimestamp(truth.end_ms / 1000, ROME).date()
    with closing(open_to_read(file)) as database:
        contracts = Tariffs(Path("tariffs.yaml"), contracts_of(TARIFFS)).of("mains")
        flows = FromLedger(database, "mains")
        house = House("mains", contracts, flows, ROME, lambda each: each.holidays.dates)
        while (end := (first + timedelta(days=31)).replace(day=1)) <= last:
            bill = house.month(first.year, first.month, last)
            month(bill, first, end, (imported, exported), result)
            first = end


def month(bill, first, end, counters, result):
    lines: dict[str, tuple[int, int]] = {}
    days = []
    for number in range((end - first).days):
        day = first + timedelta(days=number)
        low = high = 0
        for span in spans(day):
            bounds = energy(counters[0], span.begin_ms, span.end_ms)
            old = lines.get(span.name, (0, 0))
            lines[span.name] = old[0] + bounds[0], old[1] + bounds[1]
            low, high = low + bounds[0], high + bounds[1]
        days.append((low, high))
    if first >= CHANGES:
        lines = tiers(days)
    begin_ms, end_ms = (
        round(datetime(each.year, each.month, 1, tzinfo=ROME).timestamp() * 1000)
        for each in (first, end)
    )
    lines["export"] = energy(counters[1], begin_ms, end_ms)
    rows = {each.name if each.kind == "energy" else each.kind: each for each in bill.rows}
    for name, bounds in lines.items():
        if name not in rows and bounds == (0, 0):
            continue  # a tier that nothing came to
        compare(rows.pop(name), f"{first:%Y-%m} {name}", bounds, result)
    if "peak" in rows:
        peak(rows.pop("peak"), counters[0], begin_ms, end_ms, result)
    standing = rows.pop("standing")
    wanted = Decimal("0.42") * (end - first).days if first < CHANGES else Decimal("12.80")
    result.add("bill", f"{first} standing", standing.amount, wanted, wanted)
    result.need("bill", f"{first}: rows without a reason: {rows}", not rows)
    whole = sum(each.quantity for each in bill.rows if each.kind == "energy")
    bounds = energy(counters[0], begin_ms, end_ms)
    result.add("bill", f"{first} in all", int(whole.scaleb(9)), *bounds)


def tiers(days):
    """Return what lies below and above 10 kWh a day."""
    limit = 10_000_000_000
    below = [sum(min(each[side], limit) for each in days) for side in (0, 1)]
    above = [sum(max(each[side] - limit, 0) for each in days) for side in (0, 1)]
    return {"all day": tuple(below), "all day from 10 kWh/day": tuple(above)}


def compare(row, where, bounds, result):
    sign = -1 if row.kind == "export" else 1
    result.add("bill", where, int(row.quantity.scaleb(9)), *bounds)
    amounts = [euros(each, row.price) for each in bounds]
    result.add("bill", f"{where} EUR", sign * row.amount, *amounts)


def peak(row, counted, begin_ms, end_ms, result):
    """Compare the highest quarter: one that no missing reading has a part in, or a bound."""
    low = high = 0
    for at_ms in range(begin_ms, end_ms, QUARTER_MS):
        bounds = counted.expected(at_ms, at_ms + QUARTER_MS) or (0, 0)
        low, high = max(low, bounds[0]), max(high, bounds[1])
    kw = [
        max(Decimal(each * 4).scaleb(-9).quantize(Decimal("0.001"), ROUND_HALF_UP), Decimal("2.5"))
        for each in (low, high)
    ]
    result.add("bill", f"{begin_ms} peak", row.quantity, *kw)
