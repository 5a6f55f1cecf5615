"""How far a derivation has got, and what it remembers: whole or not at all, and not for ever."""

import pytest

from collector.journal.journal import Journal
from collector.journal.snapshots import KEPT_EVERY_MS, Snapshot, Snapshots
from collector.reading import Reading, encode

DAY_MS = 86_400_000


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(tmp_path / "derivations" / "day")


def put(snapshots, number, at_ms=0, first=0):
    assert snapshots.put(Snapshot(number, number, f"[{number}]"), snapshots.current, at_ms, first)


def numbers(snapshots):
    return [int(each.name[:16]) for each in snapshots.paths()]


def test_a_new_one_begins_where_it_was_put_also_after_a_restart(snapshots):
    assert snapshots.is_new
    snapshots.begin(7, 0)
    again = Snapshots(snapshots.folder)
    again.read()
    assert not again.is_new
    assert again.current == Snapshot(7, 7, "")


def test_of_old_ones_the_first_of_six_hours_is_kept_and_the_newest_two(snapshots):
    for number in range(1, 289):
        put(snapshots, number, number * 300_000)
    kept = [each * 300_000 // KEPT_EVERY_MS for each in numbers(snapshots)]
    assert kept == [0, 1, 2, 3, 3, 4]
    assert numbers(snapshots)[-2:] == [287, 288]


def test_those_before_the_oldest_reading_go(snapshots):
    for number in range(1, 11):
        put(snapshots, number * 100, number * KEPT_EVERY_MS, first=550)
    assert numbers(snapshots) == [600, 700, 800, 900, 1000]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda _: b"", lambda data: b"9" + data]
)
def test_a_damaged_one_is_passed_over(damage, snapshots):
    put(snapshots, 1)
    put(snapshots, 2)
    path = snapshots.paths()[-1]
    path.write_bytes(damage(path.read_bytes()))
    snapshots.read()
    assert snapshots.current == Snapshot(1, 1, "[1]")


def test_what_was_half_written_when_it_was_killed_is_cleared_away(snapshots):
    put(snapshots, 1)
    (snapshots.folder / ".0000000000000002-0000000000000.new").write_bytes(b"ha")
    snapshots.read()
    assert [each.name[:16] for each in snapshots.folder.iterdir()] == ["0000000000000001"]


def test_a_rewind_goes_to_the_one_before_and_stops_what_is_going_on(snapshots):
    for number in (10, 20, 30):
        put(snapshots, number, number * KEPT_EVERY_MS)
    before = snapshots.current
    assert snapshots.rewind(25).number == 20
    assert not snapshots.put(Snapshot(40, 40, "[]"), before, 0, 0)
    assert snapshots.rewind(5) == Snapshot(0, 0, "")
    assert numbers(snapshots) == []


def test_readings_stay_until_each_derivation_is_past_them(tmp_path):
    journal = Journal(tmp_path, "boot", [], ["day"])
    journal.log.segment_bytes = 1000
    journal.open()
    journal.snapshots["day"].begin(1, 0)
    for number in range(1, 101):
        journal.append([encode(Reading("a", "b", number * 1000, {"voltage": 1.0}))])
    journal.drop_old(DAY_MS, 0)
    assert journal.log.first_number == 1
    put(journal.snapshots["day"], 60)
    journal.drop_old(DAY_MS, 0)
    assert 30 < journal.log.first_number <= 60
    journal.close()


def test_numbers_are_never_given_again_when_the_log_is_gone(tmp_path):
    Snapshots(tmp_path / "derivations" / "day").begin(500, 0)
    journal = Journal(tmp_path, "boot", [], ["day"])
    journal.open()
    assert journal.log.next_number == 500
    journal.close()


def test_one_that_was_killed_before_its_first_is_new_and_one_that_was_rewound_is_not(snapshots):
    snapshots.folder.mkdir(parents=True)
    assert snapshots.is_new
    snapshots.begin(7, 0)
    assert not snapshots.is_new
    snapshots.rewind(0)
    assert snapshots.paths() == []
    assert not snapshots.is_new
