"""EmonCMS: a row per device and slot, in order, and none twice.

EmonCMS is not idempotent: what is sent again is counted again. So it is asked how far it is with
each input at the start, and after each request whose answer did not come.
"""

import time
from collections.abc import Sequence
from typing import ClassVar, Literal

from collector.contract import BadOption, Context
from collector.errors import OutputAway, ReadingsRefused
from collector.outputs.emoncms.names import Nodes, device_and_quantity
from collector.outputs.emoncms.options import EmonCMSOptions
from collector.outputs.emoncms.rows import Input, Plan, Row, Rows, Times
from collector.outputs.emoncms.server import EmonServer, NotTaken, Unsure

ROWS = 300  # a third of a second's work for a server, some seconds for a Raspberry Pi
POINTS = 1_000
# A request whose answer is lost may still be worked on, row by row: it is waited for until nothing
# has come for so long. PHP ends a request after 30 s by itself.
SETTLE_S = 5.0
LOOK_EVERY_S = 0.5
LONGEST_SETTLE_S = 60.0


class EmonCMS:
    """One account of one EmonCMS."""

    Options: ClassVar[type] = EmonCMSOptions
    batch_size = 5_000
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "asks first"

    def __init__(self, name: str, options: EmonCMSOptions, context: Context) -> None:  # noqa: ARG002  it needs none
        if float(options.interval) % 1:
            raise BadOption("interval", f"{options.interval:g} s is not in whole seconds")
        try:
            self.server = EmonServer(options.url, options.key)
        except ValueError as error:
            raise BadOption("url", str(error)) from error
        where = self.server.server.where
        account = (where.host, str(where.port), where.path, options.key.name)
        nodes = Nodes(options.nodes, where.host, name, account)
        feeds = {
            device_and_quantity("feeds", each): number for each, number in options.feeds.items()
        }
        for each in options.feeds:
            if list(options.feeds.values()).count(options.feeds[each]) > 1:
                raise BadOption(
                    f"feeds.{each}", f"feed {options.feeds[each]} is named twice: it would mix them"
                )
        for each in options.inputs:
            device_and_quantity("inputs", each)
        self.rows = Rows(int(options.interval), nodes, feeds)
        self.is_asked = False
        self.doubtful: Times = {}
        self.settle_s = SETTLE_S
        self.is_clean = False
        self.is_first = True
        self.took_some = False

    def open(self) -> None:
        """Ask how far the server is, before the next write."""
        self.is_asked = False

    def newest_ms(self) -> int | None:
        """Return None: it is asked for each input by itself."""
        return None

    def close(self) -> None:
        self.is_asked = False
        self.rows.nodes.release()
        self.server.close()

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        if not self.is_asked:
            self.look(batch)
        plan = self.rows.plan(batch)
        try:
            bad = self.store(plan)
        except OutputAway:
            self.is_asked = self.is_clean = False
            raise
        self.rows.done(plan)
        self.is_clean = True
        if refused := {**plan.late, **bad}:
            raise ReadingsRefused(dict(sorted(refused.items())))

    def look(self, batch: Sequence[bytes]) -> None:
        """Ask the server how far it is, when it is done with what it was given last.

        A service that was killed may have left a request, so the first look waits too.
        """
        self.rows.there = self.server.newest()
        if self.doubtful or self.is_first:
            self.wait_until_done(self.rows.nodes_in(batch))
        self.doubtful, self.is_first = {}, False
        if self.is_clean:
            self.rows.settle()  # what is newer there than what was sent came from someone else
        self.is_asked = True

    def wait_until_done(self, nodes: set[str]) -> None:
        """Wait until the inputs of *nodes* have what is in doubt, or do not change any more."""
        now = began = changed = time.monotonic()
        while now - changed < self.settle_s and not self.has_all():
            if now - began > LONGEST_SETTLE_S:
                raise OutputAway(f"{self.server.name} is still busy with what it was given")
            time.sleep(min(LOOK_EVERY_S, self.settle_s / 4))
            before, self.rows.there = self.rows.there, self.server.newest()
            now = time.monotonic()
            if any(self.rows.there.get(key) != before.get(key) for key in self.inputs_of(nodes)):
                changed = now

    def inputs_of(self, nodes: set[str]) -> list[Input]:
        return [key for key in self.rows.there if key[0] in nodes]

    def has_all(self) -> bool:
        there = self.rows.there
        return bool(self.doubtful) and all(
            there.get(key, -1) >= second for key, second in self.doubtful.items()
        )

    def store(self, plan: Plan) -> dict[int, str]:
        """Send rows and points; return why some rows are not taken. Raise OutputAway."""
        bad: dict[int, str] = {}
        self.took_some = False
        for first in range(0, len(plan.rows), ROWS):
            bad |= self.send(plan.rows[first : first + ROWS])
        if bad and not self.took_some:
            # One that takes nothing at all is in trouble; what is wrong is not these readings.
            raise OutputAway(f"{self.server.name} takes no row: {next(iter(bad.values()))}")
        for feed, slots in plan.points.items():
            points = sorted(slots.values())
            for first in range(0, len(points), POINTS):
                self.server.post_points(feed, points[first : first + POINTS])
        return bad

    def send(self, rows: Sequence[Row]) -> dict[int, str]:
        """Send *rows*; find by halves those that are not taken, and return why."""
        try:
            self.post(rows)
        except NotTaken as error:
            # What stands before the one at fault is stored.
            self.rows.there = self.server.newest()
            left = self.rows.missing(rows)
            self.took_some |= len(left) < len(rows)
            if len(left) == 1:
                return {left[0].place: f"EmonCMS does not take it: {error}"}
            half = len(left) // 2
            return self.send(left[:half]) | self.send(left[half:]) if left else {}
        self.took_some = True
        return {}

    def post(self, rows: Sequence[Row]) -> None:
        """Post *rows*; those whose answer does not come are in doubt."""
        try:
            self.server.post_rows(rows)
        except Unsure:
            self.doubtful = {(row.node, name): row.second for row in rows for name in row.values}
            raise
        self.rows.confirm(rows)
