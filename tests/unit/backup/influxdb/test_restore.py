"""What is found out before a restoration, and files brought back: none half-made, none lost."""

import json
import os
from datetime import UTC, datetime
from io import StringIO

import pytest

from backup.chosen import choose
from backup.influxdb import restore as restoring
from backup.influxdb.restore import ahead, alone, buckets_of, require_room
from backup.influxdb.stock import MARK, write_stock
from backup.progress import Progress
from backup.putback import put_back, put_back_grafana, put_back_secrets
from backup.stores.folder import Folder
from collector.errors import BackupFault, Damaged
from tests.fakes.backups import keep_backup

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
OLD, MIDDLE, NEW = "20261020T100000Z", "20261119T100000Z", "20261120T100000Z"
DASHBOARDS = b"SQLite format 3\0 and its pages"
FILES = {"config/config.yaml": b"site: home\n", "journal/1.z": b"readings"}


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


@pytest.fixture
def keep(store, tmp_path):
    return lambda backup_id, files: keep_backup(store, tmp_path, backup_id, files)


class Far:
    """A store that is no folder, and forgets by month."""

    def __init__(self, store):
        self.name = "https://store.example/backups"
        self.ids, self.manifest = store.ids, store.manifest
        self.sizes, self.get = store.sizes, store.get
        self.put, self.put_manifest = store.put, store.put_manifest
        self.trusted = None
        self.forgets = True


def progress():
    return Progress("test", stream=StringIO())


def damage(store, manifest, path):
    file = store.folder / "objects" / manifest.files[path].object
    file.write_bytes(file.read_bytes()[:-1] + b"!")


def secrets(**known):
    return {"secrets/all.json": json.dumps({"salt": "0", "secrets": known}).encode()}


def found(folder):
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def test_a_missing_object_is_told_at_once_with_the_newest_backup_that_is_whole(store, keep):
    keep(MIDDLE, FILES)
    manifest = keep(NEW, FILES | {"grafana/grafana.db": b"dashboards"})
    (store.folder / "objects" / manifest.files["grafana/grafana.db"].object).unlink()
    with pytest.raises(
        Damaged, match=f"1 of its 3 objects are missing.*can be restored is {MIDDLE}"
    ):
        choose(store, NEW)


def test_the_oldest_month_of_a_far_store_may_be_being_forgotten_and_that_is_said(store, keep):
    manifest = keep(OLD, {"journal/1.z": b"of October"})
    keep(NEW, FILES)
    (store.folder / "objects" / manifest.files["journal/1.z"].object).unlink()
    with pytest.raises(Damaged, match=f"oldest month there, 2026-10, .*rule deletes.*is {NEW}"):
        choose(Far(store), OLD)


def test_a_manifest_that_is_none_offers_another_backup(store, keep):
    keep(MIDDLE, FILES)
    keep(NEW, FILES)
    (store.folder / f"manifests/{NEW}.json").write_text("{")
    with pytest.raises(Damaged, match=f"The newest one that can be restored is {MIDDLE}"):
        choose(store, NEW)


def test_where_no_backup_is_whole_that_is_said(store, keep):
    manifest = keep(NEW, FILES)
    (store.folder / "objects" / manifest.files["journal/1.z"].object).unlink()
    with pytest.raises(Damaged, match="contains no other one that can be restored"):
        choose(store, NEW)


def test_files_come_in_order_and_a_damaged_one_ends_it(store, keep):
    files = {f"journal/{n}.z": b"%d" % n for n in range(9)}
    manifest = keep(NEW, files | FILES)
    chosen = choose(store, NEW)
    paths = chosen.under("journal")
    read = []
    for spool in ahead(chosen, paths):
        with spool:
            read.append(spool.read())
    assert read == [({**files, **FILES})[path] for path in paths]
    damage(store, manifest, paths[5])
    with pytest.raises(Damaged, match=paths[5]):  # noqa: PT012  the ones before come
        for spool in ahead(chosen, paths):
            spool.close()


LISTING = [
    {
        "bucketID": "b1",
        "bucketName": "energy",
        "organizationName": "home",
        "retentionPolicies": [
            {
                "duration": 30 * 86_400 * 10**9,
                "shardGroupDuration": 86_400 * 10**9,
                "shardGroups": [
                    {
                        "id": number,
                        "startTime": f"{day}T00:00:00Z",
                        "endTime": f"{day}T23:59:59Z",
                        "shards": [{"id": number}],
                    }
                    for number, day in ((1, "2026-10-01"), (2, "2026-11-18"), (3, "2026-11-19"))
                ],
            }
        ],
    }
]


def test_what_has_expired_and_what_has_no_file_is_left_out(keep, store):
    shards = {f"influxdb/shards/b1/{number}/1.tsm": b"%d" % number for number in (1, 2)}
    keep(NEW, {"influxdb/buckets.json": json.dumps(LISTING).encode(), **shards})
    (bucket,), notes = buckets_of(choose(store, NEW), NOW)
    assert [each.id for each in bucket.shards] == [2]
    groups = bucket.entry["retentionPolicies"][0]["shardGroups"]
    assert [group["id"] for group in groups] == [2]
    assert notes == ["shard 1 of bucket 'energy' (2026-10-01) is skipped: its retention has ended"]


def test_a_backup_without_influxdb_says_so(keep, store):
    keep(NEW, FILES)
    assert buckets_of(choose(store, NEW), NOW) == ([], [f"backup {NEW} contains no InfluxDB"])


def test_a_folder_gets_every_file_and_no_mark_remains(keep, store, tmp_path):
    keep(NEW, FILES | secrets(token="secret"))
    write_stock(choose(store, NEW), tmp_path / "to", NOW, progress())
    assert found(tmp_path / "to") == ["config/config.yaml", "journal/1.z", "secrets/token"]
    assert (tmp_path / "to/secrets/token").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_empty_is_left_alone(keep, store, tmp_path):
    keep(NEW, FILES)
    (tmp_path / "to").mkdir()
    (tmp_path / "to/mine").touch()
    with pytest.raises(BackupFault, match="is not empty"):
        write_stock(choose(store, NEW), tmp_path / "to", NOW, progress())
    assert found(tmp_path / "to") == ["mine"]


def test_what_a_killed_run_left_in_the_folder_is_begun_anew(keep, store, tmp_path):
    keep(NEW, FILES)
    (tmp_path / "to/config").mkdir(parents=True)
    (tmp_path / "to/config/config.yaml").write_text("half")
    (tmp_path / "to" / MARK).touch()
    write_stock(choose(store, NEW), tmp_path / "to", NOW, progress())
    assert (tmp_path / "to/config/config.yaml").read_bytes() == FILES["config/config.yaml"]
    assert not (tmp_path / "to" / MARK).exists()


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_a_damaged_backup_leaves_the_folder_as_it_was(keep, store, tmp_path, there):
    manifest = keep(NEW, FILES)
    chosen = choose(store, NEW)
    damage(store, manifest, "journal/1.z")
    if there:
        (tmp_path / "to").mkdir()
    with pytest.raises(Damaged):
        write_stock(chosen, tmp_path / "to", NOW, progress())
    assert (tmp_path / "to").exists() == there
    assert not there or not found(tmp_path / "to")


def test_a_disk_that_is_too_small_is_told_beforehand(tmp_path, monkeypatch):
    with pytest.raises(BackupFault, match="Nothing was changed; free some space"):
        require_room(tmp_path / "not" / "there" / "yet", 10**16)
    monkeypatch.setattr(restoring, "SPARE_BYTES", 0)
    require_room(tmp_path / "not", 1)


def test_two_restorations_into_one_place_are_one_too_many():
    told = pytest.raises(BackupFault, match="into a place is running")
    with alone("a place"), alone("another"), told, alone("a place"):
        pass
    with alone("a place"):
        pass


def test_a_file_that_differs_stays_and_the_restored_one_is_put_beside_it(keep, store, tmp_path):
    keep(NEW, {"config/config.yaml": b"old", "config/devices/m.yaml": b"map", "config/same": b"s"})
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/config.yaml").write_text("new")
    (tmp_path / "etc/same").write_text("s")
    for _ in range(2):
        placed = put_back(choose(store, NEW), "config", tmp_path / "etc")
        assert placed.beside == [tmp_path / "etc/config.yaml.restored"]
    assert (tmp_path / "etc/config.yaml").read_text() == "new"
    assert (tmp_path / "etc/config.yaml.restored").read_text() == "old"
    assert found(tmp_path / "etc") == [
        "config.yaml", "config.yaml.restored", "devices/m.yaml", "same"
    ]  # fmt: skip


def test_a_file_that_differs_is_overwritten_only_where_that_is_asked_for(keep, store, tmp_path):
    keep(NEW, secrets(meter="old", server="of a server that is gone"))
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "meter").write_text("new")
    (folder / "server").write_text("of the server that is there")
    put_back_secrets(choose(store, NEW), folder, replace=True, keeping={"server"})
    assert (folder / "meter").read_text() == "old"
    assert (folder / "server").read_text() == "of the server that is there"


def test_secrets_are_for_their_owner_only_and_so_is_their_folder(keep, store, tmp_path):
    keep(NEW, secrets(meter="old"))
    put_back_secrets(choose(store, NEW), tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets/meter").stat().st_mode & 0o777 == 0o600


def test_the_database_of_grafana_takes_its_old_log_away(keep, store, tmp_path):
    keep(NEW, {"grafana/grafana.db": DASHBOARDS})
    database = tmp_path / "grafana.db"
    for name in ("grafana.db", "grafana.db-wal", "grafana.db-shm"):
        (tmp_path / name).write_text("of before")
    database.chmod(0o640)
    put_back_grafana(choose(store, NEW), database)
    assert database.read_bytes() == DASHBOARDS
    assert database.stat().st_mode & 0o777 == 0o640
    assert not [name for name in os.listdir(tmp_path) if name.startswith("grafana.db-")]
