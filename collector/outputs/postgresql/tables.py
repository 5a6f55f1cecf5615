"""The tables of the house: one per kind, made and widened as readings come, a part per month.

A table that is ours has ``MARK`` as its comment and belongs to our role; no other is ever read or
changed: what another role has made can have triggers, which would run with our rights. Parts are
made beside their table and then attached, so nobody who reads it has to wait. Where TimescaleDB is
installed, the table is its hypertable instead.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collector.outputs.postgresql.rows import (
    MONTH,
    Rows,
    month_after,
    month_in,
    partition,
)

MARK = "Energy Monitor: readings"
LOCK = 7_305_804_402_000_001  # any number that no other program takes
HERE = "to_regnamespace(quote_ident(current_schema()))"
TEXT = 'text COLLATE "C"'  # no new release of the C library ever breaks an index of it
VALUE = "double precision"
CHUNK = "7 days"
PLAIN = "'^[A-Za-z0-9][A-Za-z0-9_.-]*$'"  # what needs no care within SQL
OURS = "pg_has_role(relowner, 'USAGE')"
TIMESCALE = "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"

TABLES = f"""
    SELECT relname, attname, atttypid = 'float8'::regtype, relkind = 'p' FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = {HERE} AND relkind IN ('p', 'r') AND NOT relispartition
    AND obj_description(pg_class.oid, 'pg_class') = %s
    AND {OURS} AND relname ~ {PLAIN} AND attname ~ {PLAIN}
"""  # noqa: S608  only our own words

NAMED = f"SELECT 1 FROM pg_class WHERE relname = %s AND relnamespace = {HERE}"  # noqa: S608

PARTS = f"""
    SELECT whole.relname, part.relname FROM pg_inherits
    JOIN pg_class AS whole ON whole.oid = inhparent JOIN pg_class AS part ON part.oid = inhrelid
    WHERE whole.relnamespace = {HERE} AND whole.relkind = 'p' AND part.relname ~ {PLAIN}
"""  # noqa: S608

# A look into the index for each device and part: max(time) alone would read the whole table.
NEWEST = """
    WITH RECURSIVE found (device) AS (
        (SELECT device FROM {table} WHERE site = %s ORDER BY device LIMIT 1)
        UNION ALL
        SELECT (SELECT next.device FROM {table} AS next WHERE next.site = %s
                AND next.device > found.device ORDER BY next.device LIMIT 1)
        FROM found WHERE found.device IS NOT NULL
    )
    SELECT floor(extract(epoch FROM max(newest)) * 1000)::bigint FROM (
        SELECT (SELECT max(time) FROM {table} AS own
                WHERE own.site = %s AND own.device = found.device) AS newest
        FROM found WHERE device IS NOT NULL
    ) AS each
"""

Ask = Callable[..., Sequence[tuple[Any, ...]]]


class NotOurs(Exception):
    """Something of that name is there already, and was not made by this output."""


class Tables:
    """What is there, as it was found or made; *ask* runs a statement.

    *site* is the house of all that is stored, *tags* are further words of each row.
    """

    def __init__(self, ask: Ask, site: str, tags: Mapping[str, str]) -> None:
        self.ask = ask
        self.site = site
        self.tags = tags
        self.columns: dict[str, set[str]] = {}
        self.quantities: dict[str, set[str]] = {}
        self.parts: dict[str, set[str]] = {}  # of those tables that have parts
        self.has_timescale = False

    def look(self) -> None:
        """Find out which tables, columns and parts are there."""
        self.columns, self.quantities, self.parts = {}, {}, {}
        for table, column, is_number, has_parts in self.ask(TABLES, [MARK]):
            self.columns.setdefault(table, set()).add(column)
            if is_number:
                self.quantities.setdefault(table, set()).add(column)
            if has_parts:
                self.parts.setdefault(table, set())
        for table, part in self.ask(PARTS):
            if table in self.parts:
                self.parts[table].add(part)
        self.has_timescale = bool(self.ask(TIMESCALE))

    def lacks(self, kind: str, rows: Rows) -> bool:
        """Return whether there is anything to make before *rows* can be stored."""
        if kind not in self.columns or not self.columns[kind].issuperset(
            [*rows.quantities, *self.tags]
        ):
            return True
        return kind in self.parts and not self.parts[kind].issuperset(needed(kind, rows))

    def make(self, wanted: Mapping[str, Rows]) -> None:
        """Make what *wanted* lacks, within a transaction. Raise NotOurs."""
        lock(self.ask)
        self.look()  # another house may have been here
        for kind, rows in wanted.items():
            if kind not in self.columns:
                self.make_table(kind, rows.quantities)
            elif new := {*rows.quantities, *self.tags} - self.columns[kind]:
                columns = ", ".join(f"ADD COLUMN {self.declared(name)}" for name in sorted(new))
                self.ask(f"ALTER TABLE {quoted(kind)} {columns}")
            if kind in self.parts:
                for part in sorted(needed(kind, rows) - self.parts[kind]):
                    self.make_part(kind, part)
        self.look()

    def declared(self, column: str) -> str:
        return f"{quoted(column)} {TEXT if column in self.tags else VALUE}"

    def make_table(self, kind: str, quantities: Sequence[str]) -> None:
        table = quoted(kind)
        if self.ask(NAMED, [kind]):
            raise NotOurs(kind)
        columns = ", ".join(map(self.declared, [*self.tags, *quantities]))
        parts = "" if self.has_timescale else " PARTITION BY RANGE (time)"
        self.ask(
            f"CREATE TABLE {table} (site {TEXT} NOT NULL, device {TEXT} NOT NULL, "
            f"time timestamptz NOT NULL, {columns}, PRIMARY KEY (site, device, time)){parts}"
        )
        self.ask(f"CREATE INDEX ON {table} USING brin (time)")
        self.ask(f"COMMENT ON TABLE {table} IS '{MARK}'")
        if self.has_timescale:
            self.ask(
                f"SELECT create_hypertable('{table}', 'time', create_default_indexes => false, "
                f"chunk_time_interval => interval '{CHUNK}')"
            )
        else:
            self.parts[kind] = set()

    def make_part(self, kind: str, part: str) -> None:
        table, month = quoted(kind), month_in(part)
        self.ask(f"CREATE TABLE {quoted(part)} (LIKE {table} INCLUDING DEFAULTS INCLUDING INDEXES)")
        self.ask(
            f"ALTER TABLE {table} ATTACH PARTITION {quoted(part)} FOR VALUES "
            f"FROM ('{month}-01 00:00+00') TO ('{month_after(month)}-01 00:00+00')"
        )

    def insert(self, kind: str, rows: Rows) -> None:
        """Store *rows*. A row that is there already gets what it lacks and what has changed.

        As in InfluxDB, a value replaces that of the same quantity, device and time: that is how
        a utility or a weather service corrects its history. A row that says nothing new is not
        written again, so a resend leaves the table as large as it was.
        """
        quantities = rows.quantities
        values = ", ".join(map(quoted, quantities))
        names = [quoted(each) for each in [*self.tags, *quantities]]
        kept = [f"COALESCE(EXCLUDED.{each}, known.{each})" for each in names]
        known = [f"known.{each}" for each in names]
        changes = [f"{name} = {value}" for name, value in zip(names, kept, strict=True)]
        self.ask(
            f"INSERT INTO {quoted(kind)} AS known (site, device, time, {', '.join(names)}) "  # noqa: S608
            f"SELECT %s, device, timestamptz 'epoch' + at * interval '1 millisecond', "
            f"{'%s, ' * len(self.tags)}{values} "
            f"FROM unnest(%s::text[], %s::bigint[]{', %s::float8[]' * len(quantities)}) "
            f"AS given (device, at, {values}) "
            f"ON CONFLICT (site, device, time) DO UPDATE SET {', '.join(changes)} "
            f"WHERE ({', '.join(known)}) IS DISTINCT FROM ({', '.join(kept)})",
            [self.site, *self.tags.values(), *rows.columns()],
        )

    def newest_ms(self) -> int:
        """Return the time of this site's newest reading; 0 where there is none."""
        found = [
            self.ask(NEWEST.format(table=quoted(each)), [self.site] * 3) for each in self.columns
        ]
        return max((int(rows[0][0] or 0) for rows in found), default=0)

    def over(self, first: str) -> list[tuple[str, str]]:
        """Return the parts of months before *first*, each with its table."""
        return [
            (table, part)
            for table, parts in self.parts.items()
            for part in sorted(parts)
            if MONTH.fullmatch(part[-8:]) and month_in(part) < first
        ]

    def drop(self, table: str, part: str) -> None:
        self.ask(f"DROP TABLE {quoted(part)}")
        self.parts[table].discard(part)

    def drop_chunks(self, first: str) -> None:
        """Drop what is before the month *first* of the tables that TimescaleDB keeps."""
        for kind in self.columns.keys() - self.parts.keys() if self.has_timescale else ():
            limit = f"timestamptz '{first}-01 00:00+00'"
            self.ask(f"SELECT drop_chunks('{quoted(kind)}', older_than => {limit})")


def lock(ask: Ask) -> None:
    """Wait until no other house makes tables, in a transaction."""
    ask("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def needed(kind: str, rows: Rows) -> set[str]:
    """Return the parts that *rows* need, and the one after them, which is made ahead."""
    months = rows.months
    return {partition(kind, each) for each in [*months, month_after(max(months))]}


def quoted(name: str) -> str:
    """Write a plain word as a name in SQL: it has no quote within."""
    return f'"{name}"'
