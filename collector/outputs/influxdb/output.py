"""InfluxDB: delivers readings as line protocol, straight from the journal.

Works with InfluxDB 2.x and 3, and with 1.8 where the token is ``user:password`` and the bucket
``database/policy``. One POST at a time goes to ``/api/v2/write`` over a connection that is kept;
a reading sent twice is the same point. ``InfluxDB.store`` tells what is made of each answer.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import ClassVar, Literal
from urllib.parse import urlencode

from collector.contract import BadOption, Context, OutputOptions
from collector.contract.documents import parsed
from collector.contract.site import QUOTED_CHARACTERS, taken
from collector.errors import OutputAway, ReadFault, ReadingsRefused, SecretMissing
from collector.lines.http import Server
from collector.lines.http_answer import Limits
from collector.options import option
from collector.outputs.influxdb.site import EVER, LATELY, installations, mark
from collector.reading import time_ms
from collector.safe_text import safe
from collector.secrets import Secret

log = logging.getLogger(__name__)

LIMITS = Limits(connect_s=5.0, wait_s=30.0, answer_s=60.0, most_bytes=1_000_000)
FAILURES_BEFORE_SEARCH = 5  # a server in trouble answers 500 too, and mostly recovers by itself
LOOK_BACK = ("1h", "30d")  # an hour is one shard: cheap, and enough where nothing was lost


@dataclass(frozen=True, kw_only=True)
class InfluxDBOptions(OutputOptions):
    """Delivers readings to InfluxDB 2.x, 3 or 1.8."""

    url: str = option("address of InfluxDB", example="http://localhost:8086")
    org: str = option("organisation that owns the bucket; 1.8 has none", example="home", default="")
    bucket: str = option("bucket for the readings; 'database/policy' on 1.8", example="energy")
    token: Secret = option(
        "token that may write to the bucket; 'user:password' on 1.8",
        example="!secret influxdb-token",
    )
    read_token: Secret | None = option(
        "token that may read the bucket; with it, readings that the database has lost are "
        "detected and sent again",
        example="!secret influxdb-read-token",
        default=None,
    )


@dataclass(frozen=True)
class Answer:
    """What the server answered; *said* is its message, *retry_after_s* its wish if it had one."""

    status: int
    said: str
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.said[:QUOTED_CHARACTERS]!r}"

    @property
    def stored(self) -> bool:
        """Whether all is stored. Other servers may say 200: to a login page, for instance."""
        return self.status == HTTPStatus.NO_CONTENT

    @property
    def blames_lines(self) -> bool:
        """Whether lines are at fault. A 400 may also come of a wrong 'org' or of http for https."""
        return self.status == HTTPStatus.UNPROCESSABLE_ENTITY or (
            self.status == HTTPStatus.BAD_REQUEST
            and ("unable to parse" in self.said or "partial write" in self.said)
        )

    @property
    def blamed(self) -> int:
        """How many lines the message says are at fault, as far as it does."""
        dropped = re.search(r"dropped=([0-9]{1,9})(?!\w)", self.said)
        return max(int(dropped[1]) if dropped else 0, self.said.count("unable to parse '"))


class InfluxDB:
    """One bucket, in which every reading carries the tag ``site`` of this house and its own."""

    Options: ClassVar[type] = InfluxDBOptions
    batch_size = 5_000
    keeps_kinds = True
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "idempotent"

    def __init__(self, name: str, options: InfluxDBOptions, context: Context) -> None:  # noqa: ARG002  every output gets its name
        self.options = options
        self.tags = context.tags(options)
        self.tag_text = "".join(f",{name}={word}" for name, word in self.tags.items()) + " "
        try:
            self.server = Server(options.url, f"InfluxDB at {options.url}", LIMITS)
        except ValueError as error:
            raise BadOption("url", str(error)) from error
        self.installation = context.installation
        self.told: set[str] = set()
        self.is_mark_due = False
        self.first = b""
        self.failures = 0

    def open(self) -> None:
        """Look whether another installation writes our site. Raise OutputAway.

        The first write connects, and each later one where it must.
        """
        if self.installation and self.options.read_token is not None:
            self.check_site()
            self.is_mark_due = True

    def check_site(self) -> None:
        """Refuse to begin where another installation is at work; tell of one that comes later."""
        others = (self.marks(LATELY) or set()) - {self.installation}
        if not others:
            return
        which, place = ", ".join(sorted(others)), f"site {self.site!r}"
        if self.installation not in (self.marks(EVER) or set()):
            raise taken(self.server.name, which, place, "give this house another 'site'")
        if others - self.told:
            log.warning(
                "%s: another installation (%s) writes %s there, so two houses become one: give one "
                "of them another 'site'",
                self.server.name,
                safe(which[:QUOTED_CHARACTERS]),
                place,
            )
        self.told = others

    def marks(self, span: str) -> set[str] | None:
        """Return which installations wrote our site within *span*; None where it is not known."""
        token = self.options.read_token
        assert token is not None

        def ask(path: str, fields: Mapping[str, str]) -> tuple[int, str]:
            answer = self.ask("GET", path, fields, token_in(token))
            return answer.status, answer.said

        try:
            return installations(ask, self.options.bucket, self.site, span)
        except OutputAway:
            return None

    @property
    def site(self) -> str:
        return self.tags["site"]

    def close(self) -> None:
        self.server.close()

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        self.check_connection()
        if batch[0] != self.first:
            self.first, self.failures = batch[0], 0
        tag = self.tag_text.encode()
        lines = [line.replace(b" ", tag, 1) for line in batch]
        # Readings are refused by series (a field has another type) or by age (too old to keep).
        # Side by side they are told from the others in far fewer requests.
        by_series = sorted(range(len(lines)), key=lambda at: lines[at].partition(b" ")[0])
        refused = self.store({at: lines[at] for at in by_series}, newest=lines[-1])
        if self.is_mark_due:
            self.is_mark_due = False
            # Of the oldest reading's time, so that no mark looks like the newest point.
            self.post(mark(self.site, self.installation, min(map(time_ms, batch))))
        if refused:
            raise ReadingsRefused(dict(sorted(refused.items())))

    def check_connection(self) -> None:
        """Raise OutputAway where the server hung up after the last batch: the next try connects.

        A server that has restarted may have lost what it had taken, so it must be asked first.
        """
        if self.server.has_hung_up():
            raise OutputAway(
                f"InfluxDB at {self.options.url}: connection was closed by the server: "
                "it may have restarted",
                retry_after_s=0,
            )

    def store(self, lines: dict[int, bytes], newest: bytes) -> dict[int, str]:
        """Send *lines*, keyed by position, and return the reason for each that is refused.

        204                        all are stored
        413                        too many at once                 → send halves
        400, 422 that blame lines  good ones stored, perhaps none   → find the bad by halves
        500 for the fifth time     a line that the server can't do? → likewise, while it
                                   still takes the *newest* one
        anything else              not now                          → raise OutputAway
        """
        answer = self.post(b"\n".join(lines.values()))
        if answer.stored:
            return {}
        failed = answer.status == HTTPStatus.INTERNAL_SERVER_ERROR
        self.failures += failed
        searching = failed and self.failures >= FAILURES_BEFORE_SEARCH
        too_large = answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if not (too_large or answer.blames_lines or searching):
            raise self.away(answer)
        if len(lines) == 1 and searching and not self.post(newest).stored:
            raise self.away(answer)
        if len(lines) in {1, answer.blamed}:
            return dict.fromkeys(lines, str(answer))
        half = len(lines) // 2
        parts = [*lines.items()][:half], [*lines.items()][half:]
        return self.store(dict(parts[0]), newest) | self.store(dict(parts[1]), newest)

    def post(self, body: bytes) -> Answer:
        fields = {"org": self.options.org, "bucket": self.options.bucket, "precision": "ms"}
        token = token_in(self.options.token)
        answer = self.ask("POST", "/api/v2/write", fields, token, body)
        return replace(answer, said=answer.said.replace(token, "…"))

    def newest_ms(self) -> int | None:
        """Return the time of this site's newest point, 0 where the last 30 days hold none.

        None where there is no read token or the server does not say. InfluxQL is asked for, which
        2.x serves with the bucket as database; 'a/b' is database 'a' with policy 'b'.
        """
        if self.options.read_token is None:
            return None
        database, _, policy = self.options.bucket.partition("/")
        fields = {"db": database, "epoch": "ms"} | ({"rp": policy} if policy else {})
        for span in LOOK_BACK:
            fields["q"] = (
                f"SELECT * FROM /.*/ WHERE {self.ours} AND time > now() - {span} "  # noqa: S608  see ``ours``
                "ORDER BY time DESC LIMIT 1"
            )
            try:
                answer = self.ask("GET", "/query", fields, token_in(self.options.read_token))
            except OutputAway:
                return None
            newest = newest_in(answer)
            if newest != 0:
                return newest
        return 0

    @property
    def ours(self) -> str:
        """The condition of InfluxQL that our points fulfil, those without newer tags too."""
        return f"\"site\" = '{self.tags['site']}'"

    def away(self, answer: Answer) -> OutputAway:
        """Say what the server answered and, where a human must mend something, what."""
        options = self.options
        mend = {
            400: "; are 'url' and 'org' right?",
            401: f"; the token in secret {options.token.name!r} is not known there: store one that "
            f"is with 'sudo energy-monitor secret set {options.token.name}'",
            403: f"; the token in secret {options.token.name!r} may not write to bucket "
            f"{options.bucket!r}: store one that may",
            404: f"; is 'url' right, and are there an org {options.org!r} and a bucket "
            f"{options.bucket!r}? 'energy-monitor setup influxdb' makes them",
        }.get(answer.status, "")
        return OutputAway(
            f"InfluxDB at {options.url}: answered {answer}{mend}", answer.retry_after_s
        )

    def ask(
        self, method: str, path: str, fields: Mapping[str, str], token: str, body: bytes = b""
    ) -> Answer:
        """Send one request and return its answer. Raise OutputAway where none comes."""
        headers = {"Authorization": f"Token {token}"}
        target = f"{path}?{urlencode(fields)}"
        try:
            answer = self.server.ask(method, target, headers, body, pack=True)
        except ReadFault as error:
            raise OutputAway(str(error)) from error
        return Answer(answer.status, message_in(answer.text), answer.retry_after_s)


def token_in(secret: Secret) -> str:
    """Return the token that *secret* holds now. Raise OutputAway where it holds none."""
    try:
        token = secret.value()
    except SecretMissing as error:
        raise OutputAway(str(error)) from error
    if not (token and token.isascii() and token.isprintable()):
        raise OutputAway(f"secret {secret.name!r} is empty or not one line of plain characters")
    return token


def message_in(text: str) -> str:
    """Return the message of an answer, which 2.x wraps in JSON, or else the whole answer."""
    try:
        message = parsed(text)["message"]
    except (ValueError, LookupError, TypeError):
        return text.strip()
    return str(message)


def newest_in(answer: Answer) -> int | None:
    """Return the newest time in ms that InfluxQL found, 0 for nothing, None where it failed."""
    try:
        result = parsed(answer.said)["results"][0]
        if answer.status != HTTPStatus.OK or "error" in result or "statement_id" not in result:
            return None
        times = [each["values"][0][0] for each in result.get("series", ())]
        return max(times, default=0) if all(type(each) is int for each in times) else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
