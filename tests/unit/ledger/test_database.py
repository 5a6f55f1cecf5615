"""The ledger's file: whole transactions, damage seen, a size that a card can bear."""

import random
import sqlite3

import pytest

from collector.ledger import database
from collector.ledger.database import Event, Gap, LedgerDamaged, create, open_to_read
from collector.ledger.days import AMOUNTS, GAUGES, Amount, Damaged, Shown, pack, unpack


def test_a_day_comes_back_as_it_was_packed():
    chance = random.Random(1)
    amounts = {
        at: Amount(chance.randrange(-(10**12), 10**12), 900_000, 5) for at in range(0, 96, 7)
    }
    assert unpack(AMOUNTS, pack(AMOUNTS, amounts)) == amounts
    shown = {at: Shown(chance.random(), -1e9, 1e300, 1) for at in range(96)}
    assert unpack(GAUGES, pack(GAUGES, shown)) == shown


@pytest.mark.parametrize(
    "blob", [b"", b"x", b"x" * 20_000, pack(GAUGES, {}), pack(AMOUNTS, {})[:-9]]
)
def test_a_blob_that_is_no_day_is_refused(blob):
    with pytest.raises(Damaged):
        unpack(AMOUNTS, blob)


def test_a_bomb_ends_at_the_size_of_a_day():
    import zlib  # noqa: PLC0415

    with pytest.raises(Damaged, match="another length"):
        unpack(AMOUNTS, zlib.compress(bytes(10_000_000), 9))


def test_a_transaction_is_written_whole_or_not_at_all(tmp_path):
    ledger = create(tmp_path / "it.sqlite")

    def half(ledger):
        with ledger.transaction():
            series = ledger.series("a", "active_energy", "counter")
            ledger.put_gap(series, Gap(1, 2, 3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half(ledger)
    assert ledger.known == {}
    with ledger.transaction():
        series = ledger.series("b", "active_energy", "counter")
        ledger.put_event(Event(1, "b", "active_energy", "reset", {"before": 1.5}))
        ledger.keep("number", 7)
    ledger.close()
    again = open_to_read(tmp_path / "it.sqlite")
    assert again.known == {("b", "active_energy", "counter"): series}
    assert again.gaps(series, 0, 10) == []
    assert (again.kept("number"), again.kept("other")) == (7, None)
    assert again.events() == [Event(1, "b", "active_energy", "reset", {"before": 1.5})]
    again.close()


def test_a_damaged_file_or_one_of_a_later_version_is_seen(tmp_path):
    file = tmp_path / "it.sqlite"
    create(file).close()
    good = file.read_bytes()
    for bad in (b"not a database" * 400, good[:100] + bytes(3000) + good[3100:]):
        file.write_bytes(bad)
        with pytest.raises(LedgerDamaged):
            create(file)
    file.write_bytes(good)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(LedgerDamaged, match="version is 9"):
        open_to_read(file)


def test_there_need_not_be_one_yet(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no ledger yet"):
        open_to_read(tmp_path / "none.sqlite")


def test_a_copy_is_whole_while_it_is_in_use(tmp_path):
    ledger = create(tmp_path / "it.sqlite")
    with ledger.transaction():
        ledger.keep("number", 1)
    database.copy(tmp_path / "it.sqlite", tmp_path / "copy.sqlite")
    with ledger.transaction():
        ledger.keep("number", 2)
    ledger.close()
    copied = open_to_read(tmp_path / "copy.sqlite")
    assert copied.kept("number") == 1
    copied.close()


def test_a_year_of_a_three_phase_meter_takes_less_than_4_mb(tmp_path):
    chance = random.Random(1)
    ledger = create(tmp_path / "it.sqlite")
    counters = [f"active_energy_import{phase}" for phase in ("", "_l1", "_l2", "_l3")]
    counters += [f"active_energy_export{phase}" for phase in ("", "_l1", "_l2", "_l3")]
    days = 20
    with ledger.transaction():
        for day in range(days):
            for quantity in counters:
                amounts = {
                    at: Amount(chance.randrange(0, 500) * 1_000_000, 900_000) for at in range(96)
                }
                ledger.put_day(ledger.series("m", quantity, "counter"), day, amounts)
            shown = {
                at: Shown(
                    chance.uniform(0, 4000), chance.randrange(4000), chance.randrange(4000), 900_000
                )
                for at in range(96)
            }
            ledger.put_day(ledger.series("m", "active_power", "gauge"), day, shown)
    ledger.close()
    assert (tmp_path / "it.sqlite").stat().st_size / days * 365 < 4_000_000
