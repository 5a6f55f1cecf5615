"""Net metering: what is fed in lies in a bank of kWh, line by line, until its year ends. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from collector.derive.cost.calendar import Month, month_before, next_month
from collector.derive.cost.energy import Booked
from collector.derive.cost.tariffs import ContractOptions, ExportOptions

# Of a billing month: what each line got from the grid, and what was fed in within its window.
Netted = Sequence[tuple[Booked, Booked]]


@dataclass(frozen=True)
class Balance:
    """A line in a month, in micro-Wh: what is billed, what came out of the bank, what is in it."""

    billed: int
    drawn: int
    left: int


def balances(months: Sequence[Netted]) -> list[Balance]:
    """Return the balance of each line in the last of *months*, which begin with an empty bank."""
    banks = [0] * len(months[-1])
    found: list[Balance] = []
    for month in months:
        found = []
        for number, (drawn, fed) in enumerate(month):
            net = drawn.total - fed.total
            used = min(max(net, 0), banks[number])
            banks[number] += -net if net < 0 else -used
            found.append(Balance(max(net, 0) - used, used, banks[number]))
    return found


def year_begins(option: ExportOptions, month: Month) -> date:
    """Return the day from which the bank counts that holds in a billing month."""
    number, day = option.true_up
    day = min(day, 28)  # the 29th of February is not in every year
    begin = date(month.first.year, number, day)
    return begin if begin <= month.first else begin.replace(year=begin.year - 1)


def is_last(option: ExportOptions, month: Month) -> bool:
    """Tell whether the year of the bank ends with a billing month."""
    after = Month(month.end, next_month(month.end))
    return year_begins(option, after) != year_begins(option, month)


def months_of(contract: ContractOptions, option: ExportOptions, month: Month) -> list[Month]:
    """Return the billing months of the bank's year up to *month*, which the contract holds in."""
    found = [month]
    while True:
        before = month_before(found[0])
        if before.first < year_begins(option, month) or before.end <= contract.from_:
            return found
        found.insert(0, before)
