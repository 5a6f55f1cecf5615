"""The service: wires names to threads, keeps house, answers questions, and stops in time.

One thread per line, one per output, one that forces the journal onto the disk, one that answers
on the control socket. They meet only in the journal.
"""

import logging
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from collector.clock import Clock
from collector.config import Config
from collector.journal.journal import Journal
from collector.reading import LATEST_MS, Reading, encode
from collector.run import control
from collector.run.delivery import Delivery
from collector.run.derivation import Deriving
from collector.run.health import resident_memory
from collector.run.identity import make_installation
from collector.run.intake import Intake
from collector.run.ledger import Keeping
from collector.run.now import Now
from collector.run.page import PageThread, home_of
from collector.run.since import place_derivations, place_outputs
from collector.run.status import backlogs_of, status_of
from collector.run.systemd import notify, watchdog_s
from collector.run.wiring import build, new_health
from collector.secrets import credentials
from collector.status import Status
from collector.text import counted

log = logging.getLogger(__name__)

OWN_READINGS_EVERY_S = 10
KEEP_HOUSE_EVERY_S = 60
DATE_BACK_EVERY_S = 10
JOURNAL_STUCK_AFTER_S = 600  # longer than any card takes to write what the kernel holds
STOP_WITHIN_S = 4.5


class Service:
    """All that runs between READY and SIGTERM. Raise ConfigFault, JournalFault."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        journal = config.data_dir / "journal"
        self.clock = clock or Clock(config.main.clock.trust, journal / "trusted-boot")
        names = list(config.outputs), list(config.derivations)
        self.journal = Journal(journal, self.clock.boot, *names)
        self.health = new_health(config, self.clock.wall_ms())
        self.began_ms = self.clock.monotonic_ms()
        self.stop = threading.Event()
        self.woken: queue.SimpleQueue[None] = queue.SimpleQueue()  # a signal may interrupt its put
        self.broken = False
        self.threads: list[threading.Thread] = []
        self.kept_s = time.monotonic()
        make_installation(config.data_dir)
        built = build(config, self.health)
        self.now = Now(self.clock) if config.main.page.port else None
        self.intakes = [
            Intake(each, self.journal, self.clock, self.health.lock, self.now)
            for each in built.feeds.values()
        ]
        self.outputs = built.outputs
        self.derivations = built.derivations

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.woken.put(None))
        self.journal.open()
        place_outputs(self.config, self.journal, self.clock.wall_ms())
        place_derivations(self.config, self.journal, self.clock.wall_ms())
        self.begin(control.listen(self.config.socket))
        log.info(
            "%s, %s",
            counted(len(self.config.sources), "source"),
            counted(len(self.config.outputs), "output"),
        )
        notify("READY=1")
        self.watch()
        self.stop.set()
        control.end(self.config.socket)
        notify("STOPPING=1")
        self.end()
        for number in (signal.SIGTERM, signal.SIGINT):  # another must not spoil a good end
            signal.signal(number, signal.SIG_IGN)
        return 1 if self.broken else 0

    def begin(self, door: socket.socket) -> None:
        """Start every thread; the control socket's clients come to *door*."""
        for intake in self.intakes:
            self.start(f"line {intake.feeds[0].source.line}", partial(intake.run, self.stop))
        for name, (output, options) in self.outputs.items():
            delivery = Delivery(
                name,
                output,
                options,
                self.journal,
                self.clock,
                self.health.outputs[name],
                self.health.lock,
            )
            self.start(f"output {name}", partial(delivery.run, self.stop))
        for name, make in self.derivations.items():
            health, lock = self.health.derivations[name], self.health.lock
            deriving = Deriving(name, make, self.journal, self.clock, health, lock, self.now)
            self.start(f"derivation {name}", partial(deriving.run, self.stop))
        ledger = Keeping(
            self.config.ledger, self.journal, self.clock, self.health.ledger, self.health.lock
        )
        self.start("ledger", partial(ledger.run, self.stop))
        if now := self.now:
            page = PageThread(
                self.config.main.page,
                lambda: (self.status(), now.show()),
                home_of(self.config),
                self.clock,
                self.health.page,
                self.health.lock,
            )
            self.start("page", partial(page.run, self.stop))
        self.start("journal", self.keep)
        self.start("control", partial(control.serve_at, door, self.answer, self.stop))

    def start(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:
                log.critical(
                    "%s: internal error; exiting so that systemd restarts the service",
                    name,
                    exc_info=True,
                )
                self.broken = True
                self.woken.put(None)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def watch(self) -> None:
        """Feed systemd's watchdog while every line has read or declared its devices silent."""
        every_s = watchdog_s() / 2
        last_status = ""
        while not self.is_woken(min(every_s, 10)):
            now_ms = self.clock.monotonic_ms()
            stuck = [each.feeds[0].name for each in self.intakes if now_ms > each.expected_by_ms]
            if time.monotonic() - self.kept_s > JOURNAL_STUCK_AFTER_S:
                stuck.append("journal")
            if stuck:
                log.error("stuck: %s", ", ".join(stuck))
                continue
            status = self.status_line()
            notify("WATCHDOG=1" if status == last_status else f"WATCHDOG=1\nSTATUS={status}")
            last_status = status

    def is_woken(self, within_s: float) -> bool:
        """Wait for a signal, or for a thread that broke."""
        try:
            self.woken.get(timeout=within_s)
        except queue.Empty:
            return False
        return True

    def status_line(self) -> str:
        with self.health.lock:
            alive = sum(each.state == "alive" for each in self.health.sources.values())
        backlog = max((self.journal.backlog(name) for name in self.outputs), default=0)
        sources = counted(len(self.health.sources), "source")
        return f"{alive} of {sources} alive, {counted(backlog, 'reading')} to deliver"

    def keep(self) -> None:
        """Force the journal onto the disk in time, and now and then tidy it."""
        options = self.config.main.journal
        duties: list[tuple[float, Callable[[], None]]] = [
            (options.sync, self.journal.sync),
            (min(options.sync, DATE_BACK_EVERY_S), self.date_back),
            (OWN_READINGS_EVERY_S, self.keep_own_readings),
            (KEEP_HOUSE_EVERY_S, self.keep_house),
        ]
        due_s = [time.monotonic() + every_s for every_s, _ in duties]
        while not self.stop.wait(max(0, min(due_s) - time.monotonic())):
            for number, (every_s, duty) in enumerate(duties):
                if time.monotonic() >= due_s[number]:
                    duty()
                    due_s[number] = time.monotonic() + every_s
            self.kept_s = time.monotonic()

    def date_back(self) -> None:
        frame = self.clock.frame()
        if self.journal.undated.segments and frame.dated:
            moved = self.journal.date_back(frame.offset_ms)
            log.info("dated %d readings taken before the clock was synchronised", moved)

    def keep_house(self) -> None:
        options = self.config.main.journal
        self.journal.keep_house(options.max_size)
        if self.clock.is_calm():
            now_ms = self.clock.wall_ms()
            self.journal.drop_old(
                now_ms - options.keep * 1000, now_ms - options.keep_undelivered * 1000
            )

    def keep_own_readings(self) -> None:
        frame = self.clock.frame()
        now_ms = self.clock.monotonic_ms() + frame.offset_ms
        at_ms = round(now_ms / 1000) * 1000
        backlogs = backlogs_of(self.journal, self.outputs, now_ms)
        readings = list(self.health.readings(at_ms, backlogs))
        values = {
            "resident_memory": float(resident_memory()),
            "journal_size": float(self.journal.log.size),
            "readings_dropped": float(sum(self.journal.losses.ever.values())),
            "running_time": round((self.clock.monotonic_ms() - self.began_ms) / 1000, 1),
            "clock_trusted": float(frame.dated),
        }
        readings.append(Reading("collector", "collector", at_ms, values))
        self.journal.append([encode(each) for each in readings], dated=frame.dated)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request from the control socket."""
        match request:
            case {"ask": "status"}:
                return self.status().to_json()
            case {"ask": "secrets"}:
                return self.secrets()
            case {"ask": "replay", "output": str(name), "since_ms": int(since_ms)} if (
                0 <= since_ms < LATEST_MS
            ):
                return self.replay(name, since_ms)
            case {"ask": "resend", "readings": list(lines)}:
                return self.resend(lines)
        return {"error": f"this release does not support the request {request.get('ask')!r}"}

    def secrets(self) -> dict[str, Any]:
        """Tell which secrets have a value here, and where systemd put its copies; no value."""
        names = {secret.name: secret.is_there() for _, secret in self.config.secrets_named()}
        folder = credentials()
        return {"secrets": names, "credentials": str(folder) if folder else None}

    def replay(self, name: str, since_ms: int) -> dict[str, Any]:
        """Go back with what a derivation or an output has read of the journal."""
        if name in self.derivations:
            return {"again": self.journal.rewind_derivation(name, since_ms)}
        if name not in self.outputs:
            return {"error": f"no output named {name!r}; known: {', '.join(self.outputs)}"}
        return {"again": self.journal.rewind(name, since_ms)}

    def resend(self, lines: list[Any]) -> dict[str, Any]:
        """Append encoded readings to the journal again."""
        try:
            return {"resent": self.journal.resend([str(line) for line in lines])}
        except ValueError as error:
            return {"error": str(error)}

    def status(self) -> Status:
        return status_of(self.config, self.health, self.journal, self.clock)

    def end(self) -> None:
        """Let every thread finish what it is at, and close the journal."""
        deadline = time.monotonic() + STOP_WITHIN_S
        with self.journal.log.grown:
            self.journal.log.grown.notify_all()
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        self.config.socket.unlink(missing_ok=True)
        self.journal.close()
