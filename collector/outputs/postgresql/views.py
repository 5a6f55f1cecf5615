"""The views: readings one value a row, and what the lights used by minute, hour and day."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from collector.contract.site import LATELY_S
from collector.outputs.postgresql.tables import HERE, OURS, Ask, NotOurs, lock, quoted

MARK = "Energy Monitor: view"
SITES = "energy_monitor_sites"
LIGHTS, WATTS = "lighting_total", "estimated_power"

RELATIONS = f"""
    SELECT relname, relkind::text, obj_description(oid, 'pg_class') FROM pg_class
    WHERE relnamespace = {HERE} AND relname IN ('readings_long', 'usage_by_minute',
        'usage_by_hour', 'usage_by_day')
"""  # noqa: S608  only our own words

MAKE_SITES = f"""
    CREATE TABLE IF NOT EXISTS {SITES} (
        site text PRIMARY KEY, zone text NOT NULL, installation text, seen timestamptz
    )
"""
# Whose a site is: nobody's, ours, or of one that has not been seen lately.
IS_OURS = f"""
    (known.installation IS NULL OR known.installation = %s
        OR known.seen < now() - interval '{LATELY_S} seconds')
"""
PUT_SITE = f"""
    INSERT INTO {SITES} AS known (site, zone) VALUES (%s, %s)
    ON CONFLICT (site) DO UPDATE SET zone = EXCLUDED.zone
    WHERE known.zone <> EXCLUDED.zone AND {IS_OURS}
"""  # noqa: S608
HOLD = f"""
    UPDATE {SITES} AS known SET installation = %s, seen = now() WHERE site = %s AND {IS_OURS}
    RETURNING site
"""  # noqa: S608
HELD_BY = f"SELECT installation FROM {SITES} WHERE site = %s"  # noqa: S608

# A table of an older release has no place for whose a site is.
HAS_PLACE = f"""
    SELECT 1 FROM pg_attribute WHERE attrelid = '{SITES}'::regclass AND attname = 'installation'
"""  # noqa: S608
MAKE_PLACE = f"ALTER TABLE {SITES} ADD COLUMN installation text, ADD COLUMN seen timestamptz"

FOREIGN = f"""
    SELECT 1 FROM pg_class WHERE relnamespace = {HERE} AND relname = %s AND NOT {OURS}
"""  # noqa: S608

# The mean of each minute, of each device, and of all devices their sum.
BY_MINUTE = f"""
    SELECT (extract(epoch FROM minute) / 60)::bigint AS id, minute AS time, site, watts,
        extract(year FROM local)::int AS year, extract(month FROM local)::int AS month,
        extract(day FROM local)::int AS day, extract(isodow FROM local)::int AS weekday,
        extract(hour FROM local)::int AS hour, extract(minute FROM local)::int AS minute
    FROM (
        SELECT site, minute, sum(watts) AS watts, minute AT TIME ZONE zone AS local
        FROM (
            SELECT site, device, date_trunc('minute', time) AS minute, avg({WATTS}) AS watts
            FROM {LIGHTS} WHERE {WATTS} IS NOT NULL GROUP BY 1, 2, 3
        ) AS devices JOIN {SITES} USING (site) GROUP BY site, minute, zone
    ) AS minutes
"""  # noqa: S608

# An hour begins where the clock of the house says so; in autumn one comes twice.
BY_HOUR = f"""
    SELECT time, site, avg(watts) AS watts, sum(watts) / 60 AS watt_hours, count(*) AS minutes
    FROM (
        SELECT site, watts, usage.time - (usage.time AT TIME ZONE zone
            - date_trunc('hour', usage.time AT TIME ZONE zone)) AS time
        FROM usage_by_minute AS usage JOIN {SITES} USING (site)
    ) AS minutes GROUP BY time, site
"""  # noqa: S608

BY_DAY = f"""
    SELECT day, day::timestamp AT TIME ZONE zone AS time, site, avg(watts) AS watts,
        sum(watts) / 60 AS watt_hours, count(*) AS minutes
    FROM (
        SELECT site, zone, watts, (usage.time AT TIME ZONE zone)::date AS day
        FROM usage_by_minute AS usage JOIN {SITES} USING (site)
    ) AS minutes GROUP BY day, site, zone
"""  # noqa: S608


def statements(quantities: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the statement of each view over tables with these *quantities*, by its name. Pure."""
    found = {"readings_long": long_form(quantities)} if quantities else {}
    if WATTS in quantities.get(LIGHTS, ()):
        found |= {"usage_by_minute": BY_MINUTE, "usage_by_hour": BY_HOUR, "usage_by_day": BY_DAY}
    return found


def long_form(quantities: Mapping[str, Iterable[str]]) -> str:
    """Return the statement that gives one row for each value of each table."""
    parts = []
    for kind in sorted(quantities):
        pairs = ", ".join(f"('{each}', {quoted(each)})" for each in sorted(quantities[kind]))
        parts.append(
            f"SELECT time, site::text, device::text, each.quantity, each.value "  # noqa: S608
            f"FROM {quoted(kind)} CROSS JOIN LATERAL (VALUES {pairs}) AS each (quantity, value) "
            "WHERE each.value IS NOT NULL"
        )
    return " UNION ALL ".join(parts)


def outdated(ask: Ask, quantities: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str, str]]:
    """Yield name, statement and mark of each view that is to be made or replaced.

    The mark, which is its comment, tells what it was made from. One without is not ours.
    """
    known = {name: (kind, comment or "") for name, kind, comment in ask(RELATIONS)}
    for name, statement in statements(quantities).items():
        mark = f"{MARK} {hashlib.sha256(statement.encode()).hexdigest()[:16]}"
        kind, comment = known.get(name, ("v", MARK))
        if kind == "v" and comment.startswith(MARK) and comment != mark:
            yield name, statement, mark


def put_site(ask: Ask, site: str, zone: str, installation: str) -> None:
    """Note where the days of a house begin, in a transaction. Raise NotOurs."""
    lock(ask)
    if ask(FOREIGN, [SITES]):
        raise NotOurs(SITES)
    ask(MAKE_SITES)
    if not ask(HAS_PLACE):
        ask(MAKE_PLACE)
    ask(PUT_SITE, [site, zone, installation])


def hold_site(ask: Ask, site: str, installation: str) -> str:
    """Take a site, or keep it, for an installation; return which other one has it, '' for none."""
    if not installation or ask(HOLD, [installation, site, installation]):
        return ""
    held = ask(HELD_BY, [site])
    return str(held[0][0]) if held else ""


def make(ask: Ask, name: str, statement: str, mark: str) -> None:
    """Make or replace a view, in a transaction."""
    lock(ask)
    ask(f"CREATE OR REPLACE VIEW {quoted(name)} AS {statement}")
    ask(f"COMMENT ON VIEW {quoted(name)} IS '{mark}'")
