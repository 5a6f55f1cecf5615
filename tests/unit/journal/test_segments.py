"""The log keeps what was appended, in order, through crashes and damage."""

import random
import tracemalloc

import pytest

from collector.journal import frames
from collector.journal.reader import Reader, newest, read_after, read_all, read_between
from collector.journal.segments import Log

SEGMENT = 2000


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "log"


def filled(folder, count, lost=lambda *_: None, start=1):
    log = Log(folder, lost, segment_bytes=SEGMENT)
    log.open()
    for number in range(start, start + count):
        assert log.append([body(number)], number * 1000) == number
    return log


def body(number):
    return b"electricity,device=mains voltage=230.%d %d" % (number % 7, number * 1000)


def everything(folder):
    return list(read_all(folder))


def expected(*numbers):
    return [(number, body(number)) for number in numbers]


def test_what_is_appended_is_there_before_it_is_synced_and_while_it_is_written(folder):
    filled(folder, 100)
    assert everything(folder) == expected(*range(1, 101))


def test_a_new_start_goes_on_where_the_last_one_ended(folder):
    filled(folder, 10).close()
    filled(folder, 10, start=11).close()
    assert everything(folder) == expected(*range(1, 21))


def test_closed_segments_are_deflated_and_read_the_same(folder):
    log = filled(folder, 200)
    size = log.size
    log.close_segments()
    assert log.size < size / 2
    assert [path.suffix for path in sorted(folder.iterdir())].count(".log") == 1
    assert everything(folder) == expected(*range(1, 201))
    assert Reader(log, 1).take(1000) == expected(*range(1, 201))


def test_a_reader_takes_in_portions_and_follows(folder):
    log = filled(folder, 50)
    reader = Reader(log, 1)
    assert reader.take(30) == expected(*range(1, 31))
    assert reader.take(30) == expected(*range(31, 51))
    assert reader.take(30) == []
    log.append([body(51), body(52)], 51000)
    assert reader.take(30) == expected(51, 52)


def test_portions_of_any_size_cut_closed_blocks_anywhere(folder):
    log = filled(folder, 400)
    log.close_segments()
    for size in (1, 2, 7, 64, 399):
        reader, taken = Reader(log, 3), list[tuple[int, bytes]]()
        while portion := reader.take(size):
            assert len(portion) == min(size, 398 - len(taken))
            taken += portion
        assert taken == expected(*range(3, 401))


def test_a_reader_goes_on_while_its_segment_is_deflated(folder):
    log = filled(folder, 100)
    reader = Reader(log, 1)
    first = reader.take(7)
    log.close_segments()
    assert first + reader.take(1000) == expected(*range(1, 101))


def test_dropping_the_oldest_segment_moves_readers_on(folder):
    log = filled(folder, 100)
    reader = Reader(log, 1)
    first, last = log.drop_oldest()
    assert first == 1
    assert reader.take(1000) == expected(*range(last + 1, 101))


def test_the_segment_being_written_is_never_dropped(folder):
    log = filled(folder, 3)
    assert log.drop_oldest() is None


def test_a_cursor_beyond_the_end_keeps_its_numbers_for_itself(folder):
    filled(folder, 10).close()
    lost = []
    log = Log(folder, lambda *gap: lost.append(gap))
    log.open(least=15)
    assert log.append([body(15)], 15000) == 15
    assert lost == [("torn", 11, 14)]
    assert Reader(log, 11).take(10) == expected(15)


def test_number_at_finds_a_place_at_or_before_a_time(folder):
    log = filled(folder, 200)
    for at in (1, 50, 133, 200):
        assert log.number_at(at * 1000) <= at
    assert log.number_at(200_000) > 150
    assert log.number_at(0) == 1


def test_newest_looks_back_over_segments(folder):
    filled(folder, 200)
    assert list(newest(folder, 60)) == expected(*range(141, 201))
    assert list(newest(folder, 1000)) == expected(*range(1, 201))
    assert list(read_after(folder, 190)) == expected(*range(191, 201))
    assert list(read_after(folder, 200)) == []


def test_newest_counts_what_damage_has_left(folder):
    filled(folder, 200).close()
    last = max(folder.iterdir())
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    assert list(newest(folder, 60)) == expected(*range(140, 200))


def test_of_newest_only_a_segment_is_held_in_memory(folder):
    filled(folder, 20_000)
    tracemalloc.start()
    count = sum(1 for _ in newest(folder, 20_000))
    one_by_one = tracemalloc.get_traced_memory()[1]
    records = list(read_all(folder))
    together = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == len(records) == 20_000
    assert one_by_one < together / 4


def test_a_range_of_time_is_found_with_what_came_late_and_in_segments_of_older_releases(folder):
    log = filled(folder, 100)
    late = b"electricity,device=mains voltage=1.0 30000"
    log.append([late], 101_000)
    filled_up = [log.append([body(number)], number * 1000) for number in range(102, 301)]
    assert filled_up[-1] == 300
    log.close_segments()
    oldest = min(folder.iterdir())
    oldest.write_bytes(oldest.read_bytes()[: -frames.TIMES.size])
    for since, until in ((25, 35), (0, 10**6), (298, 10**6), (30, 30), (400, 500)):
        times = range(max(since, 1), min(until, 301))
        wanted = [body(number) for number in times if number != 101]
        if 30 in times:
            wanted.insert(sum(time <= 100 for time in times), late)
        assert list(read_between(folder, since * 1000, until * 1000)) == wanted


def test_a_segment_that_ends_with_other_times_is_not_read_for_a_range(folder):
    log = filled(folder, 100)
    log.close_segments()
    oldest = min(folder.iterdir())
    data = oldest.read_bytes()
    oldest.write_bytes(data[: -frames.TIMES.size] + b"".join(frames.pack_times([10**9])))
    assert body(1) not in list(read_between(folder, 0, 10**6))
    assert body(1) in [line for _, line in everything(folder)]


def test_cut_at_every_byte_of_the_last_4_kib_it_starts_and_counts_what_is_torn(folder, tmp_path):
    filled(folder, 400).close()
    names = sorted(path.name for path in folder.iterdir())
    kept = {name: (folder / name).read_bytes() for name in names}
    tail = min(4096, len(kept[names[-1]]) + len(kept[names[-2]]))
    for cut in range(1, tail + 1):
        files = cut_off(kept, names, cut)
        copy = tmp_path / f"cut-{cut}"
        copy.mkdir()
        for name, data in files.items():
            (copy / name).write_bytes(data)
        check_start(copy)


def cut_off(kept, names, cut):
    """Leave *cut* bytes off the end, going into the segment before where the last is shorter."""
    files = dict(kept)
    last = files[names[-1]]
    if cut <= len(last):
        files[names[-1]] = last[: len(last) - cut]
    else:
        del files[names[-1]]
        before = files[names[-2]]
        files[names[-2]] = before[: len(before) - (cut - len(last))]
    return files


def check_start(folder):
    lost = []
    log = Log(folder, lambda *gap: lost.append(gap), segment_bytes=SEGMENT)
    log.open()
    torn = sum(last - first + 1 for _, first, last in lost)
    number = log.append([b"after"], 0)
    records = everything(folder)
    assert records == [*expected(*range(1, number - torn)), (number, b"after")]
    assert torn <= 1
    log.close()


def test_flipped_at_a_thousand_places_it_loses_only_what_is_hit_and_counts_it(folder):
    filled(folder, 300).close()
    files = sorted(folder.iterdir())
    random.seed(1)
    for _ in range(1000):
        file = random.choice(files)
        whole = file.read_bytes()
        place = random.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= random.randrange(1, 256)
        file.write_bytes(damaged)
        lost: list[tuple[str, int, int]] = []
        log = Log(folder, lambda *gap, lost=lost: lost.append(gap), segment_bytes=SEGMENT)
        log.open()
        records = Reader(log, 1).take(1000)
        log.close()
        gone = {number for _, first, last in lost for number in range(first, last + 1)}
        assert len(gone) == 1, (file.name, place)
        assert records == expected(*(number for number in range(1, 301) if number not in gone))
        file.write_bytes(whole)


def test_damage_in_a_closed_segment_costs_its_block_and_is_counted(folder):
    log = filled(folder, 300)
    log.close_segments()
    log.close()
    random.seed(2)
    files = [path for path in folder.iterdir() if path.suffix == ".z"]
    for _ in range(200):
        file = random.choice(files)
        whole = file.read_bytes()
        damaged = bytearray(whole)
        place = random.randrange(len(whole))
        damaged[place] ^= 1 << random.randrange(8)
        file.write_bytes(damaged)
        lost: list[tuple[str, int, int]] = []
        again = Log(folder, lambda *gap, lost=lost: lost.append(gap), segment_bytes=SEGMENT)
        again.open()
        records = Reader(again, 1).take(1000)
        again.close()
        gone = {number for _, first, last in lost for number in range(first, last + 1)}
        assert 1 <= len(gone) <= 100 or (place >= len(whole) - frames.TIMES.size and not gone)
        assert records == expected(*(number for number in range(1, 301) if number not in gone))
        file.write_bytes(whole)


def test_damage_is_counted_when_the_segment_is_deflated(folder):
    lost = []
    log = filled(folder, 100, lambda *gap: lost.append(gap))
    oldest = log.segments[0].path
    data = bytearray(oldest.read_bytes())
    data[100] ^= 0xFF
    oldest.write_bytes(data)
    log.close_segments()
    assert lost == [("damaged", 2, 2)]


def test_a_crash_between_deflating_and_deleting_leaves_no_double(folder):
    log = filled(folder, 100)
    oldest = log.segments[0].path
    plain = oldest.read_bytes()
    log.close_segments()
    log.close()
    oldest.write_bytes(plain)
    (folder / "0000000000000001-0000000001000.new").write_bytes(b"half")
    again = Log(folder)
    again.open()
    assert Reader(again, 1).take(1000) == expected(*range(1, 101))
    assert not oldest.exists()
    assert not list(folder.glob("*.new"))
