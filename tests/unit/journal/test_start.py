"""Where an output begins: a new one at the newest reading, one that was there where it was."""

import errno
import os

import pytest

from collector.journal.journal import Journal
from collector.journal.start import place_new
from collector.reading import Reading, encode
from tests.cursors import delivered

DAY_MS = 86_400_000


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens the journal for some outputs, closing it where it is open."""
    made: list[Journal] = []

    def open_for(*outputs):
        for each in made:
            each.close()
        made.append(Journal(tmp_path, "boot", outputs))
        made[-1].open()
        return made[-1]

    yield open_for
    made[-1].close()


def fill(journal, first, last):
    for number in range(first, last + 1):
        reading = Reading("electricity", "mains", number * 1000, {"voltage": float(number)})
        journal.append([encode(reading)])


def lacks(journal, output):
    return [number for number, _ in journal.reader(output).take(10_000)]


def test_in_a_new_house_an_output_gets_everything_from_the_first_reading_on(opened):
    journal = opened("history")
    assert place_new(journal, {"history": None}) == ["history"]
    fill(journal, 1, 5)
    journal = opened("history")
    assert place_new(journal, {"history": None}) == []
    assert lacks(journal, "history") == [1, 2, 3, 4, 5]


def test_an_output_that_is_added_begins_at_the_newest_and_keeps_that_place(opened):
    journal = opened("history")
    place_new(journal, {"history": None})
    fill(journal, 1, 5)
    journal = opened("history", "page")
    assert place_new(journal, {"history": None, "page": None}) == ["page"]
    assert journal.behind_ms("page", 9_000) == 0
    fill(journal, 6, 7)
    assert journal.behind_ms("page", 9_000) <= 9_000
    journal = opened("history", "page")
    place_new(journal, {"history": None, "page": None})
    assert lacks(journal, "page") == [6, 7]
    assert lacks(journal, "history") == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("since_ms", "first"), [(0, 1), (1, 1), (3_000, 3), (3_001, 4), (8_000, 8), (9_000, 9)]
)
def test_an_output_may_begin_at_any_time(opened, since_ms, first):
    journal = opened("history")
    place_new(journal, {"history": None})
    journal.log.segment_bytes = 100
    fill(journal, 1, 8)
    journal = opened("page")
    place_new(journal, {"page": since_ms})
    fill(journal, 9, 9)
    assert lacks(journal, "page") == list(range(first, 10))


def test_since_is_ignored_where_an_output_has_begun_also_when_it_was_removed_meanwhile(opened):
    journal = opened("history")
    place_new(journal, {"history": None})
    fill(journal, 1, 3)
    delivered(journal, "history", journal.reader("history").take(2))
    place_new(opened(), {})
    journal = opened("history")
    assert place_new(journal, {"history": 0}) == []
    assert lacks(journal, "history") == [3]


def test_a_house_of_an_older_release_gives_what_no_output_has_got_yet(opened):
    journal = opened("history", "away")
    fill(journal, 1, 4)
    delivered(journal, "history", journal.reader("history").take(3))
    journal = opened("history", "away")
    place_new(journal, {"history": None, "away": None})
    assert lacks(journal, "history") == [4]
    assert lacks(journal, "away") == [1, 2, 3, 4]
    journal = opened("added")
    place_new(journal, {"added": None})
    assert lacks(journal, "added") == []


def test_a_damaged_cursor_is_not_that_of_a_new_output(opened, tmp_path):
    journal = opened("history")
    place_new(journal, {"history": None})
    fill(journal, 1, 3)
    (tmp_path / "cursors" / "history").write_bytes(b"rubbish")
    journal = opened("history")
    assert place_new(journal, {"history": None}) == []
    assert lacks(journal, "history") == [1, 2, 3]


def test_a_full_disk_at_the_first_start_does_not_make_the_newest_the_beginning(opened, monkeypatch):
    journal = opened("history")
    place_new(journal, {"history": None})
    fill(journal, 1, 5)
    journal = opened("history", "more")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        place_new(journal, {"history": None, "more": None})
    assert lacks(journal, "more") == []
    journal = opened("history", "more")
    assert place_new(journal, {"history": None, "more": None}) == ["more"]
    assert lacks(journal, "more") == []
