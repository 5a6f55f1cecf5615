"""Who is let in: by the password in HTTP Basic, or by the cookie of who has logged in before.

A cookie says until when it is good, signed with the password and a key that this process alone has:
a restart or another password logs everyone out. Whoever has failed too often waits, wherever he
comes from.
"""

import math
import os
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

from collector.contract.page import PageOptions
from collector.errors import SecretMissing
from collector.page.answer import Answer, Refused, to
from collector.page.guard import Tries, is_same, password_in
from collector.page.pace import Turns
from collector.secrets import is_password

COOKIE = "energy_monitor"
LASTS_S = 30 * 86_400
MOST_TRYING = 3  # at once: half of the threads are left for those whom we know
MOST_COOKIES = 5  # of our name: another program of this computer may set one for a path
MOST_FORM_BYTES = 2000
MOST_PLACE = 300  # letters of a place to go back to: a form has room for it beside a password
ROOM = 'Basic realm="Energy Monitor", charset="UTF-8"'
NEEDED = "A password is needed."


class Login:
    """Lets in by *password* of the options; everyone where there is none."""

    def __init__(self, options: PageOptions) -> None:
        self.options = options
        self.tries = Tries()
        self.trying = Turns(MOST_TRYING)
        self.key = os.urandom(32)
        self.right = b""  # what was right last, as only this process knows it

    def refusal(self, environ: Mapping[str, Any]) -> Refused | None:
        """Return why whoever asks is not let in, if he is not."""
        if not self.options.password or self.has_cookie(environ):
            return None
        address = environ.get("REMOTE_ADDR", "")
        if wait_s := self.tries.wait_s(address):
            return too_many(wait_s)
        given = password_in(environ.get("HTTP_AUTHORIZATION", ""))
        if given is not None:
            try:
                self.check(given, address)
            except Refused as refused:
                if refused.status is not HTTPStatus.FORBIDDEN:
                    return refused
            else:
                return None
        # For a script's request a browser would open a window of its own: the page asks itself.
        is_script = "HTTP_X_REQUESTED_WITH" in environ
        challenge = () if is_script else (("WWW-Authenticate", ROOM),)
        return Refused(HTTPStatus.UNAUTHORIZED, NEEDED, *challenge)

    def check(self, given: str, address: str) -> None:
        """Raise Refused where a password is wrong, or none may be tried now."""
        assert self.options.password
        try:
            wanted = self.options.password.value()
        except SecretMissing:
            sentence = "The password is not stored here."
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, sentence) from None
        mark = self.signature(f"{wanted}\n{given}")
        if is_same(mark.hex(), self.right.hex()):
            self.tries.was_right(address)
            return
        with self.trying.turn():  # a hash takes 16 MB, and on a Pi 3 a second
            if wait_s := self.tries.wait_s(address):
                raise too_many(wait_s)
            try:
                is_right = is_password(given, wanted)
            except ValueError:
                sentence = "The stored password is damaged; store it again."
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, sentence) from None
            if not is_right:
                self.tries.was_wrong(address)
                raise Refused(HTTPStatus.FORBIDDEN, "The password is wrong.")
            self.tries.was_right(address)
            self.right = mark

    def signature(self, text: str) -> bytes:
        import hmac  # noqa: PLC0415  OpenSSL: 4 MB for those who have a password alone

        return hmac.digest(self.key, text.encode(), "sha256")

    def cookie(self) -> tuple[str, str]:
        """Return the header that gives a browser its cookie. Raise SecretMissing."""
        until = str(math.floor(time.time()) + LASTS_S)
        value = f"{until}.{self.mark_of(until)}"
        return (
            "Set-Cookie",
            f"{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={LASTS_S}",
        )

    def mark_of(self, until: str) -> str:
        """Return what a cookie that is good *until* is signed with. Raise SecretMissing."""
        assert self.options.password
        return self.signature(f"{until}\n{self.options.password.value()}").hex()

    def has_cookie(self, environ: Mapping[str, Any]) -> bool:
        try:
            return any(map(self.is_good, cookies_in(environ.get("HTTP_COOKIE", ""))))
        except SecretMissing:
            return False

    def is_good(self, cookie: str) -> bool:
        """Return whether a cookie is one of ours, and not too old. Raise SecretMissing."""
        until, _, mark = cookie.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) <= 12):  # noqa: PLR2004
            return False
        return int(until) > time.time() and is_same(mark, self.mark_of(until))


def cookies_in(header: str) -> list[str]:
    """Return the values of our cookie in a header; those of other programs may look as they like.

    ``http.cookies`` forgets all of them where one is odd, and takes a second for some.
    """
    pairs = (each.strip().partition("=") for each in header.split(";"))
    return [value for name, _, value in pairs if name == COOKIE][:MOST_COOKIES]


def too_many(wait_s: float) -> Refused:
    after = ("Retry-After", str(math.ceil(wait_s)))
    return Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords.", after)


def form_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a form that was sent; none where it is too large or not a form."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not 0 < length <= MOST_FORM_BYTES:
            return {}
        return fields_of(environ["wsgi.input"].read(length).decode())
    except ValueError:
        return {}


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a form or query; none where it is none. The first of a name counts."""
    try:
        fields = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def place_of(text: str) -> str:
    """Return a path of ours that *text* names; the first page where it names another place."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    place = quote(text, safe="/?&=:%") if is_ours else "/"
    return place if len(place) <= MOST_PLACE else "/"


def sent_to_login(path: str, query: str) -> Answer:
    """Send a browser to the page that asks for the password, and back afterwards."""
    place = place_of(f"{path}?{query}" if query else path)
    return to(f"/login?next={quote(place, safe='')}")
