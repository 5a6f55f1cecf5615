"""From the sources into the journal: one thread per line reads its sources on the grid.

Slots are full multiples of an interval on the clock. Late work skips slots,
counts them and never drifts. A source that is silent, or has never answered yet, is asked last in
its slot, after growing pauses, and when that leaves its neighbours their time. An error that nobody
foresaw stops that source alone, until a later read succeeds.
"""

import logging
import threading
from collections.abc import Sequence

from collector.clock import AHEAD_MS, Clock, Frame, is_later, next_slot
from collector.errors import LineAway, NotProvided, ReadFault
from collector.journal.journal import Journal
from collector.reading import Reading, encode
from collector.run.feed import Feed
from collector.run.now import Now

log = logging.getLogger(__name__)

SILENT_AFTER = 3
FIRST_PAUSE_MS = 1_000
LONGEST_PAUSE_MS = 30_000
# Asking for a port that is not there takes no time from anybody.
LONGEST_PAUSE_AWAY_MS = 5_000
# On a line so busy that there is never time for a source, it is asked all the same at some point:
# soon when it may only just have been connected, seldom when it has been silent.
NEW_WAITS_MS = 10_000
SILENT_WAITS_MS = 300_000
STUCK_AFTER_MS = 30_000
PLAIN = (float, int)
# How long the reads of a slot may take changes little while all answer: by far less than that.
PATIENCE_HOLDS_MS = 10_000


class Intake:
    """Reads the sources of one line into the journal, until *stop* is set; *now* hears them."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        journal: Journal,
        clock: Clock,
        lock: threading.Lock,
        now: Now | None = None,
    ) -> None:
        self.feeds = feeds
        self.journal = journal
        self.clock = clock
        self.lock = lock
        self.now = now
        self.frame: Frame | None = None
        self.expected_by_ms = float("inf")
        self.patience_ms = 0.0
        self.patience_until_ms = float("-inf")

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            frame = self.clock.frame()
            if frame != self.frame:
                self.align(frame)
            slot = min(each.due_ms for each in self.feeds)
            due = slot - frame.offset_ms
            self.expect(due)
            if self.clock.wait(due, stop) or self.clock.frame() != frame:
                continue
            self.read_slot(slot, frame)
        for each in self.feeds:
            self.close(each)

    def align(self, frame: Frame) -> None:
        """Begin the grid anew, in a frame that has just come to hold."""
        self.frame = frame
        now_ms = self.clock.monotonic_ms() + frame.offset_ms
        for each in self.feeds:
            each.tried_ms = self.clock.monotonic_ms()
            for group in each.groups:
                group.due_ms = next_slot(now_ms, group.interval_ms)

    def expect(self, due_ms: float) -> None:
        """Note by when the slot that is due at *due_ms* is over, unless something is stuck."""
        if due_ms > self.patience_until_ms or any(each.failures for each in self.feeds):
            self.patience_ms = 1000 * sum(each.source.patience_s for each in self.feeds)
            self.patience_until_ms = due_ms + PATIENCE_HOLDS_MS
        self.expected_by_ms = due_ms + self.patience_ms + STUCK_AFTER_MS

    def read_slot(self, slot: int, frame: Frame) -> None:
        """Read every source that is due: those that answer first, others if time is left."""
        due = [each for each in self.feeds if each.due_ms == slot]
        for each in sorted(due, key=lambda each: each.turn):
            if each.answers or self.may_try(each, slot, frame):
                self.read(each, slot, frame)
            self.set_next(each, slot, frame)

    def may_try(self, each: Feed, slot: int, frame: Frame) -> bool:
        """May a source that has not answered be asked, without taking a neighbour's next slot?"""
        now_ms = self.clock.monotonic_ms()
        if now_ms < each.retry_ms:
            return False
        waits_ms = SILENT_WAITS_MS if each.failures else NEW_WAITS_MS
        if now_ms > each.tried_ms + waits_ms:
            return True
        others = [other for other in self.feeds if other is not each and other.answers]
        following = min((after(other, slot) for other in others), default=float("inf"))
        return now_ms + 1000 * each.source.patience_s < following - frame.offset_ms

    def read(self, each: Feed, slot: int, frame: Frame) -> None:
        groups = [group.quantities for group in each.groups if group.due_ms == slot]
        due = frozenset[str]().union(*groups)
        started_ms = each.tried_ms = self.clock.monotonic_ms()
        try:
            if not each.is_open:
                each.source.open()
                each.is_open = True
            readings = each.source.read(slot, due)
            accepted = [done for reading in readings if (done := self.accept(each, reading, due))]
            own = [encode(reading) for reading in accepted if reading.at_ms != slot]
            ours = [encode(reading) for reading in accepted if reading.at_ms == slot]
        except (ReadFault, NotProvided) as error:
            self.failed(each, error)
            return
        except Exception as error:  # noqa: BLE001  a bug of this source, not of its neighbours
            self.broken(each, error)
            return
        ended_ms = self.clock.monotonic_ms()
        if self.keep(each, own, ours, frame) and not self.remember(each):
            return
        self.answered(each, accepted)
        if self.now:
            self.now.hear(each.name, each.labels, accepted, each.intervals_ms)
        with self.lock:
            each.health.reads += 1
            each.health.duration_s = (ended_ms - started_ms) / 1000
            each.health.lateness_s.append((started_ms + frame.offset_ms - slot) / 1000)

    def keep(self, each: Feed, own: Sequence[bytes], ours: Sequence[bytes], frame: Frame) -> bool:
        """Journal readings; those with times of their *own* are dated, whatever our clock says.

        Return False where the disk does not take them all; a source that remembers brings its
        own again.
        """
        came_ms = round(each.tried_ms + frame.offset_ms) if frame.dated else None
        again = each.remembering is not None
        kept = not own or self.journal.append(own, at_ms=came_ms, hold=not again)
        return (not ours or self.journal.append(ours, dated=frame.dated)) and kept

    def remember(self, each: Feed) -> bool:
        """Let a source hear that its readings are journalled; return False where it fails."""
        try:
            if each.remembering:
                each.remembering.journalled()
        except Exception as error:  # noqa: BLE001  see ``read``
            self.broken(each, error)
            return False
        return True

    def accept(self, each: Feed, reading: Reading, due: frozenset[str]) -> Reading | None:
        """Rename, and leave out what is not *due* and what cannot be true."""
        named = each.named
        values = {}
        for name, value in reading.values.items():
            quantity = named[name]
            if name not in due:
                continue
            if quantity.low <= value <= quantity.high:
                # A package may bring numpy's numbers, or True, which are written unlike numbers.
                values[quantity.name] = value if type(value) in PLAIN else float(value)
            else:
                with self.lock:
                    each.health.out_of_range += 1
                    each.health.last_out_of_range = f"{quantity.name} = {value:g} {quantity.unit}"
        return Reading(reading.kind, reading.device, reading.at_ms, values) if values else None

    def answered(self, each: Feed, readings: Sequence[Reading]) -> None:
        missed, each.failures = each.failures, 0
        offset_ms = self.frame.offset_ms if self.frame else 0
        now_ms = self.clock.monotonic_ms() + offset_ms + AHEAD_MS
        with self.lock:
            health = each.health
            for reading in readings:
                latest = health.latest.get(reading.device)
                if latest is None or is_later(reading.at_ms, latest.at_ms, now_ms):
                    health.latest[reading.device] = reading
                if is_later(reading.at_ms, health.last_ms, now_ms):
                    health.last_ms = reading.at_ms
            was, health.state, health.last_error = health.state, "alive", ""
            if was == "alive":
                return
            silent_s = (self.clock.wall_ms() - health.since_ms) / 1000
            health.since_ms = self.clock.wall_ms()
        if was in {"silent", "failed"}:
            log.info(
                "%s: answering again after %.0f s and %d failed reads", each.name, silent_s, missed
            )
        else:
            log.info("%s: reading", each.name)

    def failed(self, each: Feed, error: ReadFault | NotProvided) -> None:
        """Count a failed read; after some in a row call the source silent, and pause."""
        each.failures += 1
        if isinstance(error, LineAway):
            self.close(each)
        longest = LONGEST_PAUSE_AWAY_MS if isinstance(error, LineAway) else LONGEST_PAUSE_MS
        self.pause(each, longest, max(each.failures - SILENT_AFTER, 0))
        with self.lock:
            health = each.health
            health.failures += 1
            health.last_error = str(error)
            if each.failures < SILENT_AFTER or health.state == "silent":
                return
            health.state, health.since_ms = "silent", self.clock.wall_ms()
        log.warning("%s: silent: %s", each.name, error)

    def broken(self, each: Feed, error: Exception) -> None:
        """Stop a source with a bug; log the traceback of each new one once, and pause."""
        each.failures += 1
        self.close(each)
        self.pause(each, LONGEST_PAUSE_MS, each.failures - 1)
        text = f"{type(error).__name__}: {error}"
        with self.lock:
            health = each.health
            health.failures += 1
            was, health.state = health.state, "failed"
            last_error, health.last_error = health.last_error, text
            if was != "failed":
                health.since_ms = self.clock.wall_ms()
        if was != "failed" or last_error != text:
            log.error("%s: internal error: %s", each.name, text, exc_info=error)

    def pause(self, each: Feed, longest_ms: int, doublings: int) -> None:
        pause_ms = min(FIRST_PAUSE_MS * 2 ** min(doublings, 10), longest_ms)
        each.retry_ms = self.clock.monotonic_ms() + pause_ms

    def close(self, each: Feed) -> None:
        each.is_open = False
        try:
            each.source.close()
        except Exception:
            log.exception("%s: internal error while closing", each.name)

    def set_next(self, each: Feed, slot: int, frame: Frame) -> None:
        """Set when the groups that were due are due again, counting slots that have passed."""
        now_ms = self.clock.monotonic_ms() + frame.offset_ms
        skipped = 0
        for group in each.groups:
            if group.due_ms <= slot:
                group.due_ms = max(next_slot(now_ms, group.interval_ms), slot + group.interval_ms)
                skipped += (group.due_ms - slot) // group.interval_ms - 1
        if skipped and each.answers:
            with self.lock:
                each.health.skipped += skipped


def after(each: Feed, slot: int) -> int:
    """Return when a source is due after *slot*."""
    return min(
        group.due_ms + group.interval_ms if group.due_ms <= slot else group.due_ms
        for group in each.groups
    )
