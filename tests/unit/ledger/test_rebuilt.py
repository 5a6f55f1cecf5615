"""A ledger made again from the same readings is the same, and reaches back as far as before."""

from contextlib import closing

import pytest

from collector.ledger import rebuilt
from collector.ledger.book import Book
from collector.ledger.database import create, open_to_read
from collector.ledger.days import QUARTER_MS
from collector.reading import Reading, encode
from tests.unit.derive.energy.house import BEGIN_MS, HOUR, counter, derivation, replaced, undo
from tests.unit.derive.energy.test_truth import month

OF = "JOIN series ON series = id ORDER BY 1, 2, 3, 4"
EVERYTHING = (
    f"SELECT device, quantity, kind, day, data FROM days {OF}",
    f"SELECT device, quantity, kind, from_ms, to_ms, micro FROM gaps {OF}",
    "SELECT * FROM events ORDER BY 1, 2, 3, 4",
)


def everything(file):
    with closing(open_to_read(file)) as ledger:
        rows = [ledger.connection.execute(query).fetchall() for query in EVERYTHING]
        book = ledger.kept("book")
        return rows, sorted(book["counters"]), sorted(book["gauges"]), ledger.kept("number")


@pytest.fixture(scope="module")
def records():
    it, lines = derivation(), []
    for number, each in enumerate(month(0, 60_000, 6).readings):
        lines += [each, *it.derive([each])]
        power = {"active_power": number * 7.3 % 1000, "interval_energy": 5.0}
        values = power | {"interval_length": 900.0}
        lines.append(Reading("electricity", "shed", each.at_ms // QUARTER_MS * QUARTER_MS, values))
    return list(enumerate(map(encode, lines), 1))


@pytest.fixture
def ledger(tmp_path, records):
    file = tmp_path / "ledger.sqlite"
    with closing(create(file)) as made:
        rebuilt.fill(made, records, Book())
    return file


def test_out_of_the_same_readings_it_is_the_same(ledger, records):
    before = everything(ledger)
    assert before[0][0]
    assert before[0][1]
    assert before[0][2]
    assert rebuilt.remake(ledger, records) == len(records)
    assert everything(ledger) == before
    rebuilt.take(ledger)
    assert everything(ledger) == before
    assert not rebuilt.is_ready(ledger)


@pytest.mark.parametrize("part", [0.1, 0.37, 0.5, 0.93])
def test_what_the_journal_keeps_no_more_stays_as_it_was(ledger, records, part):
    before = everything(ledger)
    rebuilt.remake(ledger, records[int(len(records) * part) :])
    rebuilt.take(ledger)
    assert everything(ledger) == before


def test_since_a_time_what_is_older_stays_also_where_it_is_wrong(ledger, records):
    before = everything(ledger)
    since_ms = BEGIN_MS + 3 * 24 * HOUR
    with closing(create(ledger)) as damaged, damaged.transaction():
        day = since_ms // (96 * QUARTER_MS)
        damaged.connection.execute("DELETE FROM days WHERE day > ?", [day])
    rebuilt.remake(ledger, records, since_ms)
    rebuilt.take(ledger)
    assert everything(ledger) == before


def test_a_device_that_is_silent_keeps_its_place(tmp_path):
    file = tmp_path / "ledger.sqlite"

    def energy(device, at_ms, value):
        return encode(Reading("energy", device, at_ms, {"active_energy": value}))

    lines = [energy("shed", BEGIN_MS, 5.0), energy("mains", BEGIN_MS, 7.0)]
    later = [energy("mains", BEGIN_MS + HOUR, 8.0)]
    with closing(create(file)) as made:
        rebuilt.fill(made, enumerate([*lines, *later], 1), Book())
    rebuilt.remake(file, enumerate(later, 3))
    rebuilt.take(file)
    with closing(open_to_read(file)) as ledger:
        book = Book(ledger.kept("book"))
        assert book.counters["shed", "active_energy"] == (BEGIN_MS, 5_000_000)
        assert ledger.kept("number") == 4


def test_a_rebuilding_that_was_killed_leaves_nothing_behind(ledger, records):
    before = everything(ledger)
    made = rebuilt.begin(ledger)
    rebuilt.fill(made, records[:1000], Book())
    made.close()
    assert everything(ledger) == before
    assert not rebuilt.is_ready(ledger)
    rebuilt.remake(ledger, records)
    rebuilt.take(ledger)
    assert everything(ledger) == before


def test_corrections_are_booked_once(tmp_path):
    file = tmp_path / "ledger.sqlite"
    values = [5000.5, 5010.5, *[700.5 + n for n in range(60)]]
    readings = [counter(n * 60_000, value) for n, value in enumerate(values)]
    told = replaced(2 * HOUR, 5020, 700, 2 * 60_000)
    made = derivation().derive([*readings, told, undo(3 * HOUR, 2)])
    lines = list(enumerate(map(encode, made), 1))
    with closing(create(file)) as ledger:
        rebuilt.fill(ledger, lines, Book())
    before = everything(file)
    rebuilt.remake(file, [*lines, *lines])
    rebuilt.take(file)
    assert everything(file)[:3] == before[:3]


def test_of_a_damaged_ledger_nothing_is_taken_over_and_a_copy_stays(ledger, records, caplog):
    before = everything(ledger)
    data = bytearray(ledger.read_bytes())
    data[200:4000] = bytes(3800)
    ledger.write_bytes(data)
    rebuilt.remake(ledger, records)
    rebuilt.take(ledger)
    assert everything(ledger) == before
    assert "nothing older could be taken over" in caplog.text
    assert ledger.with_name("ledger.sqlite.damaged").read_bytes() == data
