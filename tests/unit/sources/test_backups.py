"""The source that tells how the backups are."""

from datetime import UTC, datetime, timedelta

import pytest

from backup.state import record, record_failure
from collector.backup_options import Run
from collector.contract import Context
from collector.errors import DeviceSilent
from collector.lines.serial import Lines
from collector.quantity import catalogue
from collector.sources.backups import Backups, BackupsOptions

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT_MS = round(NOW.timestamp() * 1000)


def ago(**time):
    return (NOW - timedelta(**time)).isoformat(timespec="seconds")


def read(folder, quantities=Backups.quantities):
    options = BackupsOptions(type="backups", folder=str(folder))
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


def test_every_quantity_is_in_the_catalogue():
    assert set(Backups.quantities) <= catalogue().keys()
