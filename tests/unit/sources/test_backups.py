"""The source that tells how the backups are."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.state import record, record_failure
from collector.backup_options import Run
from collector.contract import Context
from collector.errors import DeviceSilent
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.scalars import FilePath
from collector.sources.backups import Backups, BackupsOptions

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT_MS = round(NOW.timestamp() * 1000)


def ago(**time):
    return (NOW - timedelta(**time)).isoformat(timespec="seconds")


def read(folder, quantities=Backups.quantities):
    options = BackupsOptions(type="backups", folder=FilePath(str(folder)))
    source = Backups("backups", options, Context("home", Lines(), folder, folder))
    source.open()
    readings = source.read(AT_MS, frozenset(quantities))
    source.close()
    return readings


def test_ages_and_sizes_are_told_and_what_never_ended_well_is_absent(tmp_path):
    record(tmp_path, "backup", Run(ago(minutes=10), "20261120T115000Z", 5000, 4000, 700))
    (reading,) = read(tmp_path)
    assert (reading.kind, reading.device, reading.at_ms) == ("backup", "backups", AT_MS)
    assert reading.values == {
        "backup_age": 600.0,
        "backup_size": 5000.0,
        "backup_new": 700.0,
        "backup_alarm": 0.0,
    }
    record(tmp_path, "upload", Run(ago(hours=1), "x"))
    record(tmp_path, "rehearsal", Run(ago(days=1), "x"))
    record_failure(tmp_path, "backup", ValueError("no"), NOW)
    (reading,) = read(tmp_path)
    assert reading.values["upload_age"] == 3600.0
    assert reading.values["rehearsal_age"] == 86400.0
    assert reading.values["backup_alarm"] == 1.0


def test_a_house_without_any_backup_has_an_alarm_and_no_age(tmp_path):
    (reading,) = read(tmp_path)
    assert reading.values == {"backup_alarm": 1.0}


def test_an_age_is_never_negative(tmp_path):
    record(tmp_path, "backup", Run(ago(days=-1), "x"))
    assert read(tmp_path)[0].values["backup_age"] == 0.0


def test_what_cannot_be_read_is_silence_with_its_reason(tmp_path):
    (tmp_path / "state.json").mkdir()
    with pytest.raises(DeviceSilent, match=r"state\.json cannot be read: Is a directory"):
        read(tmp_path)


def test_neither_deep_nesting_nor_a_pipe_is_a_state(tmp_path):
    (tmp_path / "state.json").write_bytes(b"[" * 100_000)
    assert read(tmp_path)[0].values == {"backup_alarm": 1.0}
    (tmp_path / "state.json").unlink()
    os.mkfifo(tmp_path / "state.json")
    assert read(tmp_path)[0].values == {"backup_alarm": 1.0}
    held = os.open(tmp_path / "state.json", os.O_RDWR)  # by somebody who writes nothing
    assert read(tmp_path)[0].values == {"backup_alarm": 1.0}
    os.close(held)


def test_every_quantity_is_in_the_catalogue():
    assert set(Backups.quantities) <= catalogue().keys()


WHOLE = Run(ago(minutes=10), "20261120T115000Z", 5000, 4000, 700, first_at=ago(days=9))


@given(st.integers(0, 10_000), st.integers(0, 7), st.booleans())
def test_a_state_that_a_disk_has_changed_is_read_or_missing_and_never_a_bug(
    tmp_path_factory, place, bit, cut
):
    folder = tmp_path_factory.mktemp("backups")
    record(folder, "backup", WHOLE)
    record(folder, "upload", WHOLE)
    data = bytearray((folder / "state.json").read_bytes())
    place %= len(data)
    data[place] ^= 1 << bit
    (folder / "state.json").write_bytes(data[:place] if cut else data)
    (reading,) = read(folder)
    assert all(0 <= value < 2**63 for value in reading.values.values())


@pytest.mark.parametrize(
    "run",
    [
        b'{"done_at": 5}',
        b'{"size": 1e999, "done_at": "2026-11-20T11:00:00+00:00"}',
        b'{"size": "5", "done_at": "2026-11-20T11:00:00+00:00"}',
        b'{"size": %s}' % (b"9" * 5000),
        b'{"done_at": "2026-11-20T11:00:00"}',
        b'{"damaged": "x"}',
    ],
)
def test_a_run_that_makes_no_sense_hides_no_other(tmp_path, run):
    record(tmp_path, "upload", WHOLE)
    state = tmp_path / "state.json"
    state.write_bytes(b'{"backup": %s, %s' % (run, state.read_bytes().lstrip(b"{")))
    (reading,) = read(tmp_path)
    assert reading.values["backup_alarm"] == 1.0
    assert "backup_age" not in reading.values
