"""The WSGI application: looks at who asks, finds what he asks for, and says why where it cannot."""

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from collector.contract.page import Home, PageOptions, Show
from collector.page import login, pages
from collector.page.answer import HTML, Answer, Refused, failed, fitted, said, to
from collector.page.guard import is_ours
from collector.page.html import asset
from collector.page.login import Login
from collector.page.maker import Maker
from collector.page.request import Request, query_of
from collector.page.routes import ROUTES, Route

log = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POLICY_OF_PAGES = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'"
)
METHODS = ("GET", "HEAD")
FOR_EVER, FOR_AN_HOUR = "public, max-age=31536000, immutable", "public, max-age=3600"
LOGIN, HEALTHZ = "/login", "/healthz"


class App:
    """Answers requests by what *show* returns, and by the records of *home*."""

    def __init__(
        self,
        options: PageOptions,
        show: Show,
        home: Home | None = None,
        wall_ms: Callable[[], float] | None = None,
        *,
        kept_s: float | None = None,
    ) -> None:
        self.options = options
        self.maker = Maker(show, home or Home(), wall_ms, kept_s=kept_s)
        self.login = Login(options)
        self.last_error = ""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        answer = fitted(self.answer(environ), environ)
        headers = {**HEADERS, "Content-Type": answer.content_type, **dict(answer.headers)}
        if answer.content_type == HTML:
            headers["Content-Security-Policy"] = POLICY_OF_PAGES
        if answer.status is not HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(answer.body))
        start_response(f"{answer.status.value} {answer.status.phrase}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def tick(self) -> None:
        """Remember how things are; an error here ends nothing."""
        try:
            self.maker.tick()
        except Exception as error:  # noqa: BLE001  logged below
            self.note(error)

    def note(self, error: Exception) -> None:
        """Log an error once."""
        if str(error) != self.last_error:
            log.error("page: internal error; the other requests go on", exc_info=error)
        self.last_error = str(error)

    def answer(self, environ: dict[str, Any]) -> Answer:
        path = environ.get("PATH_INFO", "")
        try:
            self.guard(path, environ)
            return self.found(path, environ)
        except Refused as refused:
            return self.refused(refused, path, environ)
        except Exception as error:  # noqa: BLE001  logged below
            self.note(error)
            sentence = "internal error; the log has it"
            return self.refused(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, sentence), path, environ)

    def guard(self, path: str, environ: dict[str, Any]) -> None:
        """Raise Refused where a request is not served, whatever it asks for."""
        if not is_ours(environ.get("HTTP_HOST", ""), self.options.names):
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This is not a name of this computer. Ask by its IP address, or add the name to "
                "'page.names' in the configuration.",
            )
        method = environ["REQUEST_METHOD"]
        methods = (*METHODS, "POST") if path == LOGIN and self.options.password else METHODS
        if method not in methods:
            allowed = ("Allow", ", ".join(methods))
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD.", allowed)
        is_opened = method != "POST" and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        if environ.get("HTTP_SEC_FETCH_SITE") == "cross-site" and not is_opened:
            raise Refused(HTTPStatus.FORBIDDEN, "Not for pages of other sites.")

    def found(self, path: str, environ: dict[str, Any]) -> Answer:
        """Return what is asked for. Raise Refused."""
        if file := asset(path):
            kept = (("Cache-Control", FOR_EVER if file.kept else FOR_AN_HOUR),)
            return Answer(HTTPStatus.OK, file.body, file.content_type, kept, file.gzipped)
        request = Request(path, {}, environ)
        if path == LOGIN:
            return self.asked_for_password(request)
        if path != HEALTHZ and (refusal := self.login.refusal(environ)):
            if refusal.status is HTTPStatus.UNAUTHORIZED and self.is_page(request):
                return login.sent_to_login(path, environ.get("QUERY_STRING", ""))
            raise refusal
        route = ROUTES.get(path)
        if route is None:
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such page; / is the first one.")
        return self.answered(route, request)

    def answered(self, route: Route, request: Request) -> Answer:
        text = request.environ.get("QUERY_STRING", "")
        if not route.is_free:
            request = request._replace(query=query_of(text, route.parameters))
        elif text:
            request = request._replace(query=login.fields_of(text))
        if not route.waits:
            return route.answer(self.maker, request)
        with self.maker.turns.turn():
            return route.answer(self.maker, request)

    def asked_for_password(self, request: Request) -> Answer:
        """Return the page that asks for the password, or let in who sends it."""
        environ = request.environ
        query = login.fields_of(environ.get("QUERY_STRING", ""))
        if not self.options.password or self.login.has_cookie(environ):
            return to(login.place_of(query.get("next", "/")))
        if environ["REQUEST_METHOD"] != "POST":
            place = login.place_of(query.get("next", "/"))
            return pages.page(self.maker, request, "login", wrong=False, wait_s=0, next=place)
        form = login.form_of(environ)
        place = login.place_of(form.get("next", "/"))
        try:
            self.login.check(form.get("password", ""), environ.get("REMOTE_ADDR", ""))
        except Refused as refused:
            wait_s = int(dict(refused.headers).get("Retry-After", "0"))
            wrong = refused.status is HTTPStatus.FORBIDDEN
            made = pages.page(self.maker, request, "login", wrong=wrong, wait_s=wait_s, next=place)
            return made._replace(status=refused.status, headers=refused.headers)
        return to(place, self.login.cookie())

    def is_page(self, request: Request) -> bool:
        return request.wants_html and not request.path.startswith("/api/")

    def refused(self, refused: Refused, path: str, environ: dict[str, Any]) -> Answer:
        """Say why, in the form that is understood there."""
        if path.startswith("/api/"):
            return failed(refused.status, refused.sentence, *refused.headers)
        request = Request(path, {}, environ)
        is_ours = refused.status is not HTTPStatus.MISDIRECTED_REQUEST
        if is_ours and self.is_page(request) and path not in {"/metrics", HEALTHZ}:
            try:
                return pages.error(self.maker, request, refused)
            except Exception as error:  # noqa: BLE001  logged
                self.note(error)
        return said(refused.status, refused.sentence, *refused.headers)
