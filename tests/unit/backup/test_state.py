"""What is an alarm: each failure, what is overdue, and what has shrunk; and nothing else."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from backup import state
from backup.state import record, record_failure
from collector import backup_options
from collector.backup_options import Run, alarms

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ago(**time):
    return (NOW - timedelta(**time)).isoformat(timespec="seconds")


def good(**time):
    return Run(done_at=ago(**time), id="20261120T110000Z", size=100, first_at=ago(**time))


WELL = {"backup": good(hours=1), "upload": good(hours=1), "rehearsal": good(days=6)}


def test_where_all_is_well_there_is_no_alarm():
    assert alarms(WELL, NOW, off_site=True) == []


@pytest.mark.parametrize(
    ("task", "allowed", "late"),
    [
        ("backup", {"hours": 3}, "the last good backup is 4 hours old"),
        ("upload", {"hours": 26}, "the last good upload is 27 hours old"),
        ("rehearsal", {"days": 15}, "the last good rehearsal is 15 days old"),
    ],
)
def test_what_is_overdue_is_an_alarm_and_not_before(task, allowed, late):
    since = timedelta(**allowed)
    assert alarms(WELL | {task: good(seconds=since.total_seconds())}, NOW, off_site=True) == []
    (said,) = alarms(WELL | {task: good(seconds=since.total_seconds() + 3600)}, NOW, off_site=True)
    assert said.startswith(late)


def test_what_never_was_good_is_overdue_from_the_first_run_on():
    new = {"backup": good(hours=1)}
    assert alarms(new, NOW, off_site=True) == []
    old = {"backup": replace(good(hours=1), first_at=ago(days=20))}
    assert alarms(old, NOW, off_site=False) == ["no rehearsal has ever been good"]
    assert alarms(old, NOW, off_site=True) == [
        "no rehearsal has ever been good",
        "no upload has ever been good",
    ]


def test_a_task_that_has_begun_and_not_yet_ended_is_no_alarm():
    assert alarms({"upload": Run()}, NOW, off_site=True) == []


def test_what_is_expected_and_never_runs_is_overdue_from_then_on(tmp_path):
    record(tmp_path, "backup", replace(good(hours=1), first_at=ago(days=400)))
    record(tmp_path, "rehearsal", good(days=6))
    state.expect(tmp_path, "upload", NOW - timedelta(hours=26))
    assert alarms(backup_options.read_runs(tmp_path), NOW, off_site=True) == []
    state.expect(tmp_path, "upload", NOW)
    later = NOW + timedelta(hours=1)
    assert alarms(backup_options.read_runs(tmp_path), later, off_site=True) == [
        "no upload has ever been good"
    ]


def test_what_is_dated_in_a_time_to_come_is_not_taken_for_new():
    (said,) = alarms(WELL | {"backup": good(days=-300)}, NOW, off_site=True)
    assert said.startswith("the last good backup is dated 2027-")


def test_a_shard_that_is_damaged_is_an_alarm_until_it_is_mended(tmp_path):
    for task, run in WELL.items():
        record(tmp_path, cast("backup_options.Task", task), run)
    record(tmp_path, "backup", replace(WELL["backup"], damaged=("shard 7 of bucket 'a' …",)))
    assert alarms(backup_options.read_runs(tmp_path), NOW, off_site=True) == [
        "shard 7 of bucket 'a' …"
    ]
    record_failure(tmp_path, "backup", ValueError("away"), NOW)
    assert "shard 7 of bucket 'a' …" in alarms(
        backup_options.read_runs(tmp_path), NOW, off_site=True
    )
    record(tmp_path, "backup", WELL["backup"])
    assert alarms(backup_options.read_runs(tmp_path), NOW, off_site=True) == []


def test_without_any_backup_that_is_the_only_alarm():
    assert alarms({}, NOW, off_site=True) == ["no backup has ever been made"]


def test_a_backup_much_smaller_than_its_predecessor_is_an_alarm():
    run = replace(good(hours=1), size=49, size_before=100)
    (said,) = alarms(WELL | {"backup": run}, NOW, off_site=True)
    assert said == (
        "backup 20261120T110000Z is much smaller than its predecessor: 49 bytes, "
        "the one before it 100"
    )
    assert alarms(WELL | {"backup": replace(run, size=50)}, NOW, off_site=True) == []


def test_a_failure_is_an_alarm_until_the_next_success(tmp_path):
    record(tmp_path, "backup", good(hours=1))
    record_failure(tmp_path, "backup", ValueError("the disk is full"), NOW)
    runs = backup_options.read_runs(tmp_path)
    assert runs["backup"].id == "20261120T110000Z", "what is known of the last good one stays"
    assert alarms(runs, NOW, off_site=False) == [
        "the last backup failed at 2026-11-20T12:00:00+00:00: the disk is full"
    ]
    record(tmp_path, "backup", good(hours=0))
    runs = backup_options.read_runs(tmp_path)
    assert alarms(runs, NOW, off_site=False) == []
    assert runs["backup"].first_at == ago(hours=1)


def test_commands_that_end_at_once_do_not_lose_each_others_word(tmp_path):
    tasks = ("backup", "upload", "verify", "rehearsal")
    threads = [threading.Thread(target=record, args=(tmp_path, each, good())) for each in tasks]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(backup_options.read_runs(tmp_path)) == set(tasks)


def test_a_state_of_another_release_or_half_written_is_none(tmp_path):
    assert backup_options.read_runs(tmp_path) == {}
    for text in ("{", "[]", '{"backup": {"unknown": 1}}', '{"backup": 7}'):
        (tmp_path / "state.json").write_text(text)
        assert backup_options.read_runs(tmp_path) == {}


def test_a_damaged_note_of_the_last_runs_raises_nothing_and_is_no_alarm_of_its_own(tmp_path):
    for task in ("backup", "upload"):
        record(tmp_path, task, replace(good(hours=1), failed_at=ago(hours=2), error="was away"))
    file = tmp_path / "state.json"
    data = file.read_bytes()
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        alarms(backup_options.read_runs(tmp_path), NOW, off_site=True)
    for odd in (
        b"[" * 100_000,
        b"null",
        b'{"backup": {"done_at": 5}}',
        b'{"backup": {"size": 1e999}}',
    ):
        file.write_bytes(odd)
        assert backup_options.read_runs(tmp_path) == {}
