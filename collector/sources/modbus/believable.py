"""What no sound device could send is not believed.

A meter that is fed by the line it measures cannot see 0 V and 0 Hz. An OR-WE-504 was seen to send
just that now and then in a sound frame, and an OR-WE-517 sent one number in every register.
A counter may read 0 for a moment, when the meter restarts or copies its memory.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from collector.quantity import catalogue
from collector.sources.modbus.registers import Words

VOLTAGES = ("voltage", "voltage_l1", "voltage_l2", "voltage_l3")
MANY = 4  # registers of several units that hold one number are no chance
ZEROS_DOUBTED = 2  # of a counter that was not 0: a reset is believed at the third

Values = Mapping[str, float]


def why_not(values: Values, held: Sequence[Words], quantities: Sequence[str]) -> str:
    """Say why a read cannot be true, '' where it can; *held* are the registers of *quantities*."""
    voltages = [values[name] for name in VOLTAGES if name in values]
    is_dead = bool(voltages) and not any(voltages)
    if is_dead and values.get("frequency") == 0:
        return "0 V and 0 Hz: a meter that is fed by its line cannot see that"
    if len(held) < MANY or not all_the_same(held):
        return ""
    if not any(held[0]):
        return "0 in every register" if is_dead else ""
    units = {catalogue()[name].unit for name in quantities}
    return "the same number in every register" if len(units) > 1 else ""


def all_the_same(held: Sequence[Words]) -> bool:
    """Do all registers hold one number, or all words of them?"""
    first = held[0]
    if held[1][: len(first)] != first[: len(held[1])]:  # nearly always
        return False
    if all(each == first for each in held):
        return True
    return len({word for each in held for word in each}) == 1


class Counters:
    """Doubts a counter that falls to 0, until it has read 0 some times."""

    def __init__(self) -> None:
        self.doubted: Counter[str] = Counter()
        self.names = frozenset(each.name for each in catalogue().values() if each.kind == "counter")

    def is_doubtful(self, device: str, quantity: str, before: Values) -> bool:
        """May a 0 of *quantity* be wrong? *before* is what the same device read the last time."""
        if quantity not in self.names:
            return False
        key = f"{device} {quantity}"
        if before.get(quantity):
            self.doubted[key] = 0
        elif key not in self.doubted:
            return False
        self.doubted[key] += 1
        if self.doubted[key] <= ZEROS_DOUBTED:
            return True
        del self.doubted[key]
        return False
