"""The output for PostgreSQL on a real server: what it makes there, and what mends what fails.

What holds for every output is in tests/contract/test_outputs.py.
"""

import re
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from collector.contract import Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.serial import Lines
from collector.outputs.postgresql.options import PostgreSQLOptions
from collector.outputs.postgresql.output import PostgreSQL
from collector.outputs.postgresql.tables import MARK
from collector.reading import Reading, encode
from collector.scalars import Seconds
from collector.secrets import Secret
from tests.fakes.running import wait_for
from tests.servers import postgres

NOVEMBER_MS = 1_763_654_400_000  # 2025-11-20 16:00 UTC
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def server():
    with postgres.running() as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(request):
    if "server" in request.fixturenames:
        request.getfixturevalue("server").forget()


@contextmanager
def output(
    server, folder, *, site="home", zone="Europe/Rome", password=postgres.PASSWORD, word="", **given
):
    (folder / "password").write_text(password)
    options = PostgreSQLOptions(
        type="postgresql",
        password=Secret("password", folder),
        **{"url": server and server.url, "database": postgres.DATABASE, **given},
    )
    context = Context(site, Lines(), folder, folder, ZoneInfo(zone), word)
    made = PostgreSQL("history", options, context)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def history(server, tmp_path):
    with output(server, tmp_path) as made:
        yield made


def reading(at_ms=NOVEMBER_MS, device="mains", kind="electricity", **values):
    return encode(Reading(kind, device, at_ms, values or {"voltage": 230.5}))


def columns(server, table):
    found = server.ask(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
        [table],
    )
    return dict(found)


def tables(server):
    return {name for (name,) in server.ask(f"{postgres.TABLES} AND relkind IN ('p', 'r')")}


# What it makes


def test_a_kind_is_a_table_with_a_column_per_quantity_and_a_part_per_month_one_ahead(
    server, history
):
    history.write(
        [reading(voltage=230.5, active_power=-412.0), reading(kind="climate", humidity=40.0)]
    )
    assert tables(server) == {
        "energy_monitor_sites",
        *("electricity", "electricity_2025_11", "electricity_2025_12"),
        *("climate", "climate_2025_11", "climate_2025_12"),
    }
    assert columns(server, "electricity") == {
        "site": "text",
        "device": "text",
        "time": "timestamp with time zone",
        "voltage": "double precision",
        "active_power": "double precision",
    }
    at = datetime.fromtimestamp(NOVEMBER_MS / 1000, UTC)
    assert server.ask("SELECT site, device, time, voltage, active_power FROM electricity") == [
        ("home", "mains", at, 230.5, -412.0)
    ]


def test_a_new_quantity_and_a_new_month_are_added_when_they_come(server, history):
    history.write([reading()])
    history.write([reading(NOVEMBER_MS + 40 * DAY_MS, current=1.5)])
    assert "current" in columns(server, "electricity")
    assert "electricity_2026_01" in tables(server)
    assert server.ask("SELECT voltage, current FROM electricity ORDER BY time") == [
        (230.5, None),
        (None, 1.5),
    ]


def test_every_value_and_millisecond_is_stored_as_it_was_read(server, history):
    values = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 1e-7, 12345678.9]
    history.write([reading(NOVEMBER_MS + n, voltage=value) for n, value in enumerate(values)])
    found = server.ask(
        "SELECT extract(epoch FROM time) * 1000, voltage FROM electricity ORDER BY 1"
    )
    assert [(int(at), value) for at, value in found] == [
        (NOVEMBER_MS + n, value) for n, value in enumerate(values)
    ]


def test_readings_of_one_device_and_time_are_one_row_with_all_their_quantities(server, history):
    history.write([reading(voltage=230.0), reading(current=1.0)])
    history.write([reading(frequency=50.0)])
    assert server.ask("SELECT voltage, current, frequency FROM electricity") == [(230.0, 1.0, 50.0)]


def test_a_corrected_value_replaces_the_first_and_keeps_the_others(server, history):
    history.write([reading(voltage=1.0, current=2.0)])
    history.write([reading(voltage=3.0)])
    assert server.ask("SELECT voltage, current FROM electricity") == [(3.0, 2.0)]


def test_a_resend_writes_no_row_again(server, history):
    batch = [reading(NOVEMBER_MS + n * 1000) for n in range(500)]
    history.write(batch)
    before = server.ask("SELECT ctid, xmin, voltage FROM electricity ORDER BY time")
    size = server.ask("SELECT pg_relation_size('electricity_2025_11')")
    history.write(batch)
    assert server.ask("SELECT ctid, xmin, voltage FROM electricity ORDER BY time") == before
    assert server.ask("SELECT pg_relation_size('electricity_2025_11')") == size


def test_tags_are_columns_of_words(server, tmp_path):
    with output(server, tmp_path, tags={"floor": "ground"}) as made:
        made.write([reading()])
    assert server.ask("SELECT site, floor FROM electricity") == [("home", "ground")]


def test_houses_share_a_database_and_may_begin_at_once(server, tmp_path):
    faults = []

    def house(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        with output(server, folder, site=f"house{number}") as made:
            try:
                made.open()
                made.write([reading(), reading(kind=f"kind{number}")])
            except Exception as error:  # noqa: BLE001  shown below
                faults.append(error)

    threads = [threading.Thread(target=house, args=(number,)) for number in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert faults == []
    assert server.ask("SELECT count(*) FROM electricity") == [(5,)]
    assert server.ask("SELECT count(DISTINCT site) FROM readings_long") == [(5,)]


@pytest.mark.parametrize(
    "bad",
    [
        reading(kind="readings_long"),
        reading(kind="electricity_2025_11"),
        reading(kind="k" * 60),
        reading(**{"q" * 64: 1.0}),
        reading(time=1.0),
    ],
)
def test_what_can_have_no_table_or_column_is_refused_and_the_others_stored(server, history, bad):
    with pytest.raises(ReadingsRefused, match="can have the name") as refused:
        history.write([reading(), bad, reading(NOVEMBER_MS + 1)])
    assert refused.value.reasons.keys() == {1}
    assert server.ask("SELECT count(*) FROM electricity") == [(2,)]


def test_more_columns_than_a_table_can_have_refuse_that_reading_alone(server, history):
    history.write([reading(**{f"q{n}": 1.0 for n in range(900)})])
    with pytest.raises(ReadingsRefused, match="1600"):
        history.write(
            [reading(device="b", **{f"r{n}": 1.0 for n in range(900)}), reading(device="c")]
        )
    assert server.ask("SELECT DISTINCT device FROM electricity ORDER BY 1") == [("c",), ("mains",)]


# Views


def test_a_view_shows_one_value_a_row_also_of_what_came_later(server, history):
    history.write([reading(voltage=230.0, current=1.0)])
    history.write([reading(kind="climate", device="attic", humidity=40.0), reading(frequency=50.0)])
    found = server.ask("SELECT site, device, quantity, value FROM readings_long ORDER BY quantity")
    assert found == [
        ("home", "mains", "current", 1.0),
        ("home", "mains", "frequency", 50.0),
        ("home", "attic", "humidity", 40.0),
        ("home", "mains", "voltage", 230.0),
    ]


def light(when, watts):
    at_ms = round(datetime.fromisoformat(when).timestamp() * 1000)
    return reading(at_ms, "lights", "lighting_total", estimated_power=watts)


def test_what_the_lights_use_is_shown_by_minute_hour_and_day_of_the_house(server, history):
    history.write(
        [
            light("2025-10-25T21:59:10+00:00", 10.0),  # the last minute of Saturday in Rome
            light("2025-10-25T22:00:00+00:00", 100.0),  # Sunday, which has 25 hours
            light("2025-10-25T22:00:30+00:00", 300.0),
            light("2025-10-26T00:30:00+00:00", 60.0),  # 02:30
            light("2025-10-26T01:30:00+00:00", 120.0),  # 02:30 once more
            light("2025-10-26T22:59:00+00:00", 40.0),  # 23:59
        ]
    )
    assert server.ask(
        "SELECT id, watts, day, weekday, hour, minute FROM usage_by_minute ORDER BY 1"
    ) == [
        (29357159, 10.0, 25, 6, 23, 59),
        (29357160, 200.0, 26, 7, 0, 0),
        (29357310, 60.0, 26, 7, 2, 30),
        (29357370, 120.0, 26, 7, 2, 30),
        (29358659, 40.0, 26, 7, 23, 59),
    ]
    hours = server.ask(
        "SELECT to_char(time, 'YYYY-MM-DD HH24:MI'), watts, minutes FROM usage_by_hour ORDER BY 1"
    )
    assert hours == [
        ("2025-10-25 21:00", 10.0, 1),
        ("2025-10-25 22:00", 200.0, 1),
        ("2025-10-26 00:00", 60.0, 1),
        ("2025-10-26 01:00", 120.0, 1),
        ("2025-10-26 22:00", 40.0, 1),
    ]
    days = server.ask("SELECT day::text, watts, watt_hours, minutes FROM usage_by_day ORDER BY 1")
    assert days == [("2025-10-25", 10.0, 10 / 60, 1), ("2025-10-26", 105.0, 7.0, 4)]


def test_two_processors_of_a_house_are_added_up(server, history):
    first = light("2025-11-01T10:00:00+00:00", 10.0)
    history.write([first, first.replace(b"=lights", b"=garden")])
    assert server.ask("SELECT watts FROM usage_by_minute") == [(20.0,)]


def test_a_view_of_the_owner_s_holds_up_no_reading_and_stays(server, history, caplog):
    server.ask("CREATE VIEW readings_long AS SELECT 1 AS one")
    history.write([reading()])
    assert server.ask("SELECT * FROM readings_long") == [(1,)]
    server.ask(
        f"DROP VIEW readings_long; CREATE VIEW readings_long AS SELECT 1 AS one; "
        f"COMMENT ON VIEW readings_long IS 'Energy Monitor: view of another release'; "
        f'ALTER VIEW readings_long OWNER TO "{postgres.USER}"'
    )
    history.write([reading(current=1.0)])
    assert server.ask("SELECT current FROM electricity") == [(1.0,)]
    assert "readings_long is not made" in caplog.text


# Retention


def test_whole_months_beyond_retention_are_dropped_and_older_readings_refused(server, tmp_path):
    with output(server, tmp_path, retention=Seconds(30 * 86400)) as made:
        made.write([reading(NOVEMBER_MS - 60 * DAY_MS), reading(NOVEMBER_MS - 30 * DAY_MS)])
        made.open()
        with pytest.raises(ReadingsRefused, match="'retention'") as refused:
            made.write([reading(NOVEMBER_MS), reading(NOVEMBER_MS - 55 * DAY_MS)])
    assert refused.value.reasons.keys() == {1}
    assert "electricity_2025_09" not in tables(server)
    assert server.ask("SELECT count(*) FROM electricity") == [(2,)]


def test_a_month_that_somebody_reads_is_dropped_later(server, tmp_path):
    with output(server, tmp_path, retention=Seconds(30 * 86400)) as made:
        made.write([reading(NOVEMBER_MS - 60 * DAY_MS)])
        made.ask("SET lock_timeout = '50ms'")
        with server.connect() as reader, reader.transaction():
            reader.execute("SELECT * FROM electricity")
            made.open()
            made.write([reading()])
            assert "electricity_2025_09" in tables(server)
        made.open()
        made.write([reading()])
        assert "electricity_2025_09" not in tables(server)


def test_a_clock_ahead_of_the_server_drops_nothing(server, tmp_path):
    with output(server, tmp_path, retention=Seconds(86400)) as made:
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        made.write([reading(now_ms), reading(now_ms + 400 * DAY_MS)])
        made.open()
        made.write([reading(now_ms + 1)])
    assert server.ask("SELECT count(*) FROM electricity") == [(3,)]


# What changes behind its back


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE electricity CASCADE",
        "ALTER TABLE electricity DROP COLUMN current CASCADE",
        "DROP TABLE electricity_2025_11",
    ],
)
def test_what_somebody_dropped_is_made_again(server, history, statement):
    history.write([reading(voltage=1.0, current=1.0)])
    server.ask(statement)
    history.write([reading(NOVEMBER_MS + 1, voltage=2.0, current=2.0)])
    found = server.ask("SELECT voltage, current FROM electricity ORDER BY time")
    assert found[-1] == (2.0, 2.0)
    assert server.ask("SELECT value FROM readings_long WHERE quantity = 'current'")[-1] == (2.0,)


def test_the_newest_time_is_that_of_any_device_and_of_this_house_alone(server, tmp_path, history):
    history.open()
    assert history.newest_ms() == 0
    history.write([reading(NOVEMBER_MS + n * 1000, f"meter{n % 7}") for n in range(50)])
    history.write([reading(NOVEMBER_MS + 49_001, "a", kind="climate", humidity=1.0)])
    with output(server, tmp_path, site="other") as other:
        other.write([reading(NOVEMBER_MS + DAY_MS)])
    assert history.newest_ms() == NOVEMBER_MS + 49_001
    server.ask("DELETE FROM climate")
    server.ask("DELETE FROM electricity WHERE device IN ('meter0', 'meter6')")
    assert history.newest_ms() == NOVEMBER_MS + 47_000


def test_a_connection_that_the_server_ends_is_opened_again_at_once(server, history):
    history.write([reading()])
    ours = "FROM pg_stat_activity WHERE usename = %s"
    server.ask(f"SELECT pg_terminate_backend(pid) {ours}", [postgres.USER])
    wait_for(lambda: not server.ask(f"SELECT 1 {ours}", [postgres.USER]), "it is gone")
    with pytest.raises(OutputAway, match="may have restarted") as away:
        history.write([reading(NOVEMBER_MS + 1)])
    assert away.value.retry_after_s == 0
    history.open()
    history.write([reading(NOVEMBER_MS + 1)])
    assert server.ask("SELECT count(*) FROM electricity") == [(2,)]


def test_a_table_that_somebody_holds_is_waited_for_and_then_tried_again(server, history):
    history.write([reading()])
    history.ask("SET lock_timeout = '50ms'")
    with server.connect() as other, other.transaction():
        other.execute("LOCK TABLE electricity")
        with pytest.raises(OutputAway, match=r"lock timeout \(55P03\)"):
            history.write([reading(NOVEMBER_MS + 1)])
    history.write([reading(NOVEMBER_MS + 1)])
    assert server.ask("SELECT count(*) FROM electricity") == [(2,)]


# What a human has to mend


def try_once(history):
    history.open()
    history.write([reading()])


def said(history):
    with pytest.raises(OutputAway) as away:
        try_once(history)
    assert postgres.PASSWORD not in str(away.value)
    return str(away.value)


def test_a_table_of_somebody_else_is_left_alone(server, history):
    server.ask("CREATE TABLE electricity (bill text)")
    assert "electricity is there and not Energy Monitor's" in said(history)
    assert columns(server, "electricity") == {"bill": "text"}


@pytest.mark.parametrize("table", ["electricity", "energy_monitor_sites"])
def test_a_table_that_another_role_has_made_like_ours_runs_nothing_with_our_rights(
    server, history, table
):
    column = "a', 1)) AS each (quantity, value); CREATE TABLE stolen (); --"
    with suppress(psycopg.errors.DuplicateObject):
        server.ask("CREATE ROLE mallory LOGIN PASSWORD 'of-mallory'")
    server.ask("GRANT CREATE, USAGE ON SCHEMA public TO mallory")  # as it was up to PostgreSQL 14
    with server.connect(user="mallory", password="of-mallory") as mallory:
        mallory.execute(
            f"CREATE TABLE {table} (site text PRIMARY KEY, zone text, device text, "
            f'time timestamptz, voltage float8, "{column}" float8)'
        )
        mallory.execute(f"COMMENT ON TABLE {table} IS '{MARK}'")
        mallory.execute(
            "CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN CREATE TABLE stolen (); RETURN NEW; END'"
        )
        mallory.execute(
            f"CREATE TRIGGER steal BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION steal()"
        )
        mallory.execute(f"GRANT ALL ON {table} TO PUBLIC")
    assert f"{table} is there and not Energy Monitor's" in said(history)
    assert tables(server) - {"energy_monitor_sites"} == {table} - {"energy_monitor_sites"}


def test_a_wrong_password_is_said_with_the_command_that_mends_it(server, tmp_path):
    with output(server, tmp_path, password="not-the-one") as made:
        text = said(made)
    assert "'sudo energy-monitor secret set password'" in text
    assert "not-the-one" not in text


def test_a_database_that_is_not_there_is_said_with_the_statement_that_makes_it(server, tmp_path):
    with output(server, tmp_path, database="nowhere") as made:
        assert 'CREATE DATABASE "nowhere" OWNER "energy-monitor"' in said(made)


def test_a_right_that_is_missing_is_said_with_the_statement_that_gives_it(server, history):
    server.ask("ALTER SCHEMA public OWNER TO postgres; GRANT USAGE ON SCHEMA public TO PUBLIC")
    text = said(history)
    assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO "energy-monitor"' in text
    server.ask(text.partition("; there: ")[2])
    history.write([reading()])
    server.ask("ALTER TABLE electricity OWNER TO postgres")
    history.close()
    text = said(history)
    assert 'ALTER TABLE "electricity" OWNER TO "energy-monitor"' in text
    server.ask(text.partition(" there: ")[2])
    history.write([reading()])


def test_the_statements_of_the_documentation_make_all_it_needs(tmp_path):
    docs = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
    own, reader = re.findall(r"```sql\n(CREATE ROLE.*?)```", docs, re.DOTALL)
    with postgres.running(made=False) as server:
        run(server, own)
        server.ask(f"ALTER ROLE \"{postgres.USER}\" PASSWORD '{postgres.PASSWORD}'")
        with output(server, tmp_path) as made:
            made.write([reading()])
            run(server, reader)
            made.write([reading(current=1.0), reading(kind="climate", humidity=40.0)])
        server.ask("ALTER ROLE grafana PASSWORD 'for-this-test'")
        with server.connect(user="grafana", password="for-this-test") as connection:
            for table, count in [("electricity", 1), ("readings_long", 3), ("climate", 1)]:
                found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                assert found == (count,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM electricity")


def run(server, text):
    """Run statements as psql does, but for passwords."""
    database = "postgres"
    for line in text.strip().splitlines():
        if line.startswith("\\connect "):
            database = line.split()[1]
        elif not line.startswith("\\"):
            server.ask(line, (), database)


def test_too_many_connections_are_no_fault_of_the_readings(server, history):
    server.ask(f'ALTER ROLE "{postgres.USER}" CONNECTION LIMIT 0')
    try:
        assert "too many connections" in said(history)
    finally:
        server.ask(f'ALTER ROLE "{postgres.USER}" CONNECTION LIMIT -1')
    history.write([reading()])


def test_a_read_only_server_is_away(server, history):
    server.ask(f'ALTER ROLE "{postgres.USER}" SET default_transaction_read_only = on')
    try:
        assert "read-only transaction" in said(history)
    finally:
        server.ask(f'ALTER ROLE "{postgres.USER}" RESET default_transaction_read_only')
