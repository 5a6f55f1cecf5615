"""From the journal through a derivation back into the journal: one thread per derivation.

    derivations/NAME.json    number of the next reading it needs, and its state at that point

The state is saved now and then, after the readings made so far are in the journal. After a crash
some readings are used a second time and made a second time: the same points for every output. So
no reading is missing, and none is wrong, whenever the power fails.

What a derivation raises stops that derivation alone: it is made anew from its saved state and
tried again after growing pauses.
"""

import json
import logging
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from collector import files
from collector.clock import Clock
from collector.contract import Derivation
from collector.journal.cursor import Cursor
from collector.journal.journal import Journal
from collector.quantity import catalogue
from collector.reading import Reading, decode, encode, time_ms
from collector.run.health import DerivationHealth

log = logging.getLogger(__name__)

BATCH = 5_000
EVERY_S = 1.0
SAVE_EVERY_S = 60.0  # at most this much is used again after a crash
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
FORMAT = 1


def cursor_name(name: str) -> str:
    """Return under which name the journal knows a derivation; no output can have it."""
    return f"derivation:{name}"


class Deriving:
    """Runs one derivation until *stop* is set. *make* returns it as it is without a past."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Derivation],
        journal: Journal,
        clock: Clock,
        health: DerivationHealth,
        lock: threading.Lock,
    ) -> None:
        self.name = name
        self.make = make
        self.journal = journal
        self.clock = clock
        self.health = health
        self.lock = lock
        self.file = journal.folder.parent / "derivations" / f"{name}.json"
        self.derivation: Derivation | None = None
        self.reader = journal.reader(cursor_name(name))
        self.since_ms = 0  # what is made for earlier times is left out: a replay begins there
        self.saved_ms = 0.0
        self.failures = 0
        self.rewound: int | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self.step())
        try:
            if self.derivation:
                self.save()
        except Exception as error:  # noqa: BLE001  likewise
            self.failed(error)

    def step(self) -> float:
        """Use one batch; return how many seconds to wait before the next."""
        try:
            return self.use_batch()
        except Exception as error:  # noqa: BLE001  of the derivation, whoever wrote it
            return self.failed(error)

    def use_batch(self) -> float:
        if self.rewound is not None:
            self.begin_again(self.rewound)
        if self.derivation is None:
            self.take_up()
        assert self.derivation is not None
        records = self.reader.take(BATCH)
        if records:
            hears = self.derivation.hears
            heard = [decode(line) for _, line in records if kind_of(line) in hears]
            self.keep(self.derivation.derive(heard) if heard else [])
            self.journal.cursors[cursor_name(self.name)] = Cursor(
                records[-1][0] + 1, max(time_ms(line) for _, line in records)
            )
            self.failures = 0
        if self.clock.monotonic_ms() > self.saved_ms + 1000 * SAVE_EVERY_S:
            self.save()
        self.well()
        return 0 if len(records) == BATCH else EVERY_S

    def keep(self, readings: Sequence[Reading]) -> None:
        """Journal what was made. Raise ValueError where it is not what the derivation may make."""
        assert self.derivation is not None
        made = [each for each in readings if each.at_ms >= self.since_ms]
        for each in made:
            check(each, self.derivation)
        if made:
            self.journal.append([encode(each) for each in made], at_ms=round(self.clock.wall_ms()))
            with self.lock:
                self.health.made += len(made)

    def take_up(self) -> None:
        """Make the derivation and give it the state that was saved; without one it begins anew.

        A new derivation begins with the readings that come from now on.
        """
        derivation = self.make()
        saved = read(self.file)
        number = self.journal.log.next_number
        if saved is not None:
            try:
                derivation.restore(saved["state"])
                number, self.since_ms = int(saved["next"]), int(saved["since_ms"])
            except (ValueError, TypeError, KeyError, LookupError):
                log.warning("%s: its saved state is of no use, it begins anew", self.name)
                derivation, number = self.make(), self.journal.log.first_number
        self.reader.go(number)
        self.derivation = derivation
        self.save()

    def begin_again(self, since_ms: int) -> None:
        """Begin without a past at the oldest reading kept; readings from *since_ms* on count."""
        self.derivation = self.make()
        self.since_ms = since_ms
        self.reader.go(self.journal.log.first_number)
        self.rewound = None
        self.save()

    def rewind(self, since_ms: int) -> int:
        """Have readings from *since_ms* on made again; return how many are used for that."""
        self.rewound = since_ms
        return self.journal.log.next_number - self.journal.log.first_number

    def save(self) -> None:
        """Write down the state and the number it belongs to; where the disk fails, later."""
        assert self.derivation is not None
        number = self.reader.number
        newest_ms = self.journal.cursors[cursor_name(self.name)].newest_ms
        with suppress(OSError):
            self.file.parent.mkdir(exist_ok=True)
            write(
                self.file,
                {"next": number, "since_ms": self.since_ms, "state": self.derivation.state()},
            )
            self.journal.cursors.put(cursor_name(self.name), Cursor(number, newest_ms))
        self.saved_ms = self.clock.monotonic_ms()

    def well(self) -> None:
        with self.lock:
            was, self.health.state, self.health.last_error = self.health.state, "deriving", ""
            if was != "deriving":
                self.health.since_ms = self.clock.wall_ms()
        if was == "failed":
            log.info("%s: deriving again", self.name)

    def failed(self, error: Exception) -> float:
        """Say once what a derivation raised, and return a pause that grows."""
        self.derivation = None
        self.failures += 1
        with self.lock:
            was, self.health.state = self.health.state, "failed"
            self.health.last_error = f"{type(error).__name__}: {error}"
            if was != "failed":
                self.health.since_ms = self.clock.wall_ms()
        if was != "failed":
            log.error("%s: failed, and is tried again: %r", self.name, error, exc_info=error)
        return min(FIRST_PAUSE_S * 2.0 ** min(self.failures - 1, 10), LONGEST_PAUSE_S)


def kind_of(line: bytes) -> str:
    """Return the kind of device of an encoded reading."""
    return line[: line.index(b",")].decode("ascii")


def check(reading: Reading, derivation: Derivation) -> None:
    """Raise ValueError where a reading is not of the kinds and quantities that were declared."""
    if reading.kind not in derivation.makes:
        raise ValueError(f"it made a reading of the kind {reading.kind!r}, which it does not name")
    for name, value in reading.values.items():
        quantity = catalogue().get(name)
        if quantity is None or not quantity.low <= value <= quantity.high:
            raise ValueError(f"it made {name} = {value:g}, which cannot be")


def read(file: Path) -> dict[str, Any] | None:
    """Return what ``write`` wrote; None where there is nothing or it is damaged."""
    try:
        crc, _, text = file.read_bytes().partition(b" ")
        document = json.loads(text)
        if int(crc) != zlib.crc32(text) or document.pop("format") != FORMAT:
            return None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return dict(document)


def write(file: Path, document: dict[str, Any]) -> None:
    """Replace *file*. Raise OSError, and TypeError or ValueError for a state that JSON lacks."""
    text = json.dumps({"format": FORMAT, **document}, allow_nan=False).encode()
    files.replace(file, b"%d %s" % (zlib.crc32(text), text), mode=0o640)
