"""The WSGI application: /metrics and /healthz, for those who may, and nothing else."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

from collector.contract.page import PageOptions, Show
from collector.errors import SecretMissing
from collector.page.guard import Tries, is_ours, is_same, password_in
from collector.page.metrics import CONTENT_TYPE, Text

log = logging.getLogger(__name__)

PLAIN = "text/plain; charset=utf-8"
# However many ask, the text is made twice a second at most.
KEPT_S = 0.5
HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
METHODS = ("GET", "HEAD")
ROOM = 'Basic realm="Energy Monitor", charset="UTF-8"'


class Answer(NamedTuple):
    """What goes out."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


class App:
    """Answers requests by what *show* returns."""

    def __init__(self, options: PageOptions, show: Show, *, kept_s: float = KEPT_S) -> None:
        self.options = options
        self.show = show
        self.kept_s = kept_s
        self.tries = Tries()
        self.making = threading.Lock()
        self.text = Text()
        self.made_s = -math.inf
        self.made = b""
        self.last_error = ""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        answer = self.answer(environ)
        length = ("Content-Length", str(len(answer.body)))
        headers = [("Content-Type", answer.content_type), length, *HEADERS, *answer.headers]
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def answer(self, environ: dict[str, Any]) -> Answer:
        try:
            return self.refusal(environ) or self.page(environ)
        except Exception as error:
            if str(error) != self.last_error:
                log.exception("page: internal error; the other requests go on")
            self.last_error = str(error)
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; the log has it")

    def refusal(self, environ: dict[str, Any]) -> Answer | None:
        """Return why a request is not served, if it is not."""
        if not is_ours(environ.get("HTTP_HOST", ""), self.options.names):
            return said(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This is not a name of this computer. Ask by its IP address, or add the name to "
                "'page.names' in the configuration.",
            )
        if environ["REQUEST_METHOD"] not in METHODS:
            allowed = (("Allow", ", ".join(METHODS)),)
            return said(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD.", *allowed)
        if (
            environ.get("HTTP_SEC_FETCH_SITE") == "cross-site"
            and environ.get("HTTP_SEC_FETCH_MODE") != "navigate"
        ):
            return said(HTTPStatus.FORBIDDEN, "Not for pages of other sites.")
        return self.no_entry(environ) if self.options.password else None

    def no_entry(self, environ: dict[str, Any]) -> Answer | None:
        """Return why whoever asks is not let in, if he is not."""
        if environ.get("PATH_INFO") == "/healthz":
            return None
        address = environ.get("REMOTE_ADDR", "")
        if wait_s := self.tries.wait_s(address):
            after = (("Retry-After", str(math.ceil(wait_s))),)
            return said(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords.", *after)
        given = password_in(environ.get("HTTP_AUTHORIZATION", ""))
        if given is not None:
            try:
                wanted = self.options.password.value() if self.options.password else ""
            except SecretMissing:
                return said(HTTPStatus.SERVICE_UNAVAILABLE, "The password is not stored here.")
            if is_same(given, wanted):
                self.tries.was_right(address)
                return None
            self.tries.was_wrong(address)
        return said(HTTPStatus.UNAUTHORIZED, "A password is needed.", ("WWW-Authenticate", ROOM))

    def page(self, environ: dict[str, Any]) -> Answer:
        match environ.get("PATH_INFO"):
            case "/metrics":
                return Answer(HTTPStatus.OK, self.metrics(), CONTENT_TYPE)
            case "/healthz":
                return said(HTTPStatus.OK, "ok")
        return said(HTTPStatus.NOT_FOUND, "There are /metrics and /healthz.")

    def metrics(self) -> bytes:
        with self.making:
            if time.monotonic() >= self.made_s + self.kept_s:
                self.made = self.text.of(*self.show()).encode()
                self.made_s = time.monotonic()
            return self.made


def said(status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, f"{sentence}\n".encode(), PLAIN, headers)
