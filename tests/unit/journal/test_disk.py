"""A card that fails, and what stands where the journal's files should, end no measuring."""

import errno
import logging
import os
from pathlib import Path

import pytest

from collector.errors import JournalFault
from collector.journal import journal as journal_module
from collector.journal.cursor import cursor_file, read_cursor
from collector.journal.journal import Journal
from collector.journal.notes import dead_letters
from collector.journal.reader import read_all
from collector.journal.start import place_new
from collector.journal.undated import drop_before
from collector.reading import Reading, encode
from tests.cursors import delivered

WRITING = ("pwrite", "fdatasync", "fsync", "ftruncate", "rename")


def line(number):
    return encode(Reading("electricity", "mains", number * 1000, {"active_energy": float(number)}))


def lines(first, last):
    return [line(number) for number in range(first, last + 1)]


def opened(folder, boot="boot-1"):
    journal = Journal(folder, boot, ["history"], ["flows"])
    journal.log.segment_bytes = 500
    journal.open()
    place_new(journal, {"history": None})
    return journal


def stored(folder):
    return [each for _, each in read_all(folder / "log")]


@pytest.fixture
def card(monkeypatch):
    """Give a function that lets every write fail with an error, and work again with none."""

    def fail(number=0, names=WRITING):
        monkeypatch.undo()
        if not number:
            return

        def failing(*_args, **_options):
            raise OSError(number, os.strerror(number))

        for name in names:
            monkeypatch.setattr(os, name, failing)
        plain = os.open

        def open_(path, flags, *args, **options):
            if number == errno.EROFS and flags & (os.O_WRONLY | os.O_RDWR):
                failing()
            return plain(path, flags, *args, **options)

        monkeypatch.setattr(os, "open", open_)

    return fail


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
@pytest.mark.parametrize("names", [WRITING, ("fdatasync", "fsync")], ids=["all", "sync"])
def test_what_a_failing_card_does_not_take_is_delivered_and_written_later(
    tmp_path, card, caplog, number, names
):
    caplog.set_level(logging.INFO)
    journal = opened(tmp_path)
    for each in lines(1, 20):
        journal.append([each])
    journal.sync()
    card(number, names)
    reader = journal.reader("history")
    for each in lines(21, 60):
        journal.append([each])
        journal.append([each], dated=False)
        journal.sync()
        journal.keep_house(10**9)
    records = reader.take(999)
    delivered(journal, "history", records)
    journal.set_aside("history", {line(1): "no"})
    assert [each for _, each in records] == lines(1, 60)
    assert journal.backlog("history") == 0
    status = journal.status(0)
    assert status.held
    assert os.strerror(number) in status.faults[str(tmp_path / "log")]
    said = [each for each in caplog.records if str(tmp_path / "log:") in each.message]
    assert [each.levelname for each in said] == ["ERROR"]
    card()
    journal.sync()
    journal.append([line(61)])
    assert not journal.status(0).held
    assert not journal.losses.ever
    journal.close()
    assert stored(tmp_path) == lines(1, 61)
    again = opened(tmp_path)
    assert again.log.next_number == 62
    again.close()


@pytest.fixture
def forced(monkeypatch):
    """Return the files and folders that were forced onto the disk, in order."""
    seen = []

    def noting(plain):
        def force(descriptor):
            plain(descriptor)
            seen.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

        return force

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, noting(getattr(os, name)))
    return seen


def test_the_name_of_the_first_segment_is_forced_onto_the_disk_with_it(tmp_path, forced):
    journal = opened(tmp_path / "journal")
    assert {tmp_path, tmp_path / "journal"} <= set(forced), "where the folders' names are"
    forced.clear()
    journal.append([line(1)])
    journal.sync()
    assert forced.index(tmp_path / "journal/log") > forced.index(journal.log.segments[0].path)
    forced.clear()
    journal.append([line(2)])
    journal.sync()
    assert forced == [journal.log.segments[0].path], "once"
    journal.close()


def test_the_name_of_a_segment_that_was_held_is_forced_onto_the_disk_with_it(tmp_path, forced):
    journal = opened(tmp_path)
    journal.append([line(1)])
    journal.sync()
    journal.log.holding = True
    journal.append([line(2)])
    forced.clear()
    journal.sync()
    assert not journal.log.held
    assert tmp_path / "log" in forced[forced.index(journal.log.segments[-1].path) :]
    journal.close()


def test_where_all_is_held_in_memory_nothing_else_goes_for_being_old(tmp_path, card):
    journal = opened(tmp_path)
    journal.undated.segment_bytes = 200
    for each in lines(1, 5):
        journal.append([each], dated=False)
    card(errno.EIO)
    for each in lines(1, 30):
        journal.append([each])
    assert all(each.held for each in journal.log.segments)
    journal.drop_old(10**9, 10**9)
    assert journal.undated.first_number == 1
    assert not journal.losses.ever
    assert journal.backlog("history") == 30
    card()
    journal.close()


def test_undated_readings_that_are_held_in_memory_hold_nobody_up(tmp_path):
    journal = opened(tmp_path)
    journal.undated.segment_bytes = 200
    journal.undated.holding = True
    for each in lines(1, 9):
        journal.append([each], dated=False)
    assert all(each.held for each in journal.undated.segments)
    drop_before(journal.undated, 9)
    assert journal.undated.first_number == 1
    journal.close()


def test_what_is_in_memory_has_a_bound_and_what_is_dropped_is_counted(tmp_path, card, monkeypatch):
    journal = opened(tmp_path)
    journal.append([line(1)])
    card(errno.EIO)
    for each in lines(2, 300):
        journal.append([each])
    monkeypatch.setattr(journal_module, "HELD_BYTES", 3000)
    journal.append([line(301)])
    taken = [each for _, each in journal.reader("history").take(999)]
    assert taken[1:] == lines(302 - len(taken) + 1, 301)
    assert journal.losses.ever == {"not taken by the disk": 301 - len(taken)}
    assert len(taken) < 100
    card()
    journal.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC])
def test_a_card_that_fails_from_the_start_is_measured_without(tmp_path, card, number):
    opened(tmp_path).close()
    card(number)
    journal = opened(tmp_path)
    journal.append([line(1)])
    assert [each for _, each in journal.reader("history").take(9)] == [line(1)]
    assert journal.status(0).faults
    card()
    journal.close()
    assert stored(tmp_path) == [line(1)]


def test_the_first_start_on_a_full_disk_measures_and_takes_its_place_later(
    tmp_path, card, monkeypatch
):
    card(errno.ENOSPC)
    full = Path.mkdir

    def mkdir(*_args, **_options):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    journal = opened(tmp_path / "journal")
    journal.append([line(1)])
    assert [each for _, each in journal.reader("history").take(9)] == [line(1)]
    card()
    monkeypatch.setattr(Path, "mkdir", full)
    journal.sync()
    with pytest.raises(JournalFault, match="in use by another collector"):
        opened(tmp_path / "journal")
    journal.close()
    assert stored(tmp_path / "journal") == [line(1)]


def test_what_is_in_memory_at_the_end_is_counted_as_lost(tmp_path, card, caplog):
    journal = opened(tmp_path)
    card(errno.EIO)
    for each in lines(1, 30):
        journal.append([each])
    journal.close()
    assert journal.losses.ever == {"not taken by the disk": 30}
    assert "30 readings lost: not taken by the disk" in caplog.text


def test_a_number_that_is_given_again_can_be_lost_again(tmp_path, card):
    journal = opened(tmp_path)
    card(errno.ENOSPC, ["pwrite"])
    journal.append(lines(1, 20))
    journal.close()
    assert journal.losses.ever == {"not taken by the disk": 20}
    card()
    journal = opened(tmp_path)
    for each in lines(21, 50):
        journal.append([each])
    journal.keep_house(0)
    dropped = journal.log.first_number - 1
    assert dropped >= 20
    assert journal.losses.lately == {"too much": dropped}
    journal.close()


def test_what_a_source_can_bring_again_takes_no_memory(tmp_path, card):
    journal = opened(tmp_path)
    card(errno.EIO)
    assert not journal.append([line(1)], hold=False)
    assert journal.resend([line(2).decode()]) == 0
    assert not journal.status(0).held
    card()
    journal.close()


def test_a_file_that_a_full_disk_left_empty_takes_the_place_of_no_other(tmp_path, card):
    journal = opened(tmp_path)
    card(errno.ENOSPC, ["pwrite"])
    journal.append(lines(9, 9), hold=False)  # which begins a file of a later time
    journal.append(lines(1, 1))
    card()
    journal.sync()
    assert len(list((tmp_path / "log").iterdir())) == 2
    assert stored(tmp_path) == lines(1, 1)
    journal.close()
    opened(tmp_path).close()
    assert stored(tmp_path) == lines(1, 1)
    assert len(list((tmp_path / "log").iterdir())) == 1


def folder_at(path):
    if path.is_file():
        path.unlink()
    path.mkdir(parents=True)


def link_at(path):
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/nowhere")


def fifo_at(path):
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def file_at(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


SEGMENT = "0000000000000030-0000000030000"
FILES = (
    "lock",
    "losses.jsonl",
    "cursors/history",
    "dead-letters/history.jsonl",
    f"log/{SEGMENT}.log",
    f"log/{SEGMENT}.z",
    f"log/{SEGMENT}.new",
    "undated/old/0000000000000001-0000000000001.log",
    "undated/boot-1/0000000000000001-0000000000001.log",
    "derivations/flows/.x.new",
    f"derivations/flows/{SEGMENT}",
)


@pytest.mark.parametrize("place", FILES)
@pytest.mark.parametrize("odd", [folder_at, link_at, fifo_at])
def test_what_is_no_file_in_the_place_of_one_is_no_reason_not_to_measure(tmp_path, odd, place):
    journal = opened(tmp_path)
    journal.append([line(1)])
    journal.close()
    odd(tmp_path / place)
    looks_all_right(tmp_path)


@pytest.mark.parametrize(
    "place",
    ["log", "cursors", "undated", "undated/x", "dead-letters", "derivations", "derivations/flows"],
)
def test_a_file_in_the_place_of_a_folder_is_no_reason_not_to_measure(tmp_path, place):
    file_at(tmp_path / place)
    looks_all_right(tmp_path)


def looks_all_right(folder):
    """Assert that the journal measures, delivers, notes and tidies, and says nothing for ever."""
    journal = opened(folder)
    for each in lines(2, 30):
        journal.append([each])
    journal.append([line(1)], dated=False)
    assert journal.date_back(0) == 1
    records = journal.reader("history").take(99)
    assert [each for _, each in records][-30:] == [*lines(2, 30), line(1)]
    delivered(journal, "history", records)
    journal.set_aside("history", {line(2): "no"})
    journal.losses.count("torn", 1)
    journal.keep_house(1000)
    journal.sync()
    assert not journal.status(0).faults
    journal.close()
    assert read_cursor(folder, "history").number == records[-1][0] + 1
    assert [each["reason"] for each in dead_letters(folder, "history")] == ["no"]
    again = opened(folder)
    assert again.losses.ever["torn"] == 1
    again.close()
    assert cursor_file(folder, "history").is_file()
