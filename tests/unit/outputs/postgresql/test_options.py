"""The options of the output for PostgreSQL, and its rows, without a server."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption
from collector.outputs.postgresql.rows import fault, month_after, month_of, rows_of
from collector.outputs.postgresql.views import statements
from collector.reading import Reading, encode
from tests.servers.test_postgresql_real import output


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://energy-monitor:secret@db",
        "postgresql://db/energy",
        "http://db",
        "postgresql://",
        "postgresql://db:port",
        "postgresql://db?sslmode=disable",
        "db:5432",
    ],
)
def test_an_address_is_host_and_port_and_nothing_else(tmp_path, url):
    with pytest.raises(BadOption, match="options of their own"), output(None, tmp_path, url=url):
        pass


def test_off_this_computer_the_certificate_is_verified_unless_told_otherwise(tmp_path):
    for host, mode in [("db.lan", "verify-full"), ("localhost", "disable"), ("[::1]", "disable")]:
        with output(None, tmp_path, url=f"postgresql://{host}") as made:
            assert made.settings(can_choose=True)["sslmode"] == mode
    with output(None, tmp_path, url="postgresql://db.lan", sslmode="disable") as made:
        assert made.settings(can_choose=True)["require_auth"] == "!password"


def python(text):
    command = [sys.executable, "-c", text]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_psycopg_is_imported_only_by_a_connection():
    text = "import sys, collector.outputs.postgresql.output; print('psycopg' in sys.modules)"
    assert python(text).stdout == "False\n"


def test_it_names_the_extra_that_it_needs(tmp_path):
    with output(None, tmp_path, url="postgresql://localhost") as made:
        assert made.options.extras() == ("postgresql",)


def test_readings_of_one_device_and_time_become_one_row():
    lines = [
        encode(Reading("electricity", "mains", 1000, {"voltage": 1.0, "current": 2.0})),
        encode(Reading("climate", "attic", 1000, {"humidity": 3.0})),
        encode(Reading("electricity", "mains", 1000, {"voltage": 4.0})),
        encode(Reading("electricity", "oven", 1000, {"current": 5e-324})),
    ]
    tables = rows_of(lines)
    assert list(tables) == ["electricity", "climate"]
    assert tables["electricity"].quantities == ["current", "voltage"]
    assert list(tables["electricity"].columns()) == [
        "{mains,oven}",
        "{1000,1000}",
        "{2.0,5e-324}",
        "{4.0,NULL}",
    ]


@given(st.integers(1, 10**13 - 1))
def test_a_month_ends_where_the_next_begins(at_ms):
    month = month_of(at_ms)
    assert month < month_after(month)
    assert month_of(at_ms - 31 * 86_400_000 if at_ms > 31 * 86_400_000 else 1) <= month


def test_months_go_on_after_december():
    assert month_after("2025-12") == "2026-01"
    assert month_after("2025-11") == "2025-12"


@pytest.mark.parametrize(
    ("kind", "quantity", "bad"),
    [
        ("electricity", "voltage", False),
        ("usage_by_day", "voltage", True),
        ("electricity_2025_11", "voltage", True),
        ("electricity", "floor", True),
        ("electricity", "site", True),
        ("k" * 56, "voltage", True),
        ("k" * 55, "q" * 63, False),
        ("electricity", "q" * 64, True),
    ],
)
def test_names_that_a_table_or_column_cannot_have_are_found(kind, quantity, bad):
    line = encode(Reading(kind, "mains", 1000, {quantity: 1.0}))
    ((found, rows),) = rows_of([line]).items()
    assert bool(fault(found, rows, {"floor": "ground"})) is bad


def test_the_views_of_usage_need_the_power_of_the_lights():
    assert statements({}) == {}
    assert list(statements({"lighting_total": {"nominal_power"}})) == ["readings_long"]
    assert len(statements({"lighting_total": {"estimated_power"}})) == 4
