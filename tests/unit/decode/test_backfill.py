"""Back-fill: which windows are missing, whatever is there, and what has been told already."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.decode import backfill
from collector.decode.backfill import Progress
from collector.reading import Reading

moment = st.integers(0, 60)
span = st.tuples(moment, moment)
spans = st.lists(span, max_size=8)


def covered(parts):
    return {at for begin, end in parts for at in range(begin, end)}


@given(span, spans)
def test_what_is_missing_is_what_is_wanted_and_not_there(wanted, there):
    gaps = backfill.missing(wanted, there)
    assert covered(gaps) == covered([wanted]) - covered(there)
    assert gaps == sorted(gaps)
    assert all(begin < end for begin, end in gaps)


@given(spans)
def test_joined_spans_are_the_same_time_in_order_and_apart(parts):
    joined = backfill.joined(parts)
    assert covered(joined) == covered(parts)
    assert all(end < begin for (_, end), (begin, _) in pairwise(joined))
    assert backfill.joined(joined) == joined


@given(span, spans, st.integers(1, 20))
def test_window_after_window_all_is_there_and_nothing_is_asked_twice(wanted, there, longest):
    asked: list[backfill.Span] = []
    while window := backfill.next_window(wanted, [*there, *asked], longest):
        assert 0 < window[1] - window[0] <= longest
        assert not covered([window]) & covered([*there, *asked])
        asked.append(window)
    assert covered(asked) == covered([wanted]) - covered(there)
    assert asked == sorted(asked, reverse=True)  # the newest first


def test_windows_lie_on_a_grid_so_that_they_do_not_move_with_the_hour():
    assert backfill.next_window((5, 38), [(35, 38)], 10) == (30, 35)
    assert backfill.next_window((5, 38), [(30, 38)], 10) == (20, 30)
    assert backfill.next_window((5, 38), [(10, 38)], 10) == (5, 10)
    assert backfill.next_window((5, 38), [(5, 38)], 10) is None


# What was told


def reading(at_ms, value=1.0, device="a"):
    return Reading("climate", device, at_ms, {"temperature": value})


def test_only_what_is_new_or_corrected_is_news():
    first = [reading(1), reading(2), reading(2, device="b")]
    progress = backfill.after(Progress("x"), [(1, 3)], first, 0)
    assert backfill.news(progress, first) == []
    again = [reading(1), reading(2, 1.5), reading(3), reading(2, device="b")]
    assert backfill.news(progress, again) == [reading(2, 1.5), reading(3)]


@given(st.lists(moment), moment)
def test_of_what_was_told_only_the_newest_is_remembered(times, since):
    readings = [reading(at) for at in times]
    told = backfill.after(Progress("x"), [], readings, since)
    assert backfill.news(told, readings) == [each for each in readings if each.at_ms < since]


# On disk

progresses = st.builds(
    Progress,
    st.text(),
    spans.map(backfill.joined),
    st.dictionaries(st.from_regex(r"[a-z]{1,5} [0-9]{1,13}", fullmatch=True), moment),
)


@given(progresses)
def test_what_is_saved_is_loaded(progress):
    assert backfill.unpack(backfill.pack(progress), progress.of) == progress
    assert backfill.unpack(backfill.pack(progress), progress.of + "x") == Progress(
        progress.of + "x"
    )


@given(st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr))
def test_anything_else_is_no_progress(data):
    data = data.encode() if isinstance(data, str) else data
    assert backfill.unpack(data, "x") == Progress("x")


@given(progresses, st.data())
def test_a_file_cut_off_is_no_progress(progress, data):
    packed = backfill.pack(progress)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    assert backfill.unpack(cut, progress.of) == Progress(progress.of)


def test_a_progress_with_wrong_parts_is_none():
    for body in (
        b'{"of": "x", "spans": [[1]], "told": {}}',
        b'{"of": "x", "spans": [], "told": {"a": 1}}',
        b'{"of": "x", "spans": [[0, 1e999]], "told": {}}',
        b'{"of": "x", "spans": [], "told": []}',
        b"[" * 100_000,
    ):
        assert backfill.unpack(body, "x") == Progress("x")


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "state" / "history.json"
    assert backfill.load(file, "x") == Progress("x")
    for end in (5, 6):
        progress = replace(Progress("x"), spans=((1, end),))
        backfill.save(file, progress)
        assert backfill.load(file, "x") == progress
    assert [each.name for each in file.parent.iterdir()] == ["history.json"]
