"""What the owner says of a meter: it was replaced, or a decision about it was wrong.

Where the counter has gone on already, what was counted is corrected at the time it belongs to: the
ledger books the difference there, and no counter ever falls.
"""

from typing import Any

from collector.derive.energy.counter import Counter, Decision
from collector.derive.energy.device import (
    AFTER,
    BEFORE,
    BEGIN,
    CODE,
    COUNTED,
    END,
    IS_OPEN,
    NUMBER,
    QUANTITY,
    Device,
)
from collector.ledger.book import micro
from collector.ledger.days import MICRO
from collector.ledger.decisions import MEANINGS, Code
from collector.reading import Reading

DAY_MS = 86_400_000
SOON_MS = 300_000  # the owner's watch
READ_OFF = 1_000_000_000  # 1 kWh: a display may show no more digits than that


def replaced(device: Device, record: Reading) -> None:
    """Take what the owner says of a replacement: the counter's value is the new meter's first."""
    final, when = micro(record.values["meter_final"]), round(record.values["meter_time"] * 1000)
    for quantity, value in record.values.items():
        if quantity in device.counters:
            told = [when, final, micro(value)]
            replace(device, quantity, device.counters[quantity], told, record.at_ms)


def replace(device: Device, quantity: str, counter: Counter, told: list[int], said_at: int) -> None:
    when, final, first = told
    if counter.pending:
        if fits(final, first, counter.raw, counter.pending.begin):
            made = counter.replace(told, device.point(quantity))
            device.decided({quantity: made})
        else:
            refuse(device, quantity, first, said_at)
        return
    wrong = decided_near(device, quantity, told)
    is_to_come = when >= counter.at - SOON_MS and final >= counter.raw - READ_OFF
    if is_to_come and (wrong is None or fits_less(wrong, told, abs(final - counter.raw))):
        counter.announced = told
    elif wrong:
        right = max(final - wrong[BEFORE], 0) + wrong[AFTER] - first
        made = Decision(Code.REPLACED, wrong[BEGIN], wrong[END], final, wrong[AFTER], right)
        correct(device, wrong, made, said_at)
    else:
        refuse(device, quantity, first, said_at)


def decided_near(device: Device, quantity: str, told: list[int]) -> list[Any] | None:
    """Return the decision that a replacement may correct: by its time, then by its values."""
    when, final, first = told
    return max(
        (
            each
            for each in device.decisions
            if each[QUANTITY] == quantity
            and each[IS_OPEN]
            and each[CODE] != Code.REPLACED
            and each[BEGIN] - DAY_MS <= when <= each[END] + DAY_MS
            and fits(final, first, each[BEFORE], each[AFTER])
        ),
        key=lambda each: (each[BEGIN] <= when <= each[END], -abs(final - each[BEFORE]), each[END]),
        default=None,
    )


def fits_less(decision: list[Any], told: list[int], away: int) -> bool:
    """Tell whether a decision fits less than a meter that is *away* from its final value."""
    when, final, _ = told
    is_then = decision[BEGIN] <= when <= decision[END]
    return not is_then and away <= abs(final - decision[BEFORE])


def fits(final: int, first: int, before: int, after: int) -> bool:
    """Tell whether what was read off both meters fits what was read of them by the line."""
    return final >= before - READ_OFF and first <= after


def correct(device: Device, wrong: list[Any], made: Decision, said_at: int) -> None:
    """Say by how much *wrong* counted too much or too little, and remember what is right."""
    correction = made.energy - wrong[COUNTED]
    wrong[IS_OPEN] = 0
    device.number += 1
    quantity = wrong[QUANTITY]
    if made.code == Code.REPLACED:
        device.remember(quantity, made)
    values = {
        "event_before": made.before / MICRO,
        "event_energy": max(made.energy, 0) / MICRO,
        "event_correction": correction / MICRO,
        "event_begin": made.begin_at / 1000,
        "event_end": made.end_at / 1000,
    }
    device.say(quantity, made.after, made.code, said_at, values, of=wrong[NUMBER])


def undone(device: Device, record: Reading) -> None:
    """Take back a decision: of a drop nothing is counted, of a jump all of it."""
    number = int(record.values["undo_event"])
    found = [each for each in device.decisions if each[NUMBER] == number and each[IS_OPEN]]
    for each in found:
        if MEANINGS[Code(each[CODE])].can_undo:
            right = each[AFTER] - each[BEFORE] if each[CODE] == Code.JUMP else 0
            made = Decision(Code.UNDONE, each[BEGIN], each[END], each[BEFORE], each[AFTER], right)
            correct(device, each, made, record.at_ms)


def refuse(device: Device, quantity: str, first: int, said_at: int) -> None:
    device.number += 1
    device.say(quantity, first, Code.REFUSED, said_at, {})
