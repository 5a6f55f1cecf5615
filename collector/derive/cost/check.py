"""What is wrong with contracts that can all be read: each a sentence, with file and line.

A fault is what makes a bill wrong and can be mended; advice is about what may be meant so.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from collector.derive.cost.calendar import month_with
from collector.derive.cost.holidays import Holidays
from collector.derive.cost.notation import DAYS, MONTHS
from collector.derive.cost.tariffs import ContractOptions, Tariffs, read
from collector.derive.cost.windows import NONE, Windows
from collector.errors import EnergyMonitorError
from collector.scalars import did_you_mean

OVER_S = (900.0, 1800.0, 3600.0)
WHOLE_YEAR = 366


@dataclass(frozen=True)
class Known:
    """What a house has: sources of prices, and meters with their registers; none: not yet known."""

    sources: Collection[str]
    registers: Mapping[str, Collection[str]] = field(default_factory=dict)


def load(file: Path) -> Tariffs:
    """Read *file*. Raise ConfigFault with every fault that no bill can be made with."""
    tariffs = read(file)
    for number, contract in enumerate(tariffs.contracts):
        for path, message in impossible(contract):
            tariffs.faults.add_later(f"contracts.{number}.{path}", message)
    tariffs.faults.raise_found()
    return tariffs


def look(tariffs: Tariffs, known: Known, holidays: Holidays) -> list[str]:
    """Add what is wrong to the faults of *tariffs*; return advice."""
    faults = tariffs.faults
    for number, contract in enumerate(tariffs.contracts):
        for path, message in (
            *impossible(contract),
            *unpriced(contract),
            *unknown(contract, known),
            *without_holidays(contract, holidays),
        ):
            faults.add_later(f"contracts.{number}.{path}", message)
    advice = []
    for meter in tariffs.meters() or [""]:
        for number, message, is_fault in following(tariffs, meter):
            if is_fault:
                faults.add_later(f"contracts.{number}.from", message)
            else:
                file, line = faults.lines.get(f"contracts.{number}.from", (str(tariffs.file), 0))
                advice.append(f"{file}:{line}: {message}")
    return list(dict.fromkeys(advice))


Found = Iterator[tuple[str, str]]


def impossible(contract: ContractOptions) -> Found:
    """Yield place and sentence of what no bill can be made with."""
    for number, peak in enumerate(contract.peak):
        if float(peak.over) not in OVER_S:
            yield f"peak.{number}.over", "a peak is the mean over 15m, 30m or 1h"
    named = [bool(each.register) for each in contract.energy]
    if any(named) and not all(named):
        at = named.index(False)
        yield f"energy.{at}", "the other lines name a register: all do, or none"
    for number, line in enumerate((*contract.energy, *contract.charges)):
        is_charge = number >= len(contract.energy)
        path = f"charges.{number - len(contract.energy)}" if is_charge else f"energy.{number}"
        if line.register and not line.is_always:
            yield path, "a register takes the place of days, hours and months; leave those out"
    if contract.bank:
        yield from impossible_bank(contract)


def impossible_bank(contract: ContractOptions) -> Found:
    assert contract.bank
    if len(contract.export) > 1:
        yield "export", "a bank is the only line of 'export'"
    if contract.bank.price.market or len(contract.bank.price.tiers) > 1:
        yield "export.price", "what is left in a bank has one price"
    for number, line in enumerate(contract.energy):
        if line.price.market or line.price.per == "day":
            yield (
                f"energy.{number}.price",
                "with a bank, prices are fixed or have tiers per month: it is settled by the month",
            )


def unpriced(contract: ContractOptions) -> Found:
    """Say which hours no line of *energy* prices, if there are such."""
    if not contract.energy or any(each.register for each in contract.energy):
        return
    windows = Windows(contract.energy, frozenset())
    missing = [
        (month, day, slot)
        for month in months_of(contract)
        for day in range(7)
        for slot, line in enumerate(windows.at(month, day))
        if line == NONE
    ]
    if not missing:
        return
    month, day, slot = missing[0]
    same = [each for each in missing if each[:2] == (month, day)]
    end = next(at for at in range(slot, 97) if (month, day, at) not in same)
    weekly = len(missing) / 4 / len({each[0] for each in missing})
    hours = f"{DAYS[day]} {clock(slot)}-{clock(end)} in {MONTHS[month - 1]}"
    message = f"nobody prices {hours}, of {weekly:g} hours a week in all; "
    yield "energy", f"{message}end with a line without hours, or one of 'price: 0'"


def months_of(contract: ContractOptions) -> list[int]:
    """Return the months of the calendar that a contract holds in."""
    if (contract.last - contract.from_).days >= WHOLE_YEAR:
        return list(range(1, 13))
    length = (contract.last - contract.from_).days + 1
    return sorted({(contract.from_ + timedelta(days=each)).month for each in range(length)})


def clock(slot: int) -> str:
    return f"{slot // 4:02}:{slot % 4 * 15:02}"


def unknown(contract: ContractOptions, known: Known) -> Found:
    """Yield sources of prices, meters and registers that the house does not have."""
    for group in ("energy", "charges", "export"):
        for number, line in enumerate(getattr(contract, group)):
            market = line.price.market
            if market and market.source not in known.sources:
                hint = did_you_mean(market.source, known.sources)
                hint = hint or f"; known: {', '.join(sorted(known.sources)) or 'none'}"
                message = f"no source of prices has the name {market.source!r}{hint}"
                yield f"{group}.{number}.price.source", message
    if contract.meter and known.registers and contract.meter not in known.registers:
        near = did_you_mean(contract.meter, known.registers)
        near = near or f"; it has {', '.join(sorted(known.registers))}"
        yield "meter", f"the ledger has no meter {contract.meter!r}{near}"
    meter = contract.meter or (next(iter(known.registers)) if len(known.registers) == 1 else "")
    if meter not in known.registers:
        return
    registers = known.registers[meter]
    for number, each in enumerate(contract.energy):
        if each.register and each.register not in registers:
            has = f"it has {', '.join(sorted(registers))}" if registers else "it has none"
            message = f"{meter} has no register {each.register!r} in the ledger; {has}"
            yield f"energy.{number}.register", message


def without_holidays(contract: ContractOptions, holidays: Holidays) -> Found:
    if contract.holidays.code:
        try:
            holidays.of(contract.holidays.code, [contract.from_.year])
        except EnergyMonitorError as error:
            yield "holidays", str(error)


def following(tariffs: Tariffs, meter: str) -> Iterator[tuple[int, str, bool]]:
    """Yield what is wrong where one contract of a meter follows another, by its number."""
    numbered = [
        (number, each)
        for number, each in enumerate(tariffs.contracts)
        if each.meter in {meter, ""} or not meter
    ]
    numbered.sort(key=lambda each: each[1].from_)
    for (_, one), (number, other) in pairwise(numbered):
        if one.from_ == other.from_:
            yield number, f"overlap: {one.name!r} also begins on {one.from_}", True
        elif one.until and one.until >= other.from_:
            last = day_before(other.from_)
            message = f"overlap: {one.name!r} holds until {one.until}; let it end on {last}"
            yield number, message, True
        elif one.until and one.until < day_before(other.from_):
            first = one.until + timedelta(days=1)
            message = f"gap: no contract holds from {first} to {day_before(other.from_)}"
            yield number, message, False
        month = month_with(other.from_, other.billing_day)
        if one.currency != other.currency and month.first != other.from_:
            yield (
                number,
                f"the currency changes within the billing month from {month.first}: it has no bill",
                False,
            )


def day_before(day: date) -> date:
    return day - timedelta(days=1)


def known_in(sources: Mapping[str, Any], series: Collection[tuple[str, str, str]]) -> Known:
    """Return what a configuration's *sources* and the *series* of a ledger have."""
    names = set(sources)
    for options in sources.values():
        names |= set(getattr(options, "devices", None) or ())
    names |= {device for device, quantity, kind in series if kind == "price"}
    registers: dict[str, set[str]] = {}
    for device, quantity, kind in series:
        for total in ("active_energy_import", "active_energy"):
            if kind == "counter" and quantity.startswith(total):
                found = registers.setdefault(device, set())
                ending = quantity.removeprefix(f"{total}_")
                found |= {ending} & {"t1", "t2", "t3", "t4"}
    return Known(names, registers)
