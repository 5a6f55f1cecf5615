"""Redis or Valkey: the newest values and the history of each device, for other programs.

A batch is one transaction: all of it is carried out, or nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from collector.contract import BadOption, Context, OutputOptions
from collector.contract.site import LATELY_S, taken
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.redis import Answer, Refusal
from collector.options import option
from collector.outputs.redis.hmap import Hmap
from collector.outputs.redis.server import Server
from collector.outputs.redis.streams import Streams
from collector.secrets import Secret

BATCH = 1_000
# A batch that is sent again must find in the stream what it stored before.
LEAST_KEPT = BATCH
RENEW_EVERY_S = 300.0  # the word of an installation expires after three of these


@dataclass(frozen=True, kw_only=True)
class RedisOptions(OutputOptions):
    """Keeps the newest values and the history of each device in Redis or Valkey."""

    url: str = option("tcp://HOST:PORT of the server", example="tcp://127.0.0.1:6379")
    database: int = option("number of the database", example=3, default=0, low=0, high=10_000)
    user: str = option("name of a login, if the server has several", example="monitor", default="")
    password: Secret | None = option(
        "password of the server or of that login", example="!secret redis-password", default=None
    )
    layout: Literal["stream", "hmap_time_series"] = option(
        "'stream': a hash PREFIX:KIND:DEVICE with the newest values, and a stream "
        "PREFIX:KIND:DEVICE:history; 'hmap_time_series': hashes PREFIX_DEVICE with the newest 3600 "
        "rows, as vemonitor writes them",
        example="hmap_time_series",
        default="stream",
    )
    prefix: str = option(
        "what every key begins with; for vemonitor's layout the name of its node",
        example="vemonitor",
        default="em",
        pattern=r"[A-Za-z0-9_.-]{1,60}",
    )
    keep: int = option(
        "readings that a stream keeps of each device, a few more at times; 0: only the newest "
        "values, without a stream",
        example=86_400,
        default=100_000,
        low=0,
        high=100_000_000,
    )


class Layout(Protocol):
    """Which keys hold what."""

    def forget(self) -> None: ...

    def newest_ms(self, server: Server) -> int | None: ...

    def write(self, server: Server, batch: Sequence[bytes]) -> dict[int, str]: ...


class Redis:
    """One database of one server."""

    Options: ClassVar[type] = RedisOptions
    batch_size = BATCH
    keeps_kinds = True
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "asks first"

    def __init__(self, name: str, options: RedisOptions, context: Context) -> None:  # noqa: ARG002  every output gets its name
        if 0 < options.keep < LEAST_KEPT:
            raise BadOption("keep", f"{options.keep} is not accepted: 0, or at least {LEAST_KEPT}")
        try:
            self.server = Server(options.url, options.database, options.user, options.password)
        except ValueError as error:
            raise BadOption("url", f"{error}, where PORT is 6379") from error
        self.installation, self.prefix = context.installation, options.prefix
        self.held_s = 0.0  # when the prefix was last held, monotonic
        self.layout: Layout = Streams(options.prefix, options.keep, context.tags(options))
        if options.layout == "hmap_time_series":
            self.layout, self.keeps_kinds = Hmap(options.prefix), False
            self.resend = "idempotent"
        elif not options.keep:
            self.wants, self.resend = "newest", "newest only"

    def open(self) -> None:
        """Connect, and log in. Raise OutputAway, SecretMissing."""
        self.layout.forget()
        self.server.open()
        if self.installation:
            self.hold_prefix()

    def hold_prefix(self) -> None:
        """Raise OutputAway where another installation writes below our prefix.

        A login that may not look, as an older list of rights says, is not told.
        """
        key = f"{self.prefix}:installation"
        word = self.server.ask_all([("GET", key)])[0]
        if isinstance(word, Refusal):
            return
        if (others := text(word)) and others != self.installation:
            mend = "give this house another 'prefix' or 'database'"
            raise taken(self.server.name, others, f"the keys {self.prefix}:…", mend)
        self.server.ask_all([("SET", key, self.installation, "EX", LATELY_S)])
        self.held_s = time.monotonic()

    def newest_ms(self) -> int | None:
        """Return the time of the newest reading that the server holds; None if it can't say."""
        return self.layout.newest_ms(self.server)

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        if self.installation and time.monotonic() > self.held_s + RENEW_EVERY_S:
            self.hold_prefix()
        try:
            refused = self.layout.write(self.server, batch)
        except OutputAway:
            self.layout.forget()
            raise
        if refused:
            raise ReadingsRefused(refused)

    def close(self) -> None:
        self.layout.forget()
        self.server.close()


def text(answer: Answer) -> str:
    return answer.decode("ascii", "replace") if isinstance(answer, bytes) else ""
