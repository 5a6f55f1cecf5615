"""The journal: which readings are there, which did each output get, what was dropped."""

import contextlib
import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from collector.errors import JournalFault
from collector.journal.cursor import Cursor, read_cursor, write_cursor
from collector.journal.journal import Journal
from collector.journal.notes import dead_letters, losses
from collector.journal.reader import Reader, read_all
from collector.reading import Reading, decode, encode
from tests.cursors import delivered

DAY_MS = 86_400_000
BOOT = "boot-1"


def line(number, at_ms=None):
    at_ms = number * 1000 if at_ms is None else at_ms
    return encode(Reading("electricity", "mains", at_ms, {"active_energy": float(number)}))


def opened(folder, outputs=("history",), segment_bytes=2000, boot=BOOT):
    journal = Journal(folder, boot, outputs)
    journal.log.segment_bytes = segment_bytes
    journal.open()
    return journal


@pytest.fixture
def journal(tmp_path):
    journal = opened(tmp_path)
    yield journal
    journal.close()


def deliver(journal, output, number):
    """Move a cursor as a delivery of everything before *number* would."""
    records = journal.reader(output).take(number)
    delivered(journal, output, [record for record in records if record[0] < number])


def stored(folder):
    return [decode(each).values["active_energy"] for _, each in read_all(folder / "log")]


def test_every_reading_is_there_with_its_number(journal, tmp_path):
    for number in range(1, 51):
        assert journal.append([line(number)])
    assert stored(tmp_path) == [float(number) for number in range(1, 51)]


@pytest.mark.usefixtures("journal")
def test_a_second_collector_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(JournalFault, match="in use by another collector"):
        opened(tmp_path)


def test_a_journal_of_a_newer_release_is_refused(tmp_path):
    opened(tmp_path).close()
    (tmp_path / "lock").write_text("99\n")
    with pytest.raises(JournalFault, match="format 99, this release knows 1"):
        opened(tmp_path)


def test_a_cursor_survives_and_a_damaged_one_begins_with_the_oldest(journal, tmp_path):
    journal.append([line(1), line(2), line(3)])
    deliver(journal, "history", 3)
    assert read_cursor(tmp_path, "history").number == 3
    assert journal.backlog("history") == 1
    file = tmp_path / "cursors" / "history"
    file.write_bytes(file.read_bytes().replace(b"3", b"4", 1))
    assert read_cursor(tmp_path, "history").number == 0


def test_a_new_output_gets_everything_that_is_kept(journal):
    journal.append([line(1), line(2)])
    assert [number for number, _ in journal.reader("history").take(10)] == [1, 2]


def test_delivered_readings_go_after_their_time_and_undelivered_ones_stay(tmp_path):
    journal = opened(tmp_path, outputs=("quick", "slow"))
    for number in range(1, 301):
        journal.append([line(number, number * DAY_MS // 10)])
    deliver(journal, "quick", 301)
    deliver(journal, "slow", 150)
    journal.drop_old(23 * DAY_MS, -335 * DAY_MS)
    first = journal.log.first_number
    assert 100 < first <= 150
    assert not journal.losses.ever
    deliver(journal, "slow", 301)
    journal.drop_old(23 * DAY_MS, -335 * DAY_MS)
    assert 200 < journal.log.first_number <= 231
    journal.close()


def test_what_is_dropped_undelivered_is_counted_and_told_for_each_output(tmp_path):
    journal = opened(tmp_path, outputs=("quick", "slow"))
    for number in range(1, 301):
        journal.append([line(number)])
    deliver(journal, "quick", 301)
    deliver(journal, "slow", 10)
    journal.keep_house(size=3000)
    journal.close()
    told = list(losses(tmp_path))
    first = journal.log.first_number
    assert sum(loss["readings"] for loss in told) == first - 1 == journal.losses.ever["too much"]
    assert sum(loss["undelivered"].get("slow", 0) for loss in told) == first - 10
    assert all("quick" not in loss["undelivered"] for loss in told)
    assert opened(tmp_path).losses.ever["too much"] == first - 1


def test_undelivered_readings_are_given_up_after_their_longer_time(tmp_path):
    journal = opened(tmp_path)
    for number in range(1, 301):
        journal.append([line(number, number * DAY_MS)])
    journal.drop_old(293 * DAY_MS, 200 * DAY_MS)
    assert 150 < journal.log.first_number <= 201
    assert journal.losses.ever["too old"] == journal.log.first_number - 1
    journal.close()


def test_a_full_disk_meanwhile_lets_nothing_go_untold(journal, monkeypatch):
    for number in range(1, 101):
        journal.append([line(number)])
    second, third = (each.first for each in journal.log.segments[1:3])
    deliver(journal, "history", second)
    full = threading.Thread(target=journal.drop_oldest, args=["disk full"])
    plain = Journal.delivered

    def delivered_while_the_disk_fills(journal):
        is_delivered = plain(journal)
        if not full.ident:
            full.start()
            full.join(0.2)
        return is_delivered

    monkeypatch.setattr(Journal, "delivered", delivered_while_the_disk_fills)
    journal.drop_old(DAY_MS, 0)
    full.join()
    assert journal.log.first_number == third
    assert journal.losses.lost == [(second, third - 1)]


def test_undated_readings_are_held_back_then_dated(journal):
    journal.append([line(1, 5_000)], dated=False)
    journal.append([line(2, 6_000)], dated=False)
    assert journal.reader("history").take(10) == []
    offset = 1_763_654_400_000
    assert journal.date_back(offset) == 2
    records = journal.reader("history").take(10)
    assert [decode(each).at_ms for _, each in records] == [offset + 5_000, offset + 6_000]
    assert journal.undated.next_number == 1
    journal.append([line(3, 7_000)], dated=False)
    assert journal.date_back(offset) == 1


def test_undated_readings_survive_a_restart_within_the_boot(tmp_path):
    journal = opened(tmp_path)
    journal.append([line(1, 5_000)], dated=False)
    journal.close()
    again = opened(tmp_path)
    assert again.date_back(1_000_000) == 1
    assert [decode(each).at_ms for _, each in again.reader("history").take(10)] == [1_005_000]
    again.close()


def test_undated_readings_of_another_boot_are_counted_as_lost(tmp_path):
    journal = opened(tmp_path)
    journal.append([line(1, 5_000), line(2, 6_000)], dated=False)
    journal.close()
    again = opened(tmp_path, boot="boot-2")
    assert again.losses.ever == {"clock never right": 2}
    assert not (tmp_path / "undated" / BOOT).exists()
    again.close()


def test_rewinding_sends_readings_since_a_time_again(journal):
    for number in range(1, 301):
        journal.append([line(number)])
    deliver(journal, "history", 301)
    again = journal.rewind("history", 250_000)
    first, _ = journal.reader("history").take(1)[0]
    assert first <= 250
    assert again == 301 - first


def test_refused_readings_are_set_aside_with_the_reason(journal, tmp_path):
    journal.set_aside("history", {line(1): "field type conflict"})
    letters = list(dead_letters(tmp_path, "history"))
    assert [(each["reading"], each["reason"]) for each in letters] == [
        (line(1).decode(), "field type conflict")
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small tmpfs can only be mounted as root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_costs_the_oldest_readings_and_never_the_newest(small_disk):
    journal = opened(small_disk, segment_bytes=20_000)
    for number in range(1, 20_001):
        assert journal.append([line(number)])
        if number == 5000:
            journal.keep_house(10**9)
    newest = stored(small_disk)
    assert newest == [float(number) for number in range(int(newest[0]), 20_001)]
    assert journal.losses.ever["disk full"] == newest[0] - 1
    journal.close()


def fill_up(file):
    with contextlib.suppress(OSError):
        while os.write(file, b"x" * 512):
            pass
    assert os.statvfs(file).f_bavail == 0


def test_on_a_disk_filled_by_others_readings_wait_in_memory_until_there_is_room(small_disk):
    journal = opened(small_disk, segment_bytes=10**6)
    journal.append([line(1)])
    hog = os.open(small_disk / "hog", os.O_WRONLY | os.O_CREAT)
    fill_up(hog)
    os.close(hog)
    results = [journal.append([line(number)]) for number in range(2, 200)]
    assert False in results
    journal.sync()
    assert "make room" in next(iter(journal.status(0).faults.values()))
    assert Reader(journal.log, 1).take(1000)[-1][1] == line(199)
    (small_disk / "hog").unlink()
    journal.sync()
    assert journal.append([line(200)])
    assert not journal.status(0).faults
    assert not journal.losses.ever
    assert stored(small_disk) == [float(number) for number in range(1, 201)]
    journal.close()


def test_threads_that_meet_at_the_first_append_lose_nothing(tmp_path):
    for trial in range(50):
        journal = Journal(tmp_path / str(trial), BOOT)
        journal.open()
        gate = threading.Barrier(3)

        def append(start, journal=journal, gate=gate):
            gate.wait()
            for number in range(start, start + 10):
                assert journal.append([line(number)])
                assert journal.append([line(number)], dated=False)

        threads = [threading.Thread(target=append, args=(start,)) for start in (100, 200, 300)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(stored(tmp_path / str(trial))) == 30
        assert journal.date_back(0) == 30
        journal.close()


def test_dating_back_while_readings_come_in_undated_loses_none(tmp_path):
    journal = opened(tmp_path, segment_bytes=500)
    done = threading.Event()
    count = 3000

    def append():
        for number in range(1, count + 1):
            journal.append([line(number)], dated=False)
        done.set()

    thread = threading.Thread(target=append)
    thread.start()
    while not done.is_set():
        journal.date_back(1_000_000)
    thread.join()
    journal.date_back(1_000_000)
    assert sorted(set(stored(tmp_path))) == [float(number) for number in range(1, count + 1)]
    assert not journal.losses.ever
    journal.close()


def test_dating_back_on_a_nearly_full_disk_loses_nothing(small_disk):
    journal = opened(small_disk, segment_bytes=20_000)
    journal.undated.segment_bytes = 20_000
    for number in range(1, 1501):
        assert journal.append([line(number)])
    for number in range(1501, 4001):
        assert journal.append([line(number)], dated=False)
    assert not journal.losses.ever
    assert journal.date_back(0) == 2500
    assert stored(small_disk) == [float(number) for number in range(1, 4001)]
    assert not journal.losses.ever
    journal.close()


def test_on_a_full_disk_cursors_dead_letters_and_marks_do_not_stop_it(small_disk):
    journal = opened(small_disk, segment_bytes=10**6)
    journal.append([line(1), line(2)])
    hog = os.open(small_disk / "hog", os.O_WRONLY | os.O_CREAT)
    fill_up(hog)
    os.close(hog)
    deliver(journal, "history", 3)
    assert journal.backlog("history") == 0
    journal.set_aside("history", {line(1): "no"})
    assert journal.rewind("history", 0) == 2
    journal.sync()
    journal.close()


def test_a_segment_dropped_while_it_is_deflated_stays_dropped(journal, monkeypatch):
    for number in range(1, 301):
        journal.append([line(number)])
    segment = journal.log.segments[0]
    plain = segment.path.read_bytes

    def dropped_meanwhile(_path):
        data = plain()
        journal.drop_oldest("disk full")
        monkeypatch.undo()
        return data

    monkeypatch.setattr(type(segment.path), "read_bytes", dropped_meanwhile)
    journal.log.deflate_segment(segment)
    journal.log.close_segments()
    assert not list(journal.log.folder.glob(f"{segment.path.stem}*"))


def test_a_cursor_sent_back_during_a_delivery_stays_back(journal):
    for number in range(1, 101):
        journal.append([line(number)])
    begun = journal.cursors["history"]
    records = journal.reader("history").take(100)
    delivered(journal, "history", records[:50], begun)
    begun = journal.cursors["history"]
    assert journal.rewind("history", 0) == 50
    delivered(journal, "history", records[50:], begun)
    assert journal.backlog("history") == 100


def test_after_a_step_back_a_time_is_found_from_the_oldest_reading_on(journal):
    for number in (*range(1, 101), *range(50, 151)):
        journal.append([line(number)])
    number = journal.log.number_at(60_000)
    assert number <= 60


def test_a_disk_that_does_not_give_a_segment_back_stops_nothing(tmp_path, monkeypatch):
    journal = opened(tmp_path)
    for number in range(1, 101):
        journal.append([line(number)])
    journal.close()
    bad = {journal.log.segments[0].path, journal.log.segments[-1].path}
    read_bytes = Path.read_bytes

    def failing(path):
        if path in bad:
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    again = opened(tmp_path)
    assert again.append([line(101)])
    again.keep_house(10**9)
    records = again.reader("history").take(1000)
    assert records[-1][1] == line(101)
    assert again.losses.ever["unreadable"] > 0
    again.close()


def test_the_age_of_a_journal_begun_in_1970_is_that_of_its_newest_time(tmp_path):
    journal = opened(tmp_path)
    for number in range(1, 101):
        journal.append([line(number, 1000 * DAY_MS + number)])
    for number in range(101, 201):
        journal.append([line(number, number)])
    deliver(journal, "history", 201)
    first = journal.log.first_number
    journal.drop_old(990 * DAY_MS, 900 * DAY_MS)
    assert journal.log.first_number == first
    journal.close()


@pytest.mark.parametrize(
    "text",
    ["x", "", "a b c", "electricity,device=m voltage=nan 5", "k,device=m v=1 99999999999999",
     "k\n,device=m v=1 5", "k,device=m v=1 -5"],
)  # fmt: skip
def test_what_is_no_reading_is_not_sent_again(journal, text):
    with pytest.raises(ValueError, match="not a reading as the journal writes it"):
        journal.resend([line(1).decode(), text])
    assert journal.log.next_number == 1
    assert journal.resend([line(1).decode()]) == 1


def test_the_list_of_refused_readings_is_bounded_and_what_is_left_out_counted(
    journal, tmp_path, monkeypatch
):
    monkeypatch.setattr("collector.journal.notes.DEAD_LETTERS_BYTES", 2000)
    for number in range(100):
        journal.set_aside("history", {line(number): "refused"})
    kept = len(list(dead_letters(tmp_path, "history")))
    assert 10 < kept < 40
    assert journal.losses.ever["refused by history, and its list is full"] == 100 - kept


def test_readings_numbered_beyond_32_bits_are_read_like_others(tmp_path):
    write_cursor(tmp_path, "history", Cursor(2**32 - 10, 1))
    journal = opened(tmp_path, segment_bytes=500)
    for number in range(20):
        journal.append([line(number)])
    opened_segments = [each for _, each in journal.reader("history").take(99)]
    journal.keep_house(1 << 20)
    closed_segments = [each for _, each in journal.reader("history").take(99)]
    journal.close()
    assert opened_segments == closed_segments == [line(number) for number in range(20)]
