"""A ledger that is damaged, in use or of another shape, and a clock that is not set."""

import dataclasses
import json
import sqlite3

import pytest

from collector.page.views import records
from tests.fakes import page_house as house
from tests.fakes.page import ask, options_with, serving

HTML = {"Accept": "text/html"}
PATHS = ("cost", "bill?month=2025-01", "energy", "energy?range=year", "devices", "events", "now",
         "history?device=mains&quantity=active_power&range=week", "health")  # fmt: skip
PAGES = ("/", "/history", "/history?show=mains/active_power&range=hour", "/cost", "/bill",
         "/devices", "/health", "/api")  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return house.home(tmp_path_factory.mktemp("house") / "data")


@pytest.fixture
def ledger(home, tmp_path):
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(home.ledger.read_bytes())
    return file


def serving_at(home, now_ms=house.NOW_MS, **given):
    home = dataclasses.replace(home, **given)
    return serving(options_with(), show=house.show, home=home, wall_ms=lambda: now_ms)


def statuses(page):
    """Return the status of every page and view, and what those say that were refused."""
    answers = {path: ask(page, f"/api/v1/{path}") for path in PATHS}
    answers.update({path: ask(page, path, **HTML) for path in PAGES})
    said = {json.loads(body)["error"] for status, _, body in answers.values() if '{"error' in body}
    return {status for status, _, _ in answers.values()}, said


def spoiled(data, begin):
    return data[:begin] + b"\xaa" * 30_000 + data[begin + 30_000 :]


@pytest.mark.parametrize("begin", [100, 8_192, 20_000, 50_000])
def test_a_damaged_ledger_is_said_and_is_no_internal_error(home, ledger, caplog, begin):
    ledger.write_bytes(spoiled(ledger.read_bytes(), begin))
    with serving_at(home, ledger=ledger) as page:
        found, said = statuses(page)
    assert found <= {200, 503}
    assert all("doctor" in each for each in said)
    assert not caplog.records


@pytest.mark.parametrize("table", ["days", "events", "gaps"])
def test_a_ledger_that_lacks_a_table_is_said_and_is_no_internal_error(home, ledger, caplog, table):
    connection = sqlite3.connect(ledger)
    connection.execute(f"DROP TABLE {table}")
    connection.close()
    with serving_at(home, ledger=ledger) as page:
        found, said = statuses(page)
    assert found <= {200, 503}
    assert all(f"no such table: {table}; 'sudo energy-monitor doctor'" in each for each in said)
    assert not caplog.records


def test_a_ledger_that_somebody_holds_is_not_waited_for_by_all(home, ledger, monkeypatch):
    monkeypatch.setattr(records, "WAIT_S", 0.05)
    connection = sqlite3.connect(ledger, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with serving_at(home, ledger=ledger) as page:
        found, said = statuses(page)
        assert found == {200, 503}
        assert {each.partition(";")[0] for each in said} == {"the ledger: database is locked"}
        connection.execute("ROLLBACK")
        assert ask(page, "/api/v1/energy")[0] == 200
    connection.close()


@pytest.mark.parametrize("now_ms", [0, 1_000, 3 * 86_400_000])
def test_a_clock_that_is_not_set_breaks_no_page(home, caplog, now_ms):
    with serving_at(home, now_ms) as page:
        assert {ask(page, path, **HTML)[0] for path in PAGES} == {200}
    assert not caplog.records


@pytest.mark.parametrize("month", ["0000-01", "0001-01", "1899-12", "3000-01", "9999-12"])
def test_a_bill_of_a_month_that_no_calendar_here_has_is_not_accepted(home, caplog, month):
    with serving_at(home) as page:
        assert ask(page, f"/api/v1/bill?month={month}")[0] == 400
        assert ask(page, f"/bill?month={month}", **HTML)[0] == 400
        for far in ("1900-01", "1969-12", "2999-12"):
            assert ask(page, f"/api/v1/bill?month={far}")[0] == 200
    assert not caplog.records
