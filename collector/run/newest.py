"""The newest reading of each device, out of any number: what an output of states wants."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from collector.clock import is_later

VALUE = re.compile(rb"=[^,]*")
Values = dict[bytes, tuple[int, bytes]]  # quantity → time and value, as they stand in a line
MADE_AFTER = 16  # readings alike: a pattern takes as long to make as 500 readings without it
MOST_OF_ONE = 4  # patterns of a device: more would be tried in vain too often


@dataclass(slots=True)
class Alike:
    """The newest of the readings of one device that have the same quantities in the same order.

    *place* is where it stood among all, *rest* is the line behind the device. Of *count* readings
    the names were looked at one by one; then *fits* says whether another is alike.
    """

    at_ms: int
    place: int
    rest: bytes
    count: int = 0
    fits: Callable[[bytes], object] | None = None

    def put(self, at_ms: int, place: int, rest: bytes, now_ms: float) -> None:
        if is_later(at_ms, self.at_ms, now_ms):
            self.at_ms, self.place, self.rest = at_ms, place, rest


def newest_alike(lines: Iterable[bytes], now_ms: float) -> Iterable[tuple[bytes, Alike]]:
    """Return the newest of each that are alike, with its device, in the order they came."""
    found: dict[tuple[bytes, bytes], Alike] = {}
    usual: dict[bytes, list[Alike]] = defaultdict(list)
    for place, line in enumerate(lines):
        head, _, rest = line.partition(b" ")
        at_ms = int(rest[rest.rindex(b" ") + 1 :])
        for each in usual[head]:
            if each.fits and each.fits(rest):
                each.put(at_ms, place, rest, now_ms)
                break
        else:
            names = VALUE.sub(b"", rest.partition(b" ")[0])
            each = found.setdefault((head, names), Alike(at_ms, place, rest))
            each.put(at_ms, place, rest, now_ms)
            each.count += 1
            if each.count == MADE_AFTER and len(usual[head]) < MOST_OF_ONE:
                each.fits = pattern(names).fullmatch
                usual[head].append(each)
    return sorted(
        ((head, each) for (head, _), each in found.items()), key=lambda pair: pair[1].place
    )


def pattern(names: bytes) -> re.Pattern[bytes]:
    """Return what fits the fields of *names* and their time: a third of the time of VALUE."""
    return re.compile(b",".join(re.escape(name) + b"=[^,]*+" for name in names.split(b",")))


class Newest:
    """Takes encoded readings in any number; holds one value per quantity of a device.

    What is older than a value that was *sent* is left out: a state never goes back in time, but
    for that of a clock that was set back since.
    """

    def __init__(self) -> None:
        self.devices: dict[bytes, Values] = {}
        self.sent_ms: dict[tuple[bytes, bytes], int] = {}

    def forget(self) -> None:
        """Begin anew, with what was sent in mind."""
        self.devices = {}

    def sent(self) -> None:
        for head, values in self.devices.items():
            self.sent_ms |= {(head, quantity): at_ms for quantity, (at_ms, _) in values.items()}

    def take(self, lines: Iterable[bytes], now_ms: float = 0) -> None:
        """Take some more by *now_ms*. Most are soon outdated: of those alike only one is split."""
        for head, each in newest_alike(lines, now_ms):
            values = self.devices.setdefault(head, {})
            fields, _, _ = each.rest.rpartition(b" ")
            for field in fields.split(b","):
                quantity, _, value = field.partition(b"=")
                known_ms = values.get(quantity, (self.sent_ms.get((head, quantity), 0),))[0]
                if is_later(each.at_ms, known_ms, now_ms):
                    values[quantity] = each.at_ms, value

    def lines(self) -> list[bytes]:
        """Return a reading per device, oldest first: every quantity's newest value, the last time.

        A quantity that is read less often than others is as old as its last read.
        """
        readings = []
        for head, values in self.devices.items():
            if not values:
                continue
            fields = b",".join(b"%s=%s" % (name, value) for name, (_, value) in values.items())
            at_ms = max(at_ms for at_ms, _ in values.values())
            readings.append((at_ms, b"%s %s %d" % (head, fields, at_ms)))
        return [line for _, line in sorted(readings)]
