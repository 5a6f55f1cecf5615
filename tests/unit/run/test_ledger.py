"""The ledger's keeper: nothing twice, nothing left out, whatever ends it or its disk."""

import logging
import sqlite3
import threading

import pytest

from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.ledger import rebuilt
from collector.ledger.database import create, open_to_read
from collector.ledger.days import QUARTER_MS, Amount
from collector.reading import Reading, encode
from collector.run.health import LedgerHealth
from collector.run.ledger import Keeping
from tests.fakes.time_machine import FakeClock

BEGIN_MS = 1_763_654_400_000 // QUARTER_MS * QUARTER_MS


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "journal", "boot", [])
    made.open()
    yield made
    made.close()


@pytest.fixture
def keeping(tmp_path, journal):
    def keep():
        file = tmp_path / "ledger/ledger.sqlite"
        return Keeping(file, journal, FakeClock(), LedgerHealth(), threading.Lock())

    return keep


def fill(journal, first, count):
    """Append a reading of energy each minute, 2 Wh more each time."""
    journal.append(
        [
            encode(Reading("energy", "mains", BEGIN_MS + n * 60_000, {"active_energy": 2.0 * n}))
            for n in range(first, first + count)
        ]
    )


def total(keeper):
    ledger = open_to_read(keeper.file)
    try:
        series = ledger.known.get(("mains", "active_energy", "counter"))
        rows = [row for _, row in ledger.quarters(series, 0, 1 << 40)] if series else []
        return sum(row.micro for row in rows if isinstance(row, Amount))
    finally:
        ledger.close()


def test_it_writes_after_each_quarter_and_at_the_end(journal, keeping):
    keeper = keeping()
    fill(journal, 0, 10)
    assert keeper.keep_once() > 0
    fill(journal, 10, 7)  # a minute into the second quarter
    keeper.keep_once()
    assert total(keeper) == 32_000_000
    fill(journal, 17, 3)
    stop = threading.Event()
    stop.set()
    keeper.run(stop)
    assert total(keeper) == 38_000_000
    assert keeper.health.state == "keeping"
    assert keeper.health.size > 0


def test_after_a_kill_it_goes_on_where_it_had_written(journal, keeping):
    killed = keeping()
    for first in range(0, 100, 10):
        fill(journal, first, 10)
        killed.keep_once()
        killed.close()
        killed = keeping()
    stop = threading.Event()
    stop.set()
    killed.run(stop)
    assert total(killed) == 198_000_000


def test_a_damaged_ledger_is_set_aside_and_made_again_from_the_journal(journal, keeping, caplog):
    fill(journal, 0, 100)
    first = keeping()
    stop = threading.Event()
    stop.set()
    first.run(stop)
    before = total(first)
    damaged = bytearray(first.file.read_bytes())
    damaged[200:4000] = bytes(3800)
    first.file.write_bytes(damaged)
    again = keeping()
    with caplog.at_level(logging.ERROR, "collector"):
        again.keep_once()
    assert again.health.state == "damaged, made anew"
    assert "ledger rebuild --from influxdb" in caplog.text
    assert first.file.with_name("ledger.sqlite.damaged").exists()
    again.run(stop)
    assert total(again) == before == 198_000_000


def test_a_disk_that_takes_nothing_holds_up_no_reading_and_costs_none(
    journal, keeping, monkeypatch, caplog
):
    keeper = keeping()
    fill(journal, 0, 100)

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "collector"):
        patch.setattr("collector.ledger.database.Database.put_day", full)
        pauses = [keeper.keep_once() for _ in range(3)]
    assert pauses == [1.0, 2.0, 4.0]
    assert keeper.health.last_error == "the ledger: database or disk is full"
    assert caplog.text.count("not written now") == 1
    stop = threading.Event()
    stop.set()
    keeper.run(stop)
    assert total(keeper) == 198_000_000
    assert keeper.health.last_error == ""


def test_before_the_clock_is_right_nothing_is_booked_and_then_all_to_its_time(journal, keeping):
    lines = [
        encode(Reading("energy", "mains", n * 60_000, {"active_energy": 2.0 * n}))
        for n in range(100)
    ]
    journal.append(lines, dated=False)
    keeper = keeping()
    keeper.keep_once()
    assert total(keeper) == 0
    assert keeper.health.state == "keeping"
    journal.date_back(BEGIN_MS)
    stop = threading.Event()
    stop.set()
    keeper.run(stop)
    ledger = open_to_read(keeper.file)
    series = ledger.known["mains", "active_energy", "counter"]
    rows = list(ledger.quarters(series, 0, 1 << 40))
    ledger.close()
    assert [quarter * QUARTER_MS - BEGIN_MS for quarter, _ in rows] == [
        n * QUARTER_MS for n in range(7)
    ]
    assert sum(row.micro for _, row in rows if isinstance(row, Amount)) == 198_000_000


def test_a_ledger_of_another_journal_counts_nothing_twice(journal, keeping):
    fill(journal, 0, 100)
    stop = threading.Event()
    stop.set()
    keeper = keeping()
    keeper.run(stop)
    ledger = create(keeper.file)
    with ledger.transaction():
        ledger.keep("number", 10**9)
    ledger.close()
    fill(journal, 100, 10)
    other = keeping()
    other.run(stop)
    assert total(other) == 218_000_000


def test_one_that_was_made_again_takes_its_place_and_counts_nothing_twice(journal, keeping):
    keeper = keeping()
    fill(journal, 0, 50)
    keeper.keep_once()
    records = list(read_all(journal.log.folder))
    fill(journal, 50, 20)
    rebuilt.remake(keeper.file, records)
    fill(journal, 70, 30)
    keeper.keep_once()
    assert not rebuilt.is_ready(keeper.file)
    stop = threading.Event()
    stop.set()
    keeper.run(stop)
    assert total(keeper) == 198_000_000


def test_a_decision_is_written_at_once(journal, keeping):
    keeper = keeping()
    fill(journal, 0, 2)
    keeper.keep_once()
    values = {"active_energy": 3.0, "event": 2.0}
    journal.append([encode(Reading("counter_event", "mains", BEGIN_MS + 61_000, values))])
    keeper.keep_once()
    ledger = open_to_read(keeper.file)
    assert [each.what for each in ledger.events()] == ["2"]
    ledger.close()
