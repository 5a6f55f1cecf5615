"""Which values of a batch become rows: one per slot and input, in order, none that is there.

EmonCMS adds up what comes into an input, so a row that comes twice is counted twice for ever, and
one that is older than the newest spoils what was counted. Here an input is a node and a name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.outputs.emoncms.names import Nodes

Input = tuple[str, str]
Times = dict[Input, int]
LATE = "too late: {node}/{quantity} has newer values in EmonCMS, which counts only forward"


class Row(NamedTuple):
    """What is sent of the reading at *place* of the batch: numbers as they stand."""

    place: int
    second: int
    node: str
    values: dict[str, str]


@dataclass
class Plan:
    """What is to be sent of a batch: *rows*, *points* of feeds, and why some can't be."""

    rows: list[Row] = field(default_factory=list)
    points: dict[int, dict[int, tuple[int, str]]] = field(default_factory=dict)
    late: dict[int, str] = field(default_factory=dict)


class Rows:
    """Makes plans. *there* is what the server has by its own word, *sent* what it has confirmed."""

    def __init__(self, interval_s: int, nodes: Nodes, feeds: Mapping[Input, int]) -> None:
        self.interval_s = interval_s
        self.nodes = nodes
        self.feeds = feeds
        self.there: Times = {}
        self.sent: Times = {}
        self.last_slots: dict[int, int] = {}

    def nodes_in(self, batch: Sequence[bytes]) -> set[str]:
        """Return the nodes that *batch* is for. Raise OutputAway where two devices would be one."""
        heads = {line.partition(b" ")[0] for line in batch}
        return {self.nodes.of(head.decode("ascii").partition(",device=")[2]) for head in heads}

    def plan(self, batch: Sequence[bytes]) -> Plan:
        """Return what to send of *batch*. Raise OutputAway where two devices would be mixed."""
        made = Plan()
        newest: Times = {}
        passed: Times = {}
        for place, line in enumerate(batch):
            head, fields, time = line.decode("ascii").split(" ")
            kind, _, device = head.partition(",device=")
            second, values = int(time) // 1000, {}
            node = self.nodes.of(device)
            for pair in fields.split(","):
                quantity, _, value = pair.partition("=")
                if feed := self.feeds.get((device, quantity)):
                    slot = second // self.interval_s
                    if slot != self.last_slots.get(feed):
                        made.points.setdefault(feed, {}).setdefault(slot, (second, value))
                    continue
                self.nodes.claim(kind, node, quantity)
                key = (node, quantity)
                if self.is_after(second, newest.get(key, self.newest(key))):
                    values[quantity] = value
                    newest[key] = passed[key] = second
                elif self.is_after(passed.get(key, self.sent.get(key, -1)), second):
                    made.late[place] = LATE.format(node=node, quantity=quantity)
                else:
                    passed[key] = max(second, passed.get(key, -1))
            if values:
                made.rows.append(Row(place, second, node, values))
        return made

    def newest(self, key: Input) -> int:
        return max(self.there.get(key, -1), self.sent.get(key, -1))

    def is_after(self, second: int, other: int) -> bool:
        return second // self.interval_s > other // self.interval_s

    def confirm(self, rows: Sequence[Row]) -> None:
        """Note that the server has stored *rows*."""
        for row in rows:
            for quantity in row.values:
                self.there[row.node, quantity] = row.second

    def done(self, plan: Plan) -> None:
        """Note that all of *plan* is stored: what is older than the newest is late from now on."""
        self.last_slots |= {feed: max(slots) for feed, slots in plan.points.items()}
        self.settle()

    def settle(self) -> None:
        """Take what the server has as what it was given, since no answer is missing."""
        for key, second in self.there.items():
            self.sent[key] = max(second, self.sent.get(key, -1))

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return what the server does not have of *rows*, which were planned before."""
        left = []
        for row in rows:
            values = {
                quantity: value
                for quantity, value in row.values.items()
                if row.second > self.there.get((row.node, quantity), -1)
            }
            if values:
                left.append(row._replace(values=values))
        return left
