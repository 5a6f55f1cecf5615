"""The page's thread: it serves, and where it cannot, says why and tries again. It ends nothing."""

import errno
import logging
import threading
from typing import TYPE_CHECKING

from collector import __version__
from collector.clock import Clock
from collector.config import Config
from collector.contract.page import Home, PageOptions, Show
from collector.contract.roles import roles_of
from collector.errors import SecretMissing
from collector.run.health import PageHealth

if TYPE_CHECKING:
    from collector.page.server import Server

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
END_WITHIN_S = 2.0


class PageThread:
    """Serves what *show* returns, and the records of *home*, until *stop* is set."""

    def __init__(
        self,
        options: PageOptions,
        show: Show,
        home: Home,
        clock: Clock,
        health: PageHealth,
        lock: threading.Lock,
    ) -> None:
        self.options = options
        self.show = show
        self.home = home
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
        app = App(self.options, self.show, self.home, self.clock.wall_ms)
        server = server_at(listening(self.options), app)
        over = threading.Event()
        finding = threading.Thread(
            target=app.maker.facts.run, args=(over,), name="page facts", daemon=True
        )
        finding.start()
        try:
            self.serving()
            server.serve(stop)
        finally:
            over.set()
            app.maker.facts.wanted.set()
            end(server)
            finding.join(END_WITHIN_S)

    def serving(self) -> None:
        self.failures = 0
        if self.now_is("serving", ""):
            log.info("page: %s", self.options.url)

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


def home_of(config: Config) -> Home:
    """Return what the page knows of the house, and where its records are."""
    labels = {
        device: str(label)
        for name, options in config.sources.items()
        for device, label in {name: options.label, **options.labels}.items()
        if label
    }
    return Home(
        site=config.main.site,
        timezone=config.main.timezone,
        version=__version__,
        journal=config.data_dir / "journal",
        ledger=config.ledger,
        tariffs=config.tariffs,
        holidays=config.data_dir / "holidays.json",
        labels=labels,
        roles=roles_of(config.sources),
    )
