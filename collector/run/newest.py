"""The newest reading of each device, out of any number: what an output of states wants."""

import re
from collections.abc import Iterable

from collector.clock import is_later

VALUE = re.compile(rb"=[^,]*")
Values = dict[bytes, tuple[int, bytes]]  # quantity → time and value, as they stand in a line


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
        alike: dict[tuple[bytes, bytes], tuple[int, bytes]] = {}
        for line in lines:
            head, fields, time = line.split(b" ")
            key, at_ms = (head, VALUE.sub(b"", fields)), int(time)
            if key not in alike or is_later(at_ms, alike[key][0], now_ms):
                alike.pop(key, None)  # it goes behind those of its time that came before
                alike[key] = at_ms, fields
        for (head, _), (at_ms, fields) in alike.items():
            values = self.devices.setdefault(head, {})
            for field in fields.split(b","):
                quantity, _, value = field.partition(b"=")
                known_ms = values.get(quantity, (self.sent_ms.get((head, quantity), 0),))[0]
                if is_later(at_ms, known_ms, now_ms):
                    values[quantity] = at_ms, value

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
