"""What the meters of a utility counted, by the hour and by the day, from its portal on opower.com.

A reading stands at the start of its hour or day; a utility tells it a day or two later, and again
where it has been corrected, which is looked for over two weeks. The newest is told again at every
start. Electricity stands under the name of the source, gas and water under SOURCE-gas and
SOURCE-water. ``interval_energy`` is what was drawn less what was fed in.

The portal is asked every six hours. While some of the history is missing it is asked at every slot,
each time for a window of it besides. A window counts as stored when the next read begins, for the
collector journals in between. A login that is refused is not tried again for twelve hours, unless
the secret has changed, for a portal locks who tries too often.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from collector import files
from collector.clock import utc_minute
from collector.contract import BadOption, Context, SourceOptions, extras
from collector.decode import backfill, intervals
from collector.decode.backfill import Memory, Span
from collector.decode.intervals import Interval
from collector.decode.once import Once
from collector.errors import DeviceRefused, ReadFault
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds
from collector.secrets import Secret

if TYPE_CHECKING:
    from collector.sources.opower.portal import Login, Meter

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ASK_AGAIN_MS = 6 * HOUR_MS
CORRECTED_MS = 14 * DAY_MS
WINDOW_MS = 90 * DAY_MS
KEPT_MS = 5 * 365 * DAY_MS  # portals keep some three years
LEAVE_ALONE_MS = 12 * HOUR_MS
NOTHING_THERE = {400, 404, 410}  # what portals say of the time before an account was opened
PATIENCE_S = (
    300.0  # collector.sources.opower.portal ends after 240 s; names may take some more to look up
)


@dataclass(frozen=True, kw_only=True)
class OpowerOptions(SourceOptions):
    """A utility's own meter, hour by hour, from its portal on opower.com, with its history."""

    utility: str = option(
        "the utility, as the library opower names it; a wrong name lists all known ones",
        example="glendalewaterandpower",
    )
    user: str = option("user name or e-mail address at the portal", example="me@example.com")
    password: Secret = option("password at the portal", example="!secret utility-password")
    totp: Secret | None = option(
        "secret for one-time passwords, for utilities that require them (Con Edison)",
        example="!secret utility-totp",
        default=None,
    )
    account: str = option(
        "number of the account, or its last digits, if the login has several",
        example="4711",
        default="",
        pattern="[0-9A-Za-z-]*",
    )
    every: Seconds = option(
        "look this often whether there is something to ask for: the last days, every six hours, "
        "and missing history",
        example="30m",
        default=Seconds(1800),
        low=900,
        high=86400,
    )

    def extras(self) -> tuple[str, ...]:
        return ("opower",)


class Opower:
    """Fetches what one login may see."""

    Options: ClassVar[type] = OpowerOptions
    quantities = intervals.QUANTITIES
    patience_s = PATIENCE_S

    def __init__(self, name: str, options: OpowerOptions, context: Context) -> None:
        self.name = name
        self.options = options
        if options.read:
            raise BadOption("read", "all of it comes by the hour; leave 'read' out")
        self.line = f"opower {options.utility} {options.user}"
        of = " ".join([options.utility, options.account, *options.quantities])
        self.memory = Memory(name, context.state_dir / "history.json", of)
        self.refused = context.state_dir / "refused.json"
        self.asked_ms = 0
        self.history_from_ms = 0
        self.once = Once(log)

    def open(self) -> None:
        """Do nothing: each read logs in anew."""

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Fetch what is due, oldest first. Raise ReadFault, NotProvided."""
        progress = self.memory.begin()
        recent = (at_ms - CORRECTED_MS) // DAY_MS * DAY_MS, at_ms
        wanted = (at_ms - KEPT_MS) // DAY_MS * DAY_MS, recent[0]
        window = backfill.next_window(wanted, progress.spans, WINDOW_MS)
        older = [window] if window and at_ms >= self.history_from_ms else []
        if not older and 0 <= at_ms - self.asked_ms < ASK_AGAIN_MS:
            return []
        _, answers = self.ask(at_ms, [recent, *older])
        if isinstance(answers[0], ReadFault):
            raise answers[0]
        rows = self.readings(answers[0], at_ms)
        # What is not recent any more at the next read has been asked for by now.
        spans = [(recent[0], recent[0] + DAY_MS)]
        if older and (history := self.history(answers[1], older[0], at_ms)) is not None:
            rows = self.readings(history, at_ms) + rows
            spans += older
        news = backfill.news(progress, rows)
        done = backfill.after(progress, spans, news, recent[0])
        self.memory.end(done)
        if older and not backfill.missing(wanted, done.spans):
            log.info("%s: the history since %s is fetched", self.name, day(wanted[0]))
        is_first, self.asked_ms = not self.asked_ms, at_ms
        return with_newest(news, rows) if is_first else news

    def journalled(self) -> None:
        self.memory.journalled()

    def history(
        self, answer: list[Interval] | ReadFault, window: Span, at_ms: int
    ) -> list[Interval] | None:
        """Return what was counted in *window*; None where it can't be had now."""
        if isinstance(answer, DeviceRefused) and answer.code in NOTHING_THERE:
            answer = []
        if isinstance(answer, ReadFault):  # no reason to be without the last days
            self.history_from_ms = at_ms + ASK_AGAIN_MS
            self.tell(f"no history now: {answer}")
            return None
        log.debug("%s: %s to %s: %d intervals", self.name, *map(day, window), len(answer))
        return answer

    def readings(self, told: Iterable[Interval], at_ms: int) -> list[Reading]:
        """Return one reading for all that begins at a time, oldest first, if it has ended."""
        rows: dict[tuple[int, str], dict[str, float]] = {}
        for each in told:
            if each.end_ms <= at_ms:
                rows.setdefault((each.begin_ms, each.kind), {}).update(intervals.values(each))
        return [
            Reading(kind, self.name + intervals.KINDS[kind], begin_ms, values)
            for (begin_ms, kind), values in sorted(rows.items())
            if values
        ]

    def read_raw(self) -> list[dict[str, Any]]:
        """Return the meters of the login."""
        now_ms = round(datetime.now(UTC).timestamp() * 1000)
        found, _ = self.ask(now_ms, [])
        return [
            {
                "label": each.kind,
                "text": f"…{each.account.utility_account_id[-4:]}",
                "quantity": "",
                "value": None,
                "meaning": f"{each.account.read_resolution}, {each.unit or 'unit not known'}",
            }
            for each in found
        ]

    def ask(
        self, at_ms: int, windows: Sequence[Span]
    ) -> "tuple[list[Meter], list[list[Interval] | ReadFault]]":
        """Log in and return the meters, and what they counted in *windows*. Raise ReadFault."""
        with extras.importing("opower"):
            from collector.sources.opower import portal  # noqa: PLC0415  24 MB, only where it is needed
        login = self.login()
        self.check_refused(login, at_ms)
        try:
            meters, answers = portal.fetch(login, self.options.account, windows)
        except DeviceRefused as error:
            if error.code == portal.LOGIN_REFUSED:
                self.remember_refused(login, at_ms, str(error))
            raise
        for each in meters:
            if each.unit is None:
                self.tell(f"{each.kind} is left out: the portal does not give its unit")
        return meters, answers

    def login(self) -> "Login":
        from collector.sources.opower.portal import Login  # noqa: PLC0415  see above

        options = self.options
        totp = options.totp.value() if options.totp else None
        return Login(options.utility, options.user, options.password.value(), totp)

    def check_refused(self, login: "Login", at_ms: int) -> None:
        """Raise DeviceRefused where just this login has been refused a short time ago."""
        with suppress(OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            was = json.loads(files.read(self.refused))
            until_ms = int(was["at_ms"]) + LEAVE_ALONE_MS
            same = fingerprint(login, bytes.fromhex(was["salt"])) == was["login"]
            if same and until_ms - LEAVE_ALONE_MS <= at_ms < until_ms:
                when = utc_minute(until_ms)
                raise DeviceRefused(
                    f"{was['why']} (tried again after {when}, or as soon as the secret changes)"
                )

    def remember_refused(self, login: "Login", at_ms: int, why: str) -> None:
        salt = os.urandom(16)
        was = {"at_ms": at_ms, "salt": salt.hex(), "login": fingerprint(login, salt), "why": why}
        try:
            self.refused.parent.mkdir(parents=True, exist_ok=True)
            self.refused.write_text(json.dumps(was), encoding="utf-8")
        except OSError as error:
            log.warning("%s: %s cannot be written: %s", self.name, self.refused, error.strerror)

    def tell(self, news: str) -> None:
        self.once.warning(news, f"{self.name}: {news}")


def fingerprint(login: "Login", salt: bytes) -> str:
    """Return by what a login is known again; to guess it from that takes long."""
    text = json.dumps([login.utility, login.user, login.password, login.totp])
    return hashlib.pbkdf2_hmac("sha256", text.encode(), salt, 300_000).hex()


def day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def with_newest(news: Sequence[Reading], rows: Iterable[Reading]) -> list[Reading]:
    """Return *news* and the newest of each device in *rows*, oldest first. Pure."""
    newest = {each.device: each for each in rows}
    again = [each for each in newest.values() if each not in news]
    return sorted([*news, *again], key=lambda each: each.at_ms)
