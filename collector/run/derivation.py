"""From the journal into the journal: one thread per derivation, each at its own cursor.

A derivation's memory and its cursor are one snapshot, written only when all that it rests on is on
the disk for good. After a restart, a failure or a replay the thread goes on from a snapshot; what
it makes again and the journal has already is not stored twice. An error that nobody foresaw stops
this derivation alone, and so does a disk that takes no more: sources never wait.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from collector.clock import Clock
from collector.contract import Derivation, Ticking
from collector.contract.alert import Alerting
from collector.contract.counters import repeats
from collector.contract.rolled import is_rolled_line, quantity_of
from collector.journal.journal import Journal
from collector.journal.reader import Reader, Record
from collector.journal.snapshots import LARGEST_BYTES, Snapshot
from collector.reading import LATEST_MS, Reading, decoded, encode, kind_of, time_ms
from collector.run.health import DerivationHealth
from collector.run.made_before import MadeBefore
from collector.run.now import Now

log = logging.getLogger(__name__)

TAKEN_AT_ONCE = 1000  # bounds the memory: some 1 MB of decoded readings
LOOK_EVERY_S = 2.0  # a look costs as much as ten readings
LOOK_FOR_ALERTS_EVERY_S = 1.0
# What a kill costs: so much is derived again, 3,000 readings of ten meters, in a tenth of a second.
SNAPSHOT_EVERY_MS = 300_000
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
TRIES = 3  # of what may be wrong for a moment, before the reading that it fails on is looked for
MOST_ASIDE = 20  # until the next start: beyond, it is not the readings that are wrong
OUR_FIGURES = b"collector,device=collector "


class Unforeseen(Exception):
    """A derivation raised something, or made what it may not make: a bug in it."""


@contextmanager
def watched() -> Iterator[None]:
    """Tell a derivation's bugs from our own, which end the service."""
    try:
        yield
    except Exception as error:
        raise Unforeseen(f"{type(error).__name__}: {error}") from error


def is_of_now(line: bytes) -> bool:
    """Tell whether an encoded reading is a value of now, and of its device alone."""
    return not (is_rolled_line(line) or repeats(line))


class Deriving:
    """Gives one derivation what the journal gets, until *stop* is set, and stores what it makes.

    *make* makes the derivation as it is without a past.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Derivation],
        journal: Journal,
        clock: Clock,
        health: DerivationHealth,
        lock: threading.Lock,
        now: Now | None = None,
    ) -> None:
        self.name = name
        self.make = make
        self.journal = journal
        self.snapshots = journal.snapshots[name]
        self.clock = clock
        self.health = health
        self.lock = lock
        self.now = now
        self.base: Snapshot | None = None
        self.unstored: list[bytes] = []
        self.pending: Snapshot | None = None
        self.failures = 0
        self.failed_at = 0  # the number behind the batch that failed last
        self.left_out: set[str] = set()
        self.aside: set[int] = set()  # numbers of readings that it fails on
        self.suspect: Record | None = None  # what it hears, once it has failed often

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self.derive_once())
        self.derive_once()
        self.end()

    def end(self) -> None:
        """Write down how far it has come, so that the next start goes on from here."""
        if self.failures or self.unstored or self.base is not self.snapshots.current:
            return
        with suppress(OSError, Unforeseen):
            self.take_snapshot()
            self.journal.sync()
            self.put_snapshot()

    def derive_once(self) -> float:
        """Derive from one batch; return how many seconds to wait before the next."""
        try:
            if self.base is None or self.base is not self.snapshots.current:
                self.begin()
            more = self.derive_batch()
        except Unforeseen as error:
            self.base = None  # it may remember half of a batch
            self.set_aside(error)
            return self.failed("failed", error)
        except OSError as error:
            return self.failed("waiting", error)
        self.derived()
        if more:
            return 0
        return LOOK_FOR_ALERTS_EVERY_S if self.alerting else LOOK_EVERY_S

    def begin(self) -> None:
        """Make the derivation anew and let it go on from the last snapshot."""
        base = self.snapshots.current
        with watched():
            self.derivation = self.make()
        if base.state:
            try:
                with watched():
                    self.derivation.restore(json.loads(base.state))
            except Unforeseen as error:
                if not isinstance(error.__cause__, ValueError):
                    raise
                log.warning("%s: begins again with the oldest reading kept: %s", self.name, error)
                self.snapshots.rewind(0)
                return self.begin()
        # Asking takes 10 µs, which is much for each second and derivation.
        self.ticking = self.derivation if isinstance(self.derivation, Ticking) else None
        self.alerting = self.derivation if isinstance(self.derivation, Alerting) else None
        self.base = base
        self.note_alerts()
        with self.lock:
            self.health.number, self.health.passed_ms = base.number, 0
        self.reader = Reader(self.journal.log, base.number)
        self.made_before = MadeBefore(self.journal.log, base.end, self.derivation.makes)
        self.unstored, self.pending = [], None
        self.snapshot_due_ms = self.clock.monotonic_ms() + SNAPSHOT_EVERY_MS
        return None

    def derive_batch(self) -> bool:
        """Derive from the next readings; return whether there may be more. Raise OSError."""
        records: list[Record] = []
        if not self.unstored:
            records = self.reader.take(TAKEN_AT_ONCE)
            with watched():
                self.unstored = self.lines_of(self.derive(records))
        if self.unstored:
            self.store()
        self.note_alerts()
        with self.lock:
            self.health.number = self.reader.number
            if records:
                self.health.passed_ms = time_ms(records[-1][1])
        if self.clock.monotonic_ms() >= self.snapshot_due_ms:
            self.take_snapshot()
        with self.journal.disk.using(f"derivations/{self.name}"):
            self.put_snapshot()
        return len(records) == TAKEN_AT_ONCE

    def derive(self, records: Sequence[Record]) -> Iterator[Reading]:
        """Yield what the derivation makes of what it hears, ticking where our own time stands."""
        heard: list[Reading] = []
        is_careful = self.failures >= TRIES
        for number, line in records:
            if kind_of(line) in self.derivation.hears and number not in self.aside:
                heard.append(decoded(line))
            if heard and is_careful:
                self.suspect = number, line
                yield from self.derivation.derive(heard)
                self.suspect, heard = None, []
            if self.ticking and line.startswith(OUR_FIGURES):
                if heard:
                    yield from self.derivation.derive(heard)
                yield from self.ticking.tick(time_ms(line))
                heard = []
        if heard:
            yield from self.derivation.derive(heard)

    def set_aside(self, error: Unforeseen) -> None:
        """Leave out the reading that it fails on again and again, so that the rest goes on."""
        suspect, self.suspect = self.suspect, None
        if suspect is None or len(self.aside) >= MOST_ASIDE:
            return
        number, line = suspect
        self.aside.add(number)
        log.error(
            "%s: fails on reading %d of the journal, which it does not hear from now on: %s (%s)",
            *(self.name, number, line.decode("ascii")[:200], error),
        )

    def lines_of(self, made: Iterator[Reading]) -> list[bytes]:
        """Encode what is not in the journal yet. Raise ValueError for what may not be made."""
        lines = (encode(each) for reading in made if (each := self.accept(reading)).values)
        return [line for line in lines if not self.made_before.take(line)]

    def accept(self, reading: Reading) -> Reading:
        """Leave out what cannot be true. Raise ValueError for what was not announced."""
        if reading.kind not in self.derivation.makes:
            raise ValueError(f"it made a reading of the kind {reading.kind!r}")
        if not 0 < reading.at_ms < LATEST_MS:
            raise ValueError(f"it made a reading of the time {reading.at_ms}")
        values = {}
        for name, value in reading.values.items():
            if name not in self.derivation.quantities:
                raise ValueError(f"it made the quantity {name!r}")
            quantity = quantity_of(name)
            assert quantity is not None, "the wiring has looked"
            if value < quantity.low or value > quantity.high:
                self.leave_out(name, value)
            else:
                values[name] = float(value)
        return Reading(reading.kind, reading.device, reading.at_ms, values)

    def leave_out(self, name: str, value: float) -> None:
        if name not in self.left_out:
            self.left_out.add(name)
            log.warning("%s: left out %s = %g, which cannot be true", self.name, name, value)

    def store(self) -> None:
        """Append what was made to the journal. Raise OSError; unlike a source's, nothing is lost.

        No older reading is dropped to make room for one that can be made again.
        """
        frame = self.clock.frame()
        now_ms = round(self.clock.monotonic_ms() + frame.offset_ms) if frame.dated else None
        with self.journal.lock:
            if not self.journal.try_append(self.journal.log, self.unstored, now_ms):
                raise OSError("the disk takes nothing now")
        with self.lock:
            self.health.made += len(self.unstored)
        if self.now:
            present = [decoded(line) for line in self.unstored if is_of_now(line)]
            self.now.hear(self.name, {"": self.health.label}, present)
        self.unstored = []

    def note_alerts(self) -> None:
        """Note which alerts stand, where it raises any."""
        if self.alerting:
            with watched():
                standing = self.alerting.standing()
            with self.lock:
                self.health.alerts = standing

    def take_snapshot(self) -> None:
        """Hold on to what the derivation remembers now; all that it made is stored."""
        self.snapshot_due_ms = self.clock.monotonic_ms() + SNAPSHOT_EVERY_MS
        if self.base is not None and self.reader.number == self.base.number:
            return
        with watched():
            state = json.dumps(self.derivation.state(), allow_nan=False)
            if len(state) > LARGEST_BYTES:
                raise ValueError(f"it remembers {len(state)} bytes, of at most {LARGEST_BYTES}")
        self.pending_until = self.journal.log.next_number
        end = self.made_before.first_left(self.reader.number, self.pending_until)
        self.pending = Snapshot(self.reader.number, end, state)

    def put_snapshot(self) -> None:
        """Write the snapshot down, once a power cut can take nothing it rests on. Raise OSError."""
        journal = self.journal.log
        if self.pending and self.base and journal.synced_number >= self.pending_until:
            first = journal.first_number
            if self.snapshots.put(self.pending, self.base, self.clock.wall_ms(), first):
                self.base = self.pending
            self.pending = None

    def derived(self) -> None:
        if self.reader.number < self.failed_at:
            return  # it has yet to come to where it failed
        failures, self.failures, self.failed_at = self.failures, 0, 0
        if self.now_is("deriving", ""):
            after = f" again after {failures} tries" if failures else ""
            log.info("%s: deriving%s", self.name, after)

    def failed(self, state: str, error: Exception) -> float:
        """Say once what is wrong; return a pause that grows."""
        self.failures += 1
        self.failed_at = max(self.failed_at, self.reader.number)
        reason = getattr(error, "strerror", None) or str(error)
        is_new_reason = self.health.last_error != reason
        if self.now_is(state, reason) or is_new_reason:
            trace = error if state == "failed" else None
            level = logging.ERROR if state == "failed" else logging.WARNING
            words = "internal error" if state == "failed" else "not now"
            log.log(
                level, "%s: %s, tried again later: %s", self.name, words, reason, exc_info=trace
            )
        return min(FIRST_PAUSE_S * 2.0 ** min(self.failures - 1, 10), LONGEST_PAUSE_S)

    def now_is(self, state: str, error: str) -> bool:
        """Note *state*; return whether it is a new one."""
        with self.lock:
            was, self.health.state, self.health.last_error = self.health.state, state, error
            if was != state:
                self.health.since_ms = self.clock.wall_ms()
        return was != state
