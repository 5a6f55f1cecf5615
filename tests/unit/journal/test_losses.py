"""Losses are counted once, by cause, and written down as soon as the disk takes it."""

from hypothesis import given
from hypothesis import strategies as st

from collector.journal.losses import FILE, Losses, without

RANGES = st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda it: (it[0], it[0] + it[1]))


@given(st.lists(RANGES, max_size=8))
def test_however_often_and_in_which_pieces_a_reading_is_missed_it_counts_once(
    tmp_path_factory, gaps
):
    losses = Losses(tmp_path_factory.mktemp("losses"))
    for first, last in gaps:
        losses.tell("damaged", first, last, {})
    missing = {number for first, last in gaps for number in range(first, last + 1)}
    assert losses.ever["damaged"] == len(missing)


@given(RANGES, RANGES)
def test_what_is_left_of_a_gap_is_what_was_not_told(gap, known):
    left = {number for first, last in without(gap, known) for number in range(first, last + 1)}
    assert left == set(range(gap[0], gap[1] + 1)) - set(range(known[0], known[1] + 1))


def test_the_next_run_knows_them_and_counts_its_own_apart(tmp_path):
    losses = Losses(tmp_path)
    losses.tell("torn", 5, 7, {"history": 2})
    again = Losses(tmp_path)
    again.read()
    again.tell("damaged", 6, 8, {})
    assert (again.ever, again.lately) == ({"torn": 3, "damaged": 1}, {"damaged": 1})


def test_entries_that_make_no_sense_are_stepped_over(tmp_path):
    (tmp_path / FILE).write_text(
        '{"cuse": "torn", "readings": 3}\n{"cause": "torn", "readings": "3"}\n[1]\n\xff{\n'
        '{"cause": "torn", "readings": true}\n{"cause": "torn", "readings": NaN}\n'
        '{"cause": "torn", "readings": -5}\n{"cause": "torn", "readings": 1e400}\n'
        f'{{"cause": "torn", "readings": {"9" * 5000}}}\n{"[" * 100_000}\n'
        '{"cause": "torn", "readings": 7, "at": "yesterday"}\n'
        '{"cause": "torn", "readings": 2, "first": "x", "last": 4}\n',
        encoding="latin-1",
    )
    losses = Losses(tmp_path)
    losses.read()
    assert losses.ever == {"torn": 2}


def test_a_torn_line_takes_no_other_with_it(tmp_path):
    losses = Losses(tmp_path)
    losses.count("torn", 1)
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-10])
    losses.count("damaged", 5)
    again = Losses(tmp_path)
    again.read()
    assert again.ever == {"damaged": 5}


def test_what_a_full_disk_does_not_take_is_written_later(tmp_path):
    folder = tmp_path / "not yet there"
    losses = Losses(folder / "deeper")
    for _ in range(3):
        losses.count_quietly("disk full", 2)
    assert losses.ever == {"disk full": 6}
    folder.mkdir()
    (folder / "deeper").mkdir()
    losses.write()
    assert (folder / "deeper" / FILE).read_text().count("\n") == 1
    assert '"readings": 6' in (folder / "deeper" / FILE).read_text()
