"""Heartbeat: a request now and then, as long as devices are read. Its absence is the alarm.

A Pi that is dead sends no alert; a service that waits for the request does (healthchecks.io and its
kind).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Literal

from collector.contract import LONGEST_EVERY_S, BadOption, Context, OutputOptions
from collector.errors import OutputAway, ReadFault
from collector.lines.http import Server
from collector.options import option
from collector.outputs.notify.post import LIMITS, QUOTED, stores, value_of
from collector.reading import kind_of
from collector.safe_text import safe
from collector.scalars import Seconds
from collector.secrets import Secret

OF_OURS = {"collector", "alert"}  # these come also where no device is read


@dataclass(frozen=True, kw_only=True)
class HeartbeatOptions(OutputOptions):
    """Asks for an address while devices are read: a service misses it when the Pi is dead."""

    url: str = option("address to ask for", example="https://hc-ping.com")
    path: Secret | None = option(
        "what follows in the address and is secret", example="!secret heartbeat-path", default=None
    )
    every: Seconds = option(
        "interval; the service should wait three times as long",
        example="5m",
        default=Seconds(300),
        low=1,
        high=LONGEST_EVERY_S,
    )


class Heartbeat:
    """One address."""

    Options: ClassVar[type] = HeartbeatOptions
    batch_size = 5_000
    wants: Literal["all", "newest"] = "newest"
    resend: Literal["idempotent", "asks first", "newest only"] = "newest only"

    def __init__(self, name: str, options: HeartbeatOptions, context: Context) -> None:  # noqa: ARG002  every output gets them
        self.options = options
        try:
            self.server = Server(options.url, f"the heartbeat at {options.url}", LIMITS)
        except ValueError as error:
            raise BadOption("url", str(error)) from error

    def open(self) -> None:
        """Do nothing: the first request connects."""

    def newest_ms(self) -> int | None:
        """Return None: nothing is stored there."""
        return None

    def write(self, batch: Sequence[bytes]) -> None:
        """Ask for the address, where a device was read. Raise OutputAway, SecretMissing."""
        if all(kind_of(line) in OF_OURS for line in batch):
            return
        path = value_of(self.options.path) if self.options.path else ""
        try:
            answer = self.server.ask("GET", f"/{path.lstrip('/')}" if path else "")
        except ReadFault as error:
            raise OutputAway(str(error)) from error
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            mend = f"; {stores(self.options.path)}" if self.options.path else ""
            words = f"{answer.status} {safe(answer.text)[:QUOTED]!r}{mend}"
            raise OutputAway(f"{self.server.name} answered {words}", answer.retry_after_s)

    def close(self) -> None:
        self.server.close()
