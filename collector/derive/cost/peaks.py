"""The highest power of billing months. Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from collector.derive.cost.calendar import Day, Month, days, month_before
from collector.derive.cost.flows import Flows, Use
from collector.derive.cost.notation import SUNDAY
from collector.derive.cost.row import kwh
from collector.derive.cost.tariffs import PeakOptions
from collector.derive.cost.windows import NONE, Windows


def demand(peaks: Sequence[Decimal], at_least: Decimal) -> Decimal:
    """Return the mean of the peaks of months, of which each counts as at least so much."""
    floored = [max(each, at_least) for each in peaks]
    return sum(floored, Decimal(0)) / len(floored)


def peak_of(
    option: PeakOptions, span: Sequence[Day], use: Use, holidays: frozenset[date]
) -> Decimal | None:
    """Return the highest mean power in kW; None where nothing was measured in its hours."""
    quarters = round(option.over / 900)
    if quarters == 1 and option.is_always and use.measured:
        return kwh(max(use.measured.values())) * 4
    windows = Windows([option], holidays)
    sums: dict[int, int] = {}
    for day in span:
        table = windows.at(day.date.month, SUNDAY if day.date in holidays else day.date.weekday())
        for at, slot in enumerate(day.slots, day.begin):
            if table[slot] != NONE and at in use.measured:
                begin = at - slot % quarters
                sums[begin] = sums.get(begin, 0) + use.measured[at]
    return kwh(max(sums.values())) * 4 / quarters if sums else None


def months_before(month: Month, number: int) -> list[Month]:
    """Return *number* billing months before *month*, newest first."""
    found: list[Month] = []
    for _ in range(number):
        month = month_before(month)
        found.append(month)
    return found


def peaks(
    option: PeakOptions,
    month: Month,
    span: Sequence[Day],
    flows: Flows,
    zone: ZoneInfo,
    holidays: frozenset[date],
) -> list[Decimal]:
    """Return the peaks of the billing months that count, this one's first; unknown ones not."""
    spans = [list(span)]
    spans += [
        list(days(each.first, each.end, zone)) for each in months_before(month, option.mean_of - 1)
    ]
    found = []
    for each in spans:
        use = flows.use("import", each[0].begin, each[-1].end)
        peak = peak_of(option, each, use, holidays)
        if peak is not None:
            found.append(peak)
    return found
