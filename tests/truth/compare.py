"""What a ledger, roll-ups and derivations say, beside the truth.

A value is either exactly what is true; or, where a reading in between is missing, between what was
true at the readings around; or it is wrong.
"""

from bisect import bisect_left
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

from collector.contract.roles import plan
from collector.derive.flows import energy as flows
from collector.ledger.database import open_to_read
from collector.ledger.decisions import Code
from collector.ledger.sums import By, periods, used
from collector.scalars import Role
from tests.truth.chain import ROME
from tests.truth.meter import Known
from tests.truth.run import HOUR_MS, ROLES

CODES = {
    "set aside": {Code.SET_ASIDE},
    "reset": {Code.RESET, Code.RESET_IN_GAP, Code.RESET_UNCOUNTED},
    "replaced": {Code.JUMP},
    "told": {Code.REPLACED},
    "roll_over": {Code.ROLL_OVER},
}
BY: dict[str, By] = {"energy_1h": "hour", "energy_1d": "day"}
SAID_WITHIN_MS = 36 * HOUR_MS


@dataclass
class Result:
    """How many values of each sort were exact, or within their bounds; and what was wrong."""

    exact: Counter[str] = field(default_factory=Counter)
    bounded: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, sort, where, value, low, high, step=0):
        """Compare a value that may be off by *step*."""
        if not low - step <= value <= high + step:
            self.wrong.append(f"{sort} {where}: {value}, not {low} to {high}")
        (self.exact if low == high else self.bounded)[sort] += 1

    def need(self, sort, where, is_there):
        if not is_there:
            self.wrong.append(f"{sort}: {where}")
        self.exact[sort] += 1

    @property
    def text(self):
        sorts = [f"{sort} {self.exact[sort] + self.bounded[sort]}" for sort in self.exact]
        exact, bounded = self.exact.total(), self.bounded.total()
        listed = ", ".join(sorts)
        return (
            f"{exact + bounded} values compared, {exact} of them equal to the last digit, "
            f"{bounded} beside a missing reading within what its neighbours allow ({listed})"
        )


@dataclass(frozen=True)
class Told:
    """A gap in the ledger, and whether it is only the correction of a decision."""

    begin: int
    end: int
    micro: int
    corrects: bool


@dataclass
class Counted:
    """A counter: its truth, what the ledger has as gaps, and what decisions were corrected by."""

    known: Known
    gaps: list[Told]
    corrections: dict[int, int]

    def __post_init__(self):
        self.corrects = [gap for gap in self.gaps if gap.corrects]
        self.pure = [gap for gap in self.gaps if not gap.corrects]
        self.begins = [gap.begin for gap in self.pure]

    def edge(self, at_ms, *, is_end):
        """Return where a period that begins or ends at a time has what it can have."""
        before = bisect_left(self.begins, at_ms)
        for gap in self.pure[max(before - 2, 0) : before]:
            if gap.begin < at_ms < gap.end:
                return gap.begin if is_end else gap.end
        return at_ms

    def crossing(self, begin_ms, end_ms):
        """Return what corrections come to that reach over an end of a period: none holds them."""
        return sum(
            abs(gap.micro)
            for gap in self.corrects
            if gap.begin < begin_ms < gap.end or gap.begin < end_ms < gap.end
        )

    def expected(self, begin_ms, end_ms):
        """Return between what a period's energy may lie; None where all of it is a gap."""
        begin, end = self.edge(begin_ms, is_end=False), self.edge(end_ms, is_end=True)
        if begin >= end:
            return None
        first, last = self.known.bounds(begin), self.known.bounds(end)
        low, high = last[0] - first[1], last[1] - first[0]
        if more := self.crossing(begin_ms, end_ms):
            low, high = low - more, high + more
        return max(low, 0) if low == high else low, high

    def corrected(self, begin_ms, end_ms):
        return sum(micro for at, micro in self.corrections.items() if begin_ms <= at < end_ms)


def corrections_of(device, quantity, events):
    """Return by how much decisions were corrected, by the time at which they begin."""
    found: dict[int, int] = {}
    for each in events:
        if (each.device, each.quantity) == (device, quantity) and "event_correction" in each.more:
            begin = round(each.more["event_begin"] * 1000)
            micro = round(each.more["event_correction"] * 1e6)
            found[begin] = found.get(begin, 0) + micro
    return found


def counters(truth, database, events):
    """Return every counter of the house, as the ledger has it."""
    found = {}
    for meter in truth.meters.values():
        for quantity in meter.units:
            series = database.known[meter.device, quantity, "counter"]
            corrections = corrections_of(meter.device, quantity, events)
            known = meter.known[quantity]
            gaps = [
                Told(
                    *(gap.from_ms, gap.to_ms, gap.micro),
                    corrects=gap.micro == corrections.get(gap.from_ms),
                )
                for gap in database.gaps(series, 0, 1 << 60)
            ]
            found[meter.device, quantity] = Counted(known, gaps, corrections)
    return found


def ledger(truth, file, result):
    """Compare each quarter, hour, day, month and year of each counter, and every gap."""
    with closing(open_to_read(file)) as database:
        events = database.events(most=1 << 30)
        found = counters(truth, database, events)
        for (device, quantity), each in found.items():
            series = database.known[device, quantity, "counter"]
            for by in ("quarter", "hour", "day", "month", "year"):
                for one in used(database, series, truth.begin_ms, truth.end_ms, by, ROME):
                    where = device, quantity, one.period.begin_ms
                    bounds = each.expected(one.period.begin_ms, one.period.end_ms) or (0, 0)
                    result.add(by, where, one.micro, *bounds)
            gaps(device, quantity, each, result)
    said(truth, events, result)
    return found


def gaps(device, quantity, counted, result):
    """Compare what gaps cost; none may be where readings say more."""
    for gap in counted.gaps:
        where = f"{device} {quantity} {gap.begin} to {gap.end}"
        low, high = counted.known.bounds(gap.begin), counted.known.bounds(gap.end)
        if gap.corrects:
            result.exact["correction"] += 1
            continue
        result.add("gap", where, gap.micro, high[0] - low[1], high[1] - low[0])
        is_needed = counted.known.has_none_within(gap.begin, gap.end)
        result.need("gap is one", where, is_needed or not gap.micro)


def said(truth, events, result):
    """See that whatever happened was said, and nothing else."""
    left = {id(each): each for each in events if each.what != str(int(Code.SET_ASIDE))}
    for meter in truth.meters.values():
        mine = [each for each in events if each.device == meter.device]
        for happened in meter.happened:
            codes = {str(int(code)) for code in CODES[happened.what]}
            fitting = [
                each
                for each in mine
                if each.what in codes
                and happened.begin_ms - HOUR_MS <= each.at_ms <= happened.end_ms + SAID_WITHIN_MS
            ]
            result.need("said", f"{meter.device}: {happened} was not said", fitting)
            around = [
                each
                for each in mine
                if happened.begin_ms - HOUR_MS <= each.at_ms <= happened.end_ms + SAID_WITHIN_MS
            ]
            for each in around:
                left.pop(id(each), None)
    for each in left.values():
        result.wrong.append(f"said without a reason: {each}")


def rollups(truth, found, made, result):
    """Compare the rises of hours and local days; corrections are in the ledger alone."""
    for kind, by in BY.items():
        ends = {one.begin_ms: one.end_ms for one in periods(truth.begin_ms, truth.end_ms, by, ROME)}
        for (device, begin), values in made[kind].items():
            for name, value in values.items():
                counted = found[device, name.removesuffix("_used")]
                end = ends[begin]
                bounds = counted.expected(begin, end)
                if bounds is None:
                    continue
                less = counted.corrected(begin, end)
                low, high = bounds[0] - less, bounds[1] - less
                result.add(kind, (device, name, begin), round(value * 1e6), low, high)


def balances(truth, file, found, result):
    """Compare what the house drew by day, where no meter has a gap; elsewhere that must be said."""
    roles = plan({device: Role(role) for device, role in ROLES.items()})
    days = list(periods(truth.begin_ms, truth.end_ms, "day", ROME))
    with closing(open_to_read(file)) as database:
        read = flows.read(database, roles, days[0].begin_ms, days[-1].end_ms)
        sums = flows.summed(read, roles, days, truth.end_ms)
    signs = {
        ("mains", "active_energy_import"): ("imported", 1),
        ("mains", "active_energy_export"): ("exported", -1),
        ("roof", "yield_total"): ("solar", 1),
        ("shed", "charged_energy"): ("charged", -1),
        ("shed", "discharged_energy"): ("discharged", 1),
    }
    for one in sums:
        begin, end = one.period.begin_ms, min(one.period.end_ms, truth.end_ms)
        where = begin
        if one.missing:
            gap = any(
                gap.begin < end and gap.end > begin
                for key in signs
                for gap in found[key].gaps
                if gap.micro
            )
            result.need("flows missing", f"{where}: no meter has a gap", gap)
            continue
        low = high = 0
        for key, (name, sign) in signs.items():
            first, last = found[key].known.bounds(begin), found[key].known.bounds(end)
            less = found[key].corrected(begin, end)  # told beside the sums, as what gaps cost is
            more = found[key].crossing(begin, end)
            bounds = last[0] - first[1] - less - more, last[1] - first[0] - less + more
            result.add("flow", (name, where), getattr(one.flow, name), *bounds)
            low += sign * bounds[sign < 0]
            high += sign * bounds[sign > 0]
        result.add("flow", ("house", where), one.flow.house - one.flow.clamped, low, high)
        whole = one.flow.from_grid + one.flow.from_solar + one.flow.from_battery
        result.add("flow", ("whole", where), whole, one.flow.house, one.flow.house)
