"""What is the matter with a shard, and what is the matter with where it is kept."""

from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from backup.influxdb import shard
from backup.influxdb.buckets import Shard
from backup.manifest import File
from backup.progress import Progress
from collector.errors import BackupFault, DiskFault
from tests.fakes import tsm_file

DAY = Shard(
    "b", "energy", 1, datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 18, tzinfo=UTC)
)
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
NAME = "000000001-000000001.tsm"
FILE = tsm_file.hours(1)


def read(keep, members, scratch):
    server: Any = SimpleNamespace(shard=members, ping=lambda: None)
    progress = Progress("test", stream=StringIO())
    return shard.read(shard.Job(server, keep, progress, NOW, scratch), DAY, {})


def whole(_):
    yield NAME, len(FILE), iter([FILE])


def cut(_):
    yield from whole(1)
    raise BackupFault("InfluxDB ends in the middle")


@pytest.mark.parametrize("error", [DiskFault("the disk is full"), PermissionError("denied")])
def test_a_disk_that_takes_no_more_is_no_damage_of_the_shard(tmp_path, error):
    def keep(_):
        raise error

    with pytest.raises(type(error)):
        read(keep, whole, tmp_path)


def test_an_influxdb_that_hands_out_half_of_a_shard_is(tmp_path, monkeypatch):
    monkeypatch.setattr(shard, "PAUSES_S", ())
    content = read(lambda _: File(1, "a", "a", 1), cut, tmp_path)
    assert content.cut == "InfluxDB ends in the middle"
    assert list(content.files) == [DAY.folder + NAME]
