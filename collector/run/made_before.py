"""What a derivation made before it went back: that it makes again, and it is not stored twice."""

from collections import OrderedDict
from collections.abc import Collection

from collector.journal.reader import Reader
from collector.journal.segments import Log

TAKEN_AT_ONCE = 1000
COMPARED_AHEAD = 10_000  # 2 MB: how far what is made now may differ from what was made before


class MadeBefore:
    """The readings of the kinds *makes* that are in *log* from the number *first* on.

    They stand there in the order in which they are made again.
    """

    def __init__(self, log: Log, first: int, makes: Collection[str]) -> None:
        self.reader = Reader(log, first)
        self.end = log.next_number
        self.heads = tuple(f"{kind},".encode() for kind in makes)
        self.ahead: OrderedDict[bytes, list[int]] = OrderedDict()  # where each line stands

    def take(self, line: bytes) -> bool:
        """Is *line* in the journal already? Each of its lines answers once."""
        while len(self.ahead) < COMPARED_AHEAD and self.reader.number < self.end:
            for number, made in self.reader.take(min(TAKEN_AT_ONCE, self.end - self.reader.number)):
                if made.startswith(self.heads):
                    self.ahead.setdefault(made, []).append(number)
        if line in self.ahead:
            self.ahead[line].pop(0)
            if not self.ahead[line]:
                del self.ahead[line]
            return True
        if len(self.ahead) >= COMPARED_AHEAD:
            self.ahead.popitem(last=False)
        return False

    def first_left(self, number: int, otherwise: int) -> int:
        """Return where the first line is that readings from *number* on make again.

        *otherwise* where there is none.
        """
        if number >= self.end:  # what is left was not made again
            self.ahead.clear()
            self.reader.go(self.end)
        if self.ahead:
            return min(places[0] for places in self.ahead.values())
        return self.reader.number if self.reader.number < self.end else otherwise
