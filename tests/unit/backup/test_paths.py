"""What a stranger's backup brings along stays below the folder that it is restored into."""

import errno
import gzip
import hashlib
import json
import os

import pytest

from backup.chosen import choose
from backup.influxdb.buckets import parsed
from backup.manifest import is_id
from backup.paths import check_path, is_name, make_folder, new_file, opened, parent_of
from backup.putback import put_back, put_back_grafana, put_back_secrets
from backup.stores.folder import Folder
from collector.errors import Damaged
from collector.files import open_file
from tests.fakes.backups import keep_backup

ID = "20261120T100000Z"
BAD_PATHS = [
    "config/../evil", "config/x\n/../evil", "config/\n/../../evil", "config/..", "config/.",
    "config//evil", "/config/evil", "config/", "config", "", "evil/x", "../config/x", "config/x\0y",
    "config/x\r", "config/x\u2028y", "config/x\x1b[31m", "config/" + "x" * 256, "config/\ud800", 5,
]  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


def of_format_1(file):
    """Return a manifest's document as it was before there were digests."""
    document = {**json.loads(file.read_text()), "format": 1}
    del document["digest"], document["signature"]
    return document


@pytest.mark.parametrize("path", BAD_PATHS, ids=repr)
def test_a_path_that_leads_elsewhere_or_is_odd_is_refused(path):
    with pytest.raises(ValueError, match="is not a valid path in a backup"):
        check_path(path)


def test_paths_as_backups_have_them_are_taken():
    for path in (
        "config/config.yaml", "config/devices/Wärmepumpe 1.yaml", "influxdb/kv", "config/..x",
        "influxdb/shards/energy/autogen/12/000000001-000000001.tsm", "secrets/all.json",
    ):  # fmt: skip
        assert check_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "99999999T999999Z",
        "\u0662\u0660\u0662\u0666\u0661\u0661\u0662\u0660T100000Z",
        f"{ID}\n",
        "",
        None,
    ],
)
def test_what_is_no_time_is_no_id(text):
    assert is_id(ID)
    assert not is_id(text)


@pytest.mark.parametrize("path", ["config/../evil", "config/x\n/../../evil"])
def test_a_manifest_with_such_a_path_is_damaged(store, tmp_path, path):
    keep_backup(store, tmp_path, ID, {path: b"evil"})
    with pytest.raises(Damaged, match="is not a valid path in a backup"):
        store.manifest(ID)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "20261121T100000Z"}, {"notes": "text"}, {"notes": [1]}, {"site": 5},
        {"counts": {"b": {"2026-11-20": "1"}}}, {"hints": {"server": "x"}}, {"more": 1},
        {"files": {"config/a": {"size": -1, "sha256": "0" * 64, "object": "0" * 64, "stored": 1}}},
        {"files": {"config/a": {"size": 1, "sha256": "0" * 64, "object": "../../x", "stored": 1}}},
        {"encrypted_to": "age1"}, {"influxdb": 2},
    ],
    ids=repr,
)  # fmt: skip
def test_a_manifest_whose_fields_are_of_another_kind_is_damaged(store, tmp_path, wrong):
    keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    file = store.folder / f"manifests/{ID}.json"
    file.write_text(json.dumps({**of_format_1(file), **wrong}))
    with pytest.raises(Damaged):
        store.manifest(ID)


def test_a_manifest_of_brackets_without_end_is_damaged(store, tmp_path):
    keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    (store.folder / f"manifests/{ID}.json").write_text("[" * 100_000)
    with pytest.raises(Damaged):
        store.manifest(ID)


def test_a_link_in_the_folder_of_backups_is_no_object_and_no_manifest(store, tmp_path):
    manifest = keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    (name,) = manifest.objects
    (tmp_path / "elsewhere").write_bytes((store.folder / "objects" / name).read_bytes())
    (store.folder / "objects" / name).unlink()
    (store.folder / "objects" / name).symlink_to(tmp_path / "elsewhere")
    assert store.sizes("") == {}
    with pytest.raises(Damaged, match="cannot be read"):
        list(store.get("", name))
    file = store.folder / f"manifests/{ID}.json"
    file.rename(tmp_path / "manifest")
    file.symlink_to(tmp_path / "manifest")
    with pytest.raises(Damaged, match="cannot be read"):
        store.manifest(ID)


@pytest.mark.parametrize("claimed", [10, 50_000_000])
def test_an_object_that_unpacks_to_more_than_is_told_ends_there(store, tmp_path, claimed):
    bomb = gzip.compress(bytes(50_000_000 if claimed == 10 else 10))
    keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    file = store.folder / f"manifests/{ID}.json"
    document = of_format_1(file)
    name = hashlib.sha256(bomb).hexdigest()
    (store.folder / "objects" / name).write_bytes(bomb)
    about = {"size": claimed, "sha256": "0" * 64, "object": name, "stored": len(bomb)}
    file.write_text(json.dumps({**document, "files": {"config/a": about}}))
    with pytest.raises(Damaged):
        choose(store, ID)


@pytest.mark.parametrize("where", ["folder", "file"])
def test_no_link_below_the_target_is_followed(store, tmp_path, where):
    keep_backup(store, tmp_path, ID, {"config/devices/m.yaml": b"restored"})
    target, outside = tmp_path / "etc", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (outside / "m.yaml").write_text("kept")
    if where == "folder":
        (target / "devices").symlink_to(outside)
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            put_back(choose(store, ID), "config", target, replace=True)
    else:
        (target / "devices").mkdir()
        (target / "devices/m.yaml").symlink_to(outside / "m.yaml")
        put_back(choose(store, ID), "config", target, replace=True)
        assert (target / "devices/m.yaml").read_text() == "restored"
    assert (outside / "m.yaml").read_text() == "kept"
    assert os.listdir(outside) == ["m.yaml"]


@pytest.mark.parametrize("name", ["..", "", ".", "/", "a/../../evil", "x\0y", "a\nb"])
def test_a_secret_whose_name_leads_away_is_damage(store, tmp_path, name):
    known = json.dumps({"salt": "0", "secrets": {name: "evil"}}).encode()
    keep_backup(store, tmp_path, ID, {"secrets/all.json": known})
    with pytest.raises(Damaged, match="is not valid"):
        put_back_secrets(choose(store, ID), tmp_path / "secrets")
    assert not (tmp_path / "secrets").exists()


def test_what_is_no_database_is_not_put_where_grafana_has_its_own(store, tmp_path):
    keep_backup(store, tmp_path, ID, {"grafana/grafana.db": b"* * * * * root id\n"})
    with pytest.raises(Damaged, match="not a database"):
        put_back_grafana(choose(store, ID), tmp_path / "grafana.db")
    assert not (tmp_path / "grafana.db").exists()


@pytest.mark.parametrize("number", ["../../evil", 1.5, None, True])
def test_a_shard_has_a_number(number):
    group = {"id": 1, "startTime": "2026-11-20T00:00:00Z", "endTime": "2026-11-21T00:00:00Z"}
    group["shards"] = [{"id": number}]
    policy = {"duration": 0, "shardGroupDuration": 1, "shardGroups": [group]}
    bucket = {"bucketID": "b", "bucketName": "b", "organizationName": "o"}
    with pytest.raises(ValueError, match="is not a number"):
        parsed(json.dumps([bucket | {"retentionPolicies": [policy]}]).encode())


def test_only_a_file_of_its_own_is_read_and_only_a_new_one_is_written(tmp_path):
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    with opened(tmp_path) as folder:
        for name in ("link", "pipe"):
            with pytest.raises(OSError, match=r"link|regular") as told, open_file(name, folder):
                pass
            assert told.value.errno in {errno.ELOOP, errno.EINVAL}
        for name in ("file", "link"):
            with pytest.raises(FileExistsError), new_file(folder, name):
                pass
        with new_file(folder, "a/b/c") as file:
            file.write(b"new")
        with pytest.raises(ValueError, match="below"), parent_of(folder, "../x"):
            pass
    assert (tmp_path / "a/b/c").read_bytes() == b"new"
    assert is_name("c")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for another user")
def test_folders_that_root_makes_belong_to_the_owner_of_the_one_above(tmp_path):
    os.chown(tmp_path, 4321, 4322)
    make_folder(tmp_path / "a/b")
    assert [(tmp_path / each).stat().st_uid for each in ("a", "a/b")] == [4321, 4321]
