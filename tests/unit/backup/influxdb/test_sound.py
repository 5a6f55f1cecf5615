"""A backup whose parts do not fit together is damaged, also where each object is as it was."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest

from backup.chosen import choose
from backup.influxdb.restore import buckets_of
from backup.influxdb.stock import write_stock
from backup.manifest import File
from backup.progress import Progress
from backup.stores.folder import Folder
from backup.verify import verify
from collector.errors import Damaged
from tests.fakes.backups import keep_backup

OLD, NEW = "20261119T100000Z", "20261120T100000Z"
NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
DAYS = ("2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19")
POINTS = 1440
PATHS = [f"influxdb/shards/b1/{number}/000000001-000000001.tsm" for number in range(1, 5)]


def group(number, day):
    start, end = f"{day}T00:00:00Z", f"{day[:-2]}{int(day[-2:]) + 1}T00:00:00Z"
    return {"id": number, "startTime": start, "endTime": end, "shards": [{"id": number}]}


LISTING = [
    {
        "bucketID": "b1",
        "bucketName": "energy",
        "organizationName": "home",
        "retentionPolicies": [
            {
                "duration": 0,
                "shardGroupDuration": 86_400 * 10**9,
                "shardGroups": [group(number, day) for number, day in enumerate(DAYS, 1)],
            }
        ],
    }
]


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


@pytest.fixture
def keep(store, tmp_path):
    """Return a function that keeps a backup of four days, changed by *change*."""

    def keep(backup_id, change=lambda _: None, **fields):
        names = {"influxdb/buckets.json": json.dumps(LISTING).encode()}
        names |= {path: path.encode() for path in PATHS}
        made = keep_backup(store, tmp_path, backup_id, names)
        files = {
            path: File(file.size, file.sha256, file.object, file.stored, (POINTS, 7, 0, 9))
            if path in PATHS
            else file
            for path, file in made.files.items()
        }
        change(files)
        counts = {"b1": dict.fromkeys(DAYS, POINTS)}
        vars(made).update({"files": files, "counts": counts, "influxdb": "2.9.1", **fields})
        store.put_manifest(made)
        return made

    return keep


def is_found(store, place, said):
    found = verify(store, NEW, (), Progress("test", stream=StringIO()))
    assert said in found.damaged[place]
    assert found.without == OLD
    assert not found.objects, "no object is set aside"
    with pytest.raises(Damaged, match=f"{said}.*can be restored is"):
        buckets_of(choose(store, NEW), NOW)


def test_a_backup_that_fits_together_is_sound(store, keep):
    keep(NEW)
    assert not verify(store, NEW, (), Progress("test", stream=StringIO())).damaged
    (bucket,), _ = buckets_of(choose(store, NEW), NOW)
    assert len(bucket.shards) == 4


def test_a_shard_that_is_missing_is_damage_and_no_folder_holds_three_of_four(store, keep, tmp_path):
    keep(OLD)
    keep(NEW, lambda files: files.pop(PATHS[2]))
    is_found(store, "influxdb/shards/b1/3/", "counted 1,440 points, and its files hold 0")
    with pytest.raises(Damaged, match="its files hold 0"):
        write_stock(choose(store, NEW), tmp_path / "to", NOW, Progress("", stream=StringIO()))
    assert not (tmp_path / "to").exists()


def test_a_file_of_a_shard_that_nothing_lists_is_damage(store, keep):
    def rename(files):
        files["influxdb/shards/b1/9/000000001-000000001.tsm"] = files.pop(PATHS[0])

    keep(OLD)
    keep(NEW, rename)
    is_found(store, "influxdb/shards/b1/9/000000001-000000001.tsm", "lists no such shard")


def test_shards_without_the_list_of_buckets_are_damage(store, keep):
    keep(OLD)
    keep(NEW, lambda files: files.pop("influxdb/buckets.json"))
    is_found(store, "influxdb/buckets.json", "the list of buckets is missing")


def test_what_a_note_tells_of_a_shard_is_no_damage(store, keep):
    note = "shard 3 of bucket 'energy' (2026-11-18): InfluxDB hands it out damaged"
    keep(NEW, lambda files: files.pop(PATHS[2]), notes=(note,))
    assert not verify(store, NEW, (), Progress("test", stream=StringIO())).damaged
    assert len(buckets_of(choose(store, NEW), NOW)[0][0].shards) == 3
