"""PostgreSQL and TimescaleDB: delivers readings into wide tables, one per kind of device.

A batch is a transaction with one INSERT per kind, whose values come as one array per column.
That takes no longer than COPY into a temporary table, and needs none. A reading sent twice is the
same row (``Tables.insert``).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from collector.contract import Context, extras
from collector.contract.site import taken
from collector.errors import OutputAway, ReadingsRefused
from collector.outputs.postgresql import views
from collector.outputs.postgresql.answers import Failed, Login
from collector.outputs.postgresql.options import (
    PostgreSQLOptions,
    is_here,
    password_in,
    place,
)
from collector.outputs.postgresql.rows import Rows, fault, month_of, rows_of
from collector.outputs.postgresql.tables import NotOurs, Tables
from collector.reading import time_ms

if TYPE_CHECKING:
    from collector.outputs.postgresql.connection import Connection

log = logging.getLogger(__name__)

CONNECT_S = 10.0
ANSWER_S = 40.0  # the server gives up after 30 s, unless it hangs
OLDEST_SERVER = 120_000
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"  # the library that comes with psycopg has others
SETTINGS = (
    "SET statement_timeout = '30s'; SET lock_timeout = '5s'; "
    "SET idle_in_transaction_session_timeout = '1min'; SET TimeZone = 'UTC'"
)
NOW = "SELECT floor(extract(epoch FROM now()) * 1000)::bigint"
TOO_LONG, IS_LOCKED = "57014", "55P03"


class PostgreSQL:
    """One database, in which every row has the ``site`` of this house."""

    Options: ClassVar[type] = PostgreSQLOptions
    batch_size = 1_000
    keeps_kinds = True
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "idempotent"

    def __init__(self, name: str, options: PostgreSQLOptions, context: Context) -> None:
        self.name = name
        self.options = options
        self.zone = context.zone.key
        self.installation = context.installation
        self.host, self.port = place(options.url)
        self.ca = str(context.config_dir / options.ca) if options.ca else SYSTEM_CAS
        self.sslmode = options.sslmode or ("disable" if is_here(self.host) else "verify-full")
        self.login = Login(
            f"PostgreSQL at {options.url}",
            self.host,
            options.user,
            options.database,
            options.password.name,
        )
        tags = context.tags(options)
        self.tables = Tables(self.ask, tags.pop("site"), tags)
        self.patience_s = ANSWER_S
        self.connection: Connection | None = None
        self.newest_seen_ms = 0
        self.kept_from = ""
        self.is_purge_due = False
        self.views_failed = False

    # Connecting

    def open(self) -> None:
        """Connect where that is not done, and look at what is there. Raise OutputAway."""
        if self.connection is None or self.connection.has_hung_up():
            self.connect()
        else:
            self.hold_site()
        self.is_purge_due = True

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def connect(self) -> None:
        self.close()
        with extras.importing("postgresql"):
            import psycopg  # noqa: PLC0415  25 MB, only where it is configured

            from collector.outputs.postgresql import connection as line  # noqa: PLC0415
        settings = self.settings(can_choose=line.asks_how_to_log_in())
        try:
            self.connection = line.connect(settings, min(CONNECT_S, self.patience_s))
        except psycopg.Error as error:
            raise self.login.refused(str(error)) from None  # its traceback holds the password
        except line.Late as error:
            raise OutputAway(f"{self.login.where}: {error}") from None
        try:
            self.check_version(self.connection.version)
            self.ask(SETTINGS)
            with self.nothing_foreign(), self.transaction():
                views.put_site(self.ask, self.tables.site, self.zone, self.installation)
            self.hold_site()
            self.tables.look()
            self.make_views()
        except OutputAway:
            self.close()
            raise

    def hold_site(self) -> None:
        """Raise OutputAway where another installation writes our site."""
        site = self.tables.site
        if other := views.hold_site(self.ask, site, self.installation):
            mend = "give this house another 'site'"
            raise taken(self.login.where, other, f"site {site!r}", mend)

    def settings(self, *, can_choose: bool) -> dict[str, str]:
        """Return what libpq is given, the password among it."""
        # A server that is not known to be the right one gets no password as it is. In the other
        # modes libpq would check a certificate against 'sslrootcert' too.
        checks = self.sslmode.startswith("verify")
        choice = {"require_auth": "!password"} if can_choose else {}
        return {
            "host": self.host,
            "port": str(self.port),
            "dbname": self.options.database,
            "user": self.options.user,
            "password": password_in(self.options.password),
            "sslmode": self.sslmode,
            "gssencmode": "disable",
            "client_encoding": "utf8",
            "application_name": f"energy-monitor {self.name}",
            "keepalives_idle": "30",
            "tcp_user_timeout": "30000",
            **({"sslrootcert": self.ca} if checks else choice),
        }

    def check_version(self, version: int) -> None:
        if version < OLDEST_SERVER:
            raise OutputAway(
                f"{self.login.where} is version {version // 10_000}: 12 or newer is needed"
            )

    def newest_ms(self) -> int | None:
        """Return the time of this site's newest row, 0 for none; None where that takes too long."""
        try:
            return self.tables.newest_ms()
        except Failed as error:
            if error.code == TOO_LONG:
                return None
            raise

    # Writing

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        if self.connection is None:
            self.connect()
        elif self.connection.has_hung_up():
            self.close()
            raise OutputAway(
                f"{self.login.where}: connection was closed by the server: it may have restarted",
                retry_after_s=0,
            )
        if self.options.retention is not None:
            self.purge(self.options.retention, max(map(time_ms, batch)))
        refused = self.store(dict(enumerate(batch)))
        if refused:
            raise ReadingsRefused(dict(sorted(refused.items())))

    def store(self, lines: Mapping[int, bytes], *, again: bool = False) -> dict[int, str]:
        """Store *lines*, keyed by position, and return the reason for each that is refused.

        no such name, too old      of one of them                   → find it by halves
        class 22, 23, 54           one can never be stored          → likewise
        42P01, 42703, no part      what was known has changed       → look, and once more
        anything else              not now                          → raise OutputAway
        """
        rows = rows_of(lines.values())
        why = next(filter(None, (self.unfit(kind, each) for kind, each in rows.items())), "")
        try:
            if not why:
                self.store_rows(rows)
                return {}
        except Failed as error:
            if error.tables_changed and not again:
                self.tables.look()
                return self.store(lines, again=True)
            if not error.is_of_a_row:
                raise
            why = error.words
        if len(lines) == 1:
            return dict.fromkeys(lines, why)
        half = len(lines) // 2
        parts = [*lines.items()][:half], [*lines.items()][half:]
        return self.store(dict(parts[0])) | self.store(dict(parts[1]))

    def unfit(self, kind: str, rows: Rows) -> str:
        """Return why there is no place for some of *rows*; nothing where there is for all."""
        if self.kept_from and min(rows.months) < self.kept_from:
            return f"it is older than 'retention': readings are kept from {self.kept_from} on"
        return fault(kind, rows, self.tables.tags)

    def store_rows(self, rows: Mapping[str, Rows]) -> None:
        if any(self.tables.lacks(kind, each) for kind, each in rows.items()):
            with self.nothing_foreign(), self.transaction():
                self.tables.make(rows)
            self.make_views()
        with self.transaction():
            for kind, each in rows.items():
                self.tables.insert(kind, each)

    def make_views(self) -> None:
        """Make or replace the views that need it. One that can't be made holds up no reading."""
        for name, statement, mark in views.outdated(self.ask, self.tables.quantities):
            try:
                with self.transaction():
                    views.make(self.ask, name, statement, mark)
            except Failed as error:
                if not self.views_failed:
                    log.warning("%s: the view %s is not made: %s", self.name, name, error)
                self.views_failed = True
                if self.connection is None:
                    raise

    def purge(self, retention: float, newest_ms: int) -> None:
        """Drop what is older, by the older of the server's clock and the newest reading."""
        self.newest_seen_ms = max(self.newest_seen_ms, newest_ms)
        if not self.is_purge_due:
            return
        self.is_purge_due = False
        ((now_ms,),) = self.ask(NOW)
        limit_ms = min(int(now_ms), self.newest_seen_ms) - int(retention * 1000)
        self.kept_from = month_of(max(limit_ms, 0))
        for table, part in self.tables.over(self.kept_from):
            try:
                self.tables.drop(table, part)
            except Failed as error:
                if error.code != IS_LOCKED:
                    raise
                return  # somebody reads it: the next time then
            log.info("%s: dropped %s, older than 'retention'", self.name, part)
        self.tables.drop_chunks(self.kept_from)

    # Statements

    def ask(self, statement: str, values: Sequence[object] = ()) -> Sequence[tuple[Any, ...]]:
        """Run a statement and return its rows. Raise OutputAway."""
        import psycopg  # noqa: PLC0415  it is there: there is a connection

        from collector.outputs.postgresql.connection import Late  # noqa: PLC0415

        if self.connection is None:
            raise OutputAway(f"{self.login.where}: connection was closed")
        try:
            return self.connection.ask(statement, values, self.patience_s)
        except Late as error:
            self.close()
            raise OutputAway(f"{self.login.where}: {error}") from error
        except psycopg.Error as error:
            if self.connection.is_closed:
                self.close()
            words = error.diag.message_primary or str(error)
            raise self.login.away(
                error.sqlstate or "", words, error.diag.constraint_name
            ) from error

    @contextmanager
    def nothing_foreign(self) -> Iterator[None]:
        """Say of what somebody else has made that it stands in the way. Raise OutputAway."""
        try:
            yield
        except NotOurs as error:
            raise OutputAway(
                f"{self.login.where}: {error} is there and not Energy Monitor's; give it a "
                "database of its own, or, where Energy Monitor has made it, there: ALTER TABLE "
                f'"{error}" OWNER TO "{self.options.user}"'
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of the block or nothing."""
        self.ask("BEGIN")
        try:
            yield
            self.ask("COMMIT")
        except BaseException:
            if self.connection is not None:
                with suppress(OutputAway):
                    self.ask("ROLLBACK")
            raise
