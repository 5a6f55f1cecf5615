"""The quarter hours of the ledger as flows of energy, and their sums over any period.

Quarter by quarter, in whole micro-Wh. A quarter in which a meter of the balance is missing is not
guessed: it belongs to no sum and is told beside them. The one thing that a gap proves is a counter
that stands where it stood: nothing flowed. So an inverter that sleeps at night is no gap.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collector.contract.roles import HOUSE, Plan
from collector.derive.flows import meters
from collector.derive.flows.balance import Flow, Sides, balance
from collector.ledger.database import Database, Gap
from collector.ledger.days import QUARTER_MS, Amount
from collector.ledger.sums import Period

IN_STEP_MS = 30_000  # by so much less of a quarter may one meter have measured than another
# An inverter wakes up with what little it made since its last reading at dusk.
NIGHT_MICRO = 50_000_000
ASLEEP_MICRO = 25_000_000  # in its last quarter: less than 100 W, so it did not fail at noon
DAY_MS = 86_400_000
FOREVER = 1 << 40
SIDES = {
    "grid": ("imported", "exported"),
    "solar": ("", "solar"),
    "battery": ("charged", "discharged"),
    HOUSE: ("house", ""),
}


@dataclass
class Counted:
    """One direction of a device: what was used in each quarter, and what its gaps cost."""

    quarters: dict[int, Amount] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)

    first: float = math.inf  # the quarter in which it began

    def begin(self) -> None:
        begins = [gap.from_ms // QUARTER_MS for gap in self.gaps]
        self.first = min([*self.quarters, *begins], default=math.inf)

    def fill(self, most: int = 0) -> None:
        """Fill the quarters of gaps that cost at most *most*, which is booked to the last one.

        A decision that is corrected is a gap too, in time that was measured: it may be below 0.
        """
        for gap in self.gaps:
            if not 0 <= gap.micro <= most:
                continue
            at = gap.from_ms
            while at < gap.to_ms:
                until = min((at // QUARTER_MS + 1) * QUARTER_MS, gap.to_ms)
                amount = self.quarters.setdefault(at // QUARTER_MS, Amount())
                amount.measured_ms = min(amount.measured_ms + until - at, QUARTER_MS)
                amount.micro += gap.micro if until == gap.to_ms else 0
                at = until
        self.gaps = [gap for gap in self.gaps if not 0 <= gap.micro <= most]


NOTHING = Counted()


@dataclass
class Meter:
    """What the ledger has of a device: what it drew, and what it gave."""

    drawn: Counted = field(default_factory=Counted)
    given: Counted = field(default_factory=Counted)
    is_reversed: bool = False  # it counts as drawn what solar panels give


@dataclass
class Summed:
    """What flowed in a period; *missing* quarters are not in it, *gaps* has what is in none."""

    period: Period
    flow: Flow = field(default_factory=Flow)
    known: int = 0
    missing: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    missing_parts: dict[str, int] = field(default_factory=dict)


def summed(
    found: Mapping[str, Meter], plan: Plan, periods: Sequence[Period], end_ms: int
) -> list[Summed]:
    """Return what flowed in each of *periods*, of which the last may reach beyond *end_ms*."""
    sums = []
    for period in periods:
        made = Summed(period)
        last = min(period.end_ms, end_ms)
        for quarter in range(-(-period.begin_ms // QUARTER_MS), -(-last // QUARTER_MS)):
            flow = flow_of(found, plan, quarter)
            if flow is None:
                made.missing += 1
                continue
            made.known += 1
            made.flow.add(flow)
            for part in plan.parts.keys() - flow.parts.keys():
                made.missing_parts[part] = made.missing_parts.get(part, 0) + 1
        made.gaps = gaps_in(found, plan, period)
        sums.append(made)
    return sums


def flow_of(found: Mapping[str, Meter], plan: Plan, quarter: int) -> Flow | None:
    """Return what flowed in a quarter of an hour; None where a meter of the balance is missing."""
    sides, least, most = Sides(), QUARTER_MS, 0
    for role, names in SIDES.items():
        for device in plan.of(role):
            counts = device in found and counts_of(found[device], quarter, role)
            if not counts:
                return None
            *micros, measured_ms = counts
            least, most = min(least, measured_ms), max(most, measured_ms)
            for name, micro in zip(names, micros, strict=True):
                if name:
                    setattr(sides, name, (getattr(sides, name) or 0) + micro)
    if most - least > IN_STEP_MS:
        return None
    parts = {}
    for part in plan.parts:
        row = part in found and found[part].drawn.quarters.get(quarter)
        if row and most - row.measured_ms <= IN_STEP_MS:
            parts[part] = row.micro
    return balance(sides, parts, plan)


def counts_of(meter: Meter, quarter: int, role: str) -> tuple[int, int, int] | None:
    """Return what a meter counted on both sides and for how long; None where it is missing.

    Before its first quarter a counter counted nothing: that of what is fed in may begin later.
    """
    sides = (meter.drawn, meter.given)
    if role == "solar":  # what an inverter draws at night is the house's
        sides = (NOTHING, meter.drawn if meter.is_reversed else meter.given)
    micros, of_old, of_any = [0, 0], QUARTER_MS + 1, -1
    for at, side in enumerate(sides):
        if side.first > quarter:
            continue
        row = side.quarters.get(quarter)
        if row is None:
            return None
        micros[at] = row.micro
        of_any = max(of_any, row.measured_ms)
        if side.first < quarter:
            of_old = min(of_old, row.measured_ms)
    if of_any < 0:
        return None
    return micros[0], micros[1], of_old if of_old <= QUARTER_MS else of_any


def gaps_in(found: Mapping[str, Meter], plan: Plan, period: Period) -> dict[str, int]:
    """Return what gaps of each meter cost that lie in *period* wholly."""
    costs: dict[str, int] = defaultdict(int)
    for role in SIDES:
        for device in plan.of(role):
            meter = found.get(device, Meter())
            for gap in (*meter.drawn.gaps, *meter.given.gaps):
                if period.begin_ms <= gap.from_ms and gap.to_ms <= period.end_ms:
                    costs[device] += gap.micro
    return dict(costs)


def newest_ms(found: Mapping[str, Meter]) -> int:
    """Return the end of the newest quarter that any meter has."""
    sides = (each for meter in found.values() for each in (meter.drawn, meter.given))
    return (max((max(each.quarters, default=-1) for each in sides), default=-1) + 1) * QUARTER_MS


def read(database: Database, plan: Plan, begin_ms: int, end_ms: int) -> dict[str, Meter]:
    """Read what the ledger has of the devices of *plan*, also of the day before.

    Raise LedgerDamaged, OSError.
    """
    begin_ms -= DAY_MS  # an inverter that sleeps tonight fell asleep then
    found = {}
    for role, device in roles(plan):
        known = {
            quantity
            for each, quantity, kind in database.known
            if each == device and kind == "counter"
        }
        if not known:
            continue
        drawn, given = meters.directions(role, known)
        meter = Meter(
            counted(database, device, meters.counters(known, drawn), begin_ms, end_ms),
            counted(database, device, meters.counters(known, given), begin_ms, end_ms),
        )
        meter.is_reversed = bool(drawn) and role == "solar" and is_reversed(database, device, known)
        for side in (meter.drawn, meter.given):
            side.fill(NIGHT_MICRO if role == "solar" else 0)
        found[device] = meter
    for device in plan.of("solar"):
        if device in found:
            let_sleep(found[device], newest_ms(found))
    return found


def let_sleep(meter: Meter, until_ms: int) -> None:
    """Let panels that told little before they fell silent give nothing until they wake up."""
    side = meter.drawn if meter.is_reversed else meter.given
    last = max(side.quarters, default=0)
    if last and side.quarters[last].micro <= ASLEEP_MICRO:
        begin_ms = last * QUARTER_MS + side.quarters[last].measured_ms
        side.gaps.append(Gap(begin_ms, until_ms, 0))
        side.fill()


def roles(plan: Plan) -> Iterator[tuple[str, str]]:
    for role, devices in plan.devices.items():
        yield from ((role, device) for device in devices)
    yield from (("part", part) for part in plan.parts)


def counted(
    database: Database, device: str, quantities: Sequence[str], begin_ms: int, end_ms: int
) -> Counted:
    """Return what some counters of a device add up to, where all of them are known."""
    made, rows = Counted(), defaultdict(list)
    for quantity in quantities:
        series = database.known[device, quantity, "counter"]
        for quarter, row in database.quarters(
            series, begin_ms // QUARTER_MS, -(-end_ms // QUARTER_MS)
        ):
            if isinstance(row, Amount):
                rows[quarter].append(row)
        made.gaps += database.gaps(series, begin_ms, end_ms)
    for quarter, each in rows.items():
        if len(quantities) == 1:
            made.quarters[quarter] = each[0]
        elif len(each) == len(quantities):
            measured_ms = min(row.measured_ms for row in each)
            made.quarters[quarter] = Amount(
                sum(row.micro for row in each),
                measured_ms,
                sum(row.estimated_micro for row in each),
            )
    made.begin()
    return made


def is_reversed(database: Database, device: str, known: Collection[str]) -> bool:
    """Return whether a meter before solar panels has counted more as drawn, since it is there."""
    drawn, given = (
        sum(
            row.micro
            for quantity in meters.counters(known, lines)
            for _, row in database.quarters(database.known[device, quantity, "counter"], 0, FOREVER)
            if isinstance(row, Amount)
        )
        for lines in (meters.IMPORTED, meters.EXPORTED)
    )
    return drawn > given
