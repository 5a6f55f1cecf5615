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
        self.kinds = tuple(f"{kind},".encode() for kind in makes)
        # By kind and device: each line, and where it stands.
        self.ahead: dict[bytes, OrderedDict[bytes, list[int]]] = {}
        self.size = 0
        self.made: set[bytes] = set()  # kinds and devices that are made now
        self.foreign: set[bytes] = set()  # those that somebody else makes, as it seems

    def take(self, line: bytes) -> bool:
        """Is *line* in the journal already? Each of its lines answers once."""
        head = head_of(line)
        self.made.add(head)
        self.foreign.discard(head)
        self.look_ahead()
        while line not in self.ahead.get(head, ()) and self.forget_foreign():
            self.look_ahead()
        lines = self.ahead.get(head, OrderedDict())
        if line in lines:
            lines[line].pop(0)
            if not lines[line]:
                del lines[line]
                self.size -= 1
            return True
        if self.size >= COMPARED_AHEAD:  # what stands first there is not made again
            oldest = min(filter(None, self.ahead.values()), key=first_in)
            oldest.popitem(last=False)
            self.size -= 1
        return False

    def look_ahead(self) -> None:
        while self.size < COMPARED_AHEAD and self.reader.number < self.end:
            for number, line in self.reader.take(min(TAKEN_AT_ONCE, self.end - self.reader.number)):
                if line.startswith(self.kinds) and (head := head_of(line)) not in self.foreign:
                    lines = self.ahead.setdefault(head, OrderedDict())
                    self.size += line not in lines
                    lines.setdefault(line, []).append(number)

    def forget_foreign(self) -> bool:
        """Make room by what is not made here, such as another derivation's of the same kind."""
        others = [head for head in self.ahead if head not in self.made]
        if self.size < COMPARED_AHEAD or not others:
            return False
        for head in others:
            self.size -= len(self.ahead.pop(head))
        self.foreign.update(others)
        return True

    def first_left(self, number: int, otherwise: int) -> int:
        """Return where the first line is that readings from *number* on make again.

        *otherwise* where there is none.
        """
        if number >= self.end:  # what is left was not made again
            self.ahead.clear()
            self.size = 0
            self.reader.go(self.end)
        left = [
            first_in(lines) for head, lines in self.ahead.items() if lines and head in self.made
        ]
        if left:
            return min(left)
        return self.reader.number if self.reader.number < self.end else otherwise


def head_of(line: bytes) -> bytes:
    """Return kind and device of an encoded reading."""
    return line[: line.index(b" ")]


def first_in(lines: OrderedDict[bytes, list[int]]) -> int:
    return min(places[0] for places in lines.values())
