"""The page's thread: it serves, and where it cannot, says why and tries again. It ends nothing."""

import errno
import logging
import threading
from typing import TYPE_CHECKING

from collector.clock import Clock
from collector.contract.page import PageOptions, Show
from collector.errors import SecretMissing
from collector.run.health import PageHealth

if TYPE_CHECKING:
    from collector.page.server import Server

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class PageThread:
    """Serves what *show* returns until *stop* is set."""

    def __init__(
        self,
        options: PageOptions,
        show: Show,
        clock: Clock,
        health: PageHealth,
        lock: threading.Lock,
    ) -> None:
        self.options = options
        self.show = show
        self.clock = clock
        self.health = health
        self.lock = lock
        self.failures = 0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.serve(stop)
            except (OSError, SecretMissing) as error:
                self.failed("away", sentence(error, self.options), None)
            except Exception as error:  # noqa: BLE001  a bug of the page ends the page alone
                self.failed("failed", f"{type(error).__name__}: {error}", error)
            if not stop.is_set():
                pause_s = FIRST_PAUSE_S * 2.0 ** min(self.failures - 1, 10)
                stop.wait(min(pause_s, LONGEST_PAUSE_S))

    def serve(self, stop: threading.Event) -> None:
        """Serve until *stop*. Raise OSError where the port cannot be had, SecretMissing."""
        from collector.page.app import App  # noqa: PLC0415  waitress takes memory
        from collector.page.server import listening, server_at  # noqa: PLC0415

        if self.options.password:
            self.options.password.value()
        server = server_at(listening(self.options), App(self.options, self.show))
        try:
            self.serving()
            server.serve(stop)
        finally:
            end(server)

    def serving(self) -> None:
        self.failures = 0
        if self.now_is("serving", ""):
            log.info("page: %s/metrics", self.options.url)

    def failed(self, state: str, reason: str, error: Exception | None) -> None:
        """Say once what is wrong; the pauses grow."""
        self.failures += 1
        is_new_reason = self.health.last_error != reason
        if self.now_is(state, reason) or is_new_reason:
            words = "internal error" if error else "not served"
            log.error("page: %s, tried again later: %s", words, reason, exc_info=error)

    def now_is(self, state: str, error: str) -> bool:
        """Note *state*; return whether it is a new one."""
        with self.lock:
            was, self.health.state, self.health.last_error = self.health.state, state, error
            if was != state:
                self.health.since_ms = self.clock.wall_ms()
        return was != state


def end(server: "Server") -> None:
    try:
        server.end()
    except Exception:
        log.exception("page: internal error while closing")


def sentence(error: Exception, options: PageOptions) -> str:
    """Say why there is no door, and what to do."""
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return (
                f"port {options.port} is used by another program; 'sudo ss -ltnp sport = "
                f":{options.port}' names it; end it, or choose another port with 'page.port'"
            )
        case errno.EADDRNOTAVAIL:
            return (
                f"this computer has no address {options.address} now; it is taken when it appears; "
                "'ip -brief address' lists those there are, 'page.address' chooses another"
            )
        case errno.EACCES:
            return f"port {options.port} needs root; choose one from 1024 up with 'page.port'"
    return getattr(error, "strerror", None) or str(error)
