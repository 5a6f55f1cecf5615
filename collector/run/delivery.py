"""From the journal to an output: one thread per output, each at its own cursor.

An output answers in three ways: stored, and the cursor moves; refused for
ever, and those readings are set aside; not now, and everything is kept while pauses grow. An error
that nobody foresaw stops this output alone, until a later try succeeds.
"""

import logging
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from collector.clock import AHEAD_MS, Clock, utc
from collector.contract import Output, OutputOptions
from collector.errors import NotProvided, OutputAway, OutputFault, ReadingsRefused
from collector.journal.cursor import Cursor
from collector.journal.journal import Journal
from collector.reading import time_ms
from collector.run.health import OutputHealth
from collector.run.newest import Newest
from collector.run.selection import Selection

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LONGEST_WISH_S = 900.0
# A delivery waits for the next readings from so long before it is due: they are the newest then.
LEAD_S = 0.5
QUIET_OF_LEAD = 0.2  # 0.1 s without a reading: the lines have read their slot
LOOKS_FOR_QUIET = 5
# What a database loses in a power cut is its newest, of all devices alike; a device that was late
# may lack a little more.
HEAL_MARGIN_MS = 60_000
TAKEN_AT_ONCE = 5_000  # of readings of which only the newest count: bounds the memory, 3 MB
HEAL_EVERY_MS = 300_000  # a database may restart between two batches, unseen


class Unforeseen(Exception):
    """An output raised what no output may raise: a bug in it."""


@contextmanager
def watched() -> Iterator[None]:
    """Tell an output's bugs from our own, which end the service."""
    try:
        yield
    except OutputFault:
        raise
    except NotProvided as error:
        raise OutputAway(str(error)) from error
    except Exception as error:
        raise Unforeseen(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Batch:
    """Readings as they are sent, and as they stand in the journal where they are the same ones.

    *passed_ms* is the time of the last one that was taken for it; *more* are there already.
    """

    lines: Sequence[bytes]
    originals: Sequence[bytes]
    passed_ms: int
    more: bool


class Delivery:
    """Carries readings to one output until *stop* is set, then once more what is left."""

    def __init__(
        self,
        name: str,
        output: Output,
        options: OutputOptions,
        journal: Journal,
        clock: Clock,
        health: OutputHealth,
        lock: threading.Lock,
    ) -> None:
        self.name = name
        self.output = output
        self.every_s = float(options.every)
        self.lead_s = min(LEAD_S, self.every_s / 4)
        self.selection = Selection(options, output)
        self.journal = journal
        self.clock = clock
        self.health = health
        self.lock = lock
        self.reader = journal.reader(name)
        self.is_open = False
        self.failures = 0
        self.healed_ms = -1
        self.heal_again_ms = 0.0
        self.refusing = False
        self.newest = Newest()
        self.taken_after: Cursor | None = None
        self.passed_ms = 0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            pause_s = self.deliver_once()
            if not pause_s or self.failures:
                stop.wait(pause_s)
            elif not stop.wait(max(pause_s - self.lead_s, 0)):
                self.wait_for_slot(stop)
        if not self.failures:
            self.deliver_once()
        self.close()

    def wait_for_slot(self, stop: threading.Event) -> None:
        """Wait until readings come, and for those of the same slot; not long where none come."""
        log = self.journal.log
        number = log.next_number
        with log.grown:
            log.grown.wait_for(lambda: log.next_number > number or stop.is_set(), 2 * self.lead_s)
        for _ in range(LOOKS_FOR_QUIET):
            if log.next_number == number or stop.is_set():
                return
            number = log.next_number
            stop.wait(self.lead_s * QUIET_OF_LEAD)

    def close(self) -> None:
        try:
            with watched():
                self.output.close()
        except (OutputFault, Unforeseen) as error:
            log.warning("%s: not closed: %s", self.name, error)

    def deliver_once(self) -> float:
        """Deliver one batch; return how many seconds to wait before the next."""
        try:
            if not self.is_open or self.clock.monotonic_ms() > self.heal_again_ms:
                with watched():
                    self.output.open()
                self.heal()
                self.is_open = True
                self.heal_again_ms = self.clock.monotonic_ms() + HEAL_EVERY_MS
            return self.deliver_batch()
        except OutputAway as error:
            return self.away(error)
        except Unforeseen as error:
            return self.failed(error)

    def deliver_batch(self) -> float:
        started_ms = self.clock.monotonic_ms()
        cursor = self.journal.cursors[self.name]
        batch = self.take_newest(cursor) if self.output.wants == "newest" else self.take_all(cursor)
        if batch is None:
            return self.lead_s
        refused = self.write(batch)
        newest_ms = max([cursor.newest_ms, *map(time_ms, batch.lines)])
        passed_ms = max(cursor.passed_ms, newest_ms, batch.passed_ms)
        moved = Cursor(self.reader.number, newest_ms, passed_ms)
        self.journal.place_cursor(self.name, cursor, moved)
        self.newest.sent()
        self.stored(len(batch.lines), refused)
        if batch.more:
            return 0
        return max(0, self.every_s - (self.clock.monotonic_ms() - started_ms) / 1000)

    def take_all(self, cursor: Cursor) -> Batch | None:
        """Take the next readings after *cursor*; None where there are none."""
        self.reader.go(cursor.number)
        records = self.reader.take(self.output.batch_size)
        if not records:
            return None
        apply = self.selection.apply
        sent = [(done, line) for _, line in records if (done := apply(line))]
        lines, originals = [done for done, _ in sent], [line for _, line in sent]
        more = len(records) == self.output.batch_size
        return Batch(lines, originals, time_ms(records[-1][1]), more)

    def take_newest(self, cursor: Cursor) -> Batch | None:
        """Take every reading after *cursor*, of which the newest of each device is a batch.

        While the output is away, what was taken stays: each try takes only what has come since.
        """
        if cursor is not self.taken_after:
            self.newest.forget()
            self.taken_after, self.passed_ms = cursor, 0
            self.reader.go(cursor.number)
        now_ms = self.clock.wall_ms() + AHEAD_MS
        while records := self.reader.take(TAKEN_AT_ONCE):
            self.newest.take([line for _, line in records], now_ms)
            self.passed_ms = time_ms(records[-1][1])
        if not self.newest.devices:
            return None
        lines = [done for line in self.newest.lines() if (done := self.selection.apply(line))]
        return Batch(lines, (), self.passed_ms, more=False)

    def write(self, batch: Batch) -> int:
        """Write a batch; return how many readings of it are refused for ever."""
        size, refused, first = self.output.batch_size, 0, ""
        for begin in range(0, len(batch.lines), size):
            try:
                with watched():
                    self.output.write(batch.lines[begin : begin + size])
            except ReadingsRefused as error:
                if not error.reasons.keys() <= set(range(len(batch.lines[begin : begin + size]))):
                    raise Unforeseen(f"it refused places that no batch has: {error}") from error
                refused += len(error.reasons)
                first = first or str(error)
                letters = {begin + place: reason for place, reason in error.reasons.items()}
                if batch.originals:
                    self.set_aside(batch, letters)
        if refused and not self.refusing:
            hint = "; see 'energy-monitor journal dead-letters'" if batch.originals else ""
            log.warning("%s: %s%s", self.name, first, hint)
        self.refusing = refused > 0
        return refused

    def set_aside(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        letters = {batch.originals[place]: reason for place, reason in reasons.items()}
        self.journal.set_aside(self.name, letters)

    def stored(self, count: int, refused: int) -> None:
        failures, self.failures = self.failures, 0
        with self.lock:
            health = self.health
            health.delivered += count - refused
            health.refused += refused
            health.last_ms = self.clock.wall_ms()
            was, health.state, health.last_error = health.state, "delivering", ""
            if was != "delivering":
                health.since_ms = health.last_ms
        if was in {"away", "failed"}:
            log.info("%s: delivering again after %d tries", self.name, failures)
        elif was == "starting":
            log.info("%s: delivering", self.name)

    def away(self, error: OutputAway) -> float:
        """Keep everything, say so once, and return a pause that grows and is never quite alike.

        A far side that only wants to be asked again at once is no outage, the first time.
        """
        self.failures += 1
        self.is_open = False
        if error.retry_after_s == 0 and self.failures == 1:
            return 0
        if self.now_is("away", str(error)):
            log.warning("%s: unavailable, readings are kept: %s", self.name, error)
        if error.retry_after_s:
            return min(max(error.retry_after_s, FIRST_PAUSE_S), LONGEST_WISH_S)
        return self.pause_s()

    def failed(self, error: Unforeseen) -> float:
        """Keep everything, log the traceback of each new bug once, and return a growing pause."""
        self.failures += 1
        self.is_open = False
        self.close()
        last_error = self.health.last_error
        if self.now_is("failed", str(error)) or last_error != str(error):
            log.error("%s: internal error, readings are kept: %s", self.name, error, exc_info=error)
        return self.pause_s()

    def now_is(self, state: str, error: str) -> bool:
        """Note *state*; return whether it is a new one."""
        with self.lock:
            health = self.health
            was, health.state, health.last_error = health.state, state, error
            if was != state:
                health.since_ms = self.clock.wall_ms()
        return was != state

    def pause_s(self) -> float:
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(self.failures - 1, 10), LONGEST_PAUSE_S)
        # Uneven, so that the Pis of a street do not all come back in the same second.
        return pause_s * (0.5 + random.random() / 2)  # noqa: S311  no secret

    def heal(self) -> None:
        """Move the cursor back where the far side has lost its newest readings.

        Never where a reading that is sent twice counts twice.
        """
        if self.output.resend != "idempotent":
            return
        delivered_ms = self.journal.cursors[self.name].newest_ms
        with watched():
            newest_ms = self.output.newest_ms() if delivered_ms else None
        if newest_ms is None or newest_ms >= delivered_ms or newest_ms == self.healed_ms:
            return
        self.healed_ms = newest_ms  # sending again did not help: what it lacks it has refused
        again = self.journal.rewind(self.name, newest_ms - HEAL_MARGIN_MS)
        log.warning(
            "%s: its newest reading is of %s, it had been given up to %s: sending %d again",
            self.name,
            utc(newest_ms) if newest_ms else "long ago",
            utc(delivered_ms),
            again,
        )
