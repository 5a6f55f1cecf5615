"""A public service on the web: asked by HTTP, and left alone for as long as it wishes."""

from collections.abc import Callable
from http import HTTPStatus

from collector.clock import utc_minute
from collector.errors import DeviceRefused
from collector.lines import http

CLOCK_MAY_DIFFER_S = 600
LEAVE_ALONE_S = 3600.0  # where 429 comes without a wish: the limits are by minute, hour and day
LONGEST_LEAVE_ALONE_S = 86400.0
MOST_REASON = 100


class PublicService:
    """The service that messages call *name*."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.silent_until_ms = 0

    def check_silence(self, at_ms: int) -> None:
        """Raise DeviceRefused where it still wants to be left alone."""
        if at_ms < self.silent_until_ms:
            until = utc_minute(self.silent_until_ms)
            raise DeviceRefused(f"{self.name} wants to be left alone until {until}")

    def get(self, url: str, where: str, at_ms: int, reason_in: Callable[[bytes], str]) -> bytes:
        """Return the body that *url* has, which messages call *where*. Raise ReadFault.

        *reason_in* finds the words in the body of a refusal.
        """
        page = http.get(url)
        if page.at and abs(page.at.timestamp() - at_ms / 1000) > CLOCK_MAY_DIFFER_S:
            told = utc_minute(round(page.at.timestamp() * 1000))
            raise DeviceRefused(f"the clock is not right: {self.name} says that it is {told}")
        if page.status == HTTPStatus.OK:
            return page.body
        wish_s = page.retry_after_s
        if wish_s is None and page.status == HTTPStatus.TOO_MANY_REQUESTS:
            wish_s = LEAVE_ALONE_S
        self.silent_until_ms = at_ms + round(1000 * min(wish_s or 0, LONGEST_LEAVE_ALONE_S))
        raise DeviceRefused(f"{where} answers {page.status} {reason_in(page.body)!r}", page.status)


def first_words(body: bytes) -> str:
    return body[:MOST_REASON].decode("utf-8", "replace")
