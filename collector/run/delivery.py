"""From the journal to an output: one thread per output, each at its own cursor.

An output answers in three ways (design decision D6): stored, and the cursor moves; refused for
ever, and those readings are set aside; not now, and everything is kept while pauses grow. An error
that nobody foresaw stops this output alone, until a later try succeeds (D12b).
"""

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from collector.clock import Clock, utc
from collector.contract import Output, OutputOptions
from collector.errors import OutputAway, OutputFault, ReadingsRefused
from collector.journal.journal import Journal
from collector.run.health import OutputHealth

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LONGEST_WISH_S = 900.0
# What a database loses in a power cut is its newest, of all devices alike; a device that was late
# may lack a little more.
HEAL_MARGIN_MS = 60_000
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
    except Exception as error:
        raise Unforeseen(f"{type(error).__name__}: {error}") from error


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

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            pause_s = self.deliver_once()
            stop.wait(pause_s)
        if not self.failures:
            self.deliver_once()
        self.close()

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
        self.reader.go(cursor.number)
        records = self.reader.take(self.output.batch_size)
        if not records:
            return self.every_s
        lines = [line for _, line in records]
        refused = 0
        try:
            with watched():
                self.output.write(lines)
        except ReadingsRefused as error:
            refused = len(error.reasons)
            self.journal.set_aside(
                self.name, {lines[place]: reason for place, reason in error.reasons.items()}
            )
            if not self.refusing:
                log.warning("%s: %s; see 'energy-monitor journal dead-letters'", self.name, error)
        self.refusing = refused > 0
        self.journal.move_cursor(self.name, cursor, records)
        self.stored(len(records), refused)
        if len(records) == self.output.batch_size:
            return 0
        return max(0, self.every_s - (self.clock.monotonic_ms() - started_ms) / 1000)

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
            log.warning("%s: not now, readings are kept: %s", self.name, error)
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
        """Move the cursor back where the far side has lost its newest readings (decision D5)."""
        known_ms = self.journal.cursors[self.name].newest_ms
        with watched():
            newest_ms = self.output.newest_ms() if known_ms else None
        if newest_ms is None or newest_ms >= known_ms or newest_ms == self.healed_ms:
            return
        self.healed_ms = newest_ms  # sending again did not help: what it lacks it has refused
        again = self.journal.rewind(self.name, newest_ms - HEAL_MARGIN_MS)
        log.warning(
            "%s: its newest reading is of %s, it had been given up to %s: sending %d again",
            self.name,
            utc(newest_ms) if newest_ms else "long ago",
            utc(known_ms),
            again,
        )
