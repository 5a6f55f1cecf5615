"""Uploads: in which order, cut anywhere and gone on with, and what is recorded of them."""

import itertools
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backup.progress import Progress
from backup.stores import blobs, https, ssh, upload
from backup.stores.azure import from_settings, object_path
from backup.stores.folder import Folder
from backup.stores.sftp import Sftp
from collector import backup_options
from collector.backup_options import BackupOptions, KeepOptions
from collector.errors import BackupFault, Damaged, StoreAway
from tests.fakes.backups import keep_backup
from tests.fakes.http_answers import Reply, serving
from tests.servers import azurite, sshd

OLD_MONTH = "20261031T230000Z"
FIRST, SECOND, THIRD = "20261120T100000Z", "20261120T110000Z", "20261120T120000Z"
HOUR = 3600
NAMES = (f"upload-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with azurite.running(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def here(tmp_path):
    return Folder(tmp_path / "backups")


class Notebook(Folder):
    """A far store that notes what is put, and calls *before_put* before it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.puts = []
        self.before_put = lambda: None

    def put(self, backup_id, name, file):
        self.before_put()
        self.puts.append(name)
        super().put(backup_id, name, file)

    def put_manifest(self, manifest):
        self.puts.append(manifest.id)
        super().put_manifest(manifest)


@pytest.fixture
def there(tmp_path):
    return Notebook(tmp_path / "there")


def hour(number):
    """Return the files of an hourly backup: what is settled, and what is this hour's."""
    return {"influxdb/shards/a/1/settled.tsm": b"settled" * 99, "config/a": str(number).encode()}


def test_a_manifest_goes_last(here, there, tmp_path):
    manifest = keep_backup(here, tmp_path, FIRST, hour(1))
    uploaded = upload.run(here, there, HOUR)
    assert uploaded.ids == [FIRST]
    assert uploaded.bytes == manifest.stored
    assert set(there.puts[:-1]) == set(manifest.objects)
    assert there.puts[-1] == FIRST


def test_the_newest_goes_first_and_what_is_there_is_not_put_again(here, there, tmp_path):
    for number, backup_id in enumerate((FIRST, SECOND, THIRD)):
        keep_backup(here, tmp_path, backup_id, hour(number))
    assert upload.run(here, there, HOUR).ids == [THIRD, SECOND, FIRST]
    objects = [name for name in there.puts if len(name) == 64]
    assert len(objects) == len(set(objects)) == 4
    there.puts.clear()
    assert upload.run(here, there, HOUR).ids == []
    assert there.puts == []


def test_only_the_newest_begins_a_month(here, there, tmp_path):
    keep_backup(here, tmp_path, OLD_MONTH, hour(0))
    keep_backup(here, tmp_path, FIRST, hour(1))
    assert upload.run(here, there, HOUR).ids == [FIRST]
    keep_backup(there, tmp_path, "20261031T220000Z", hour(2))
    assert upload.run(here, there, HOUR).ids == [OLD_MONTH]


def test_what_the_next_backup_names_too_goes_first(here, there, tmp_path):
    files = {f"config/new-{number}": f"new {number}".encode() for number in range(9)}
    settled = {"config/settled": b"settled"}
    keep_backup(here, tmp_path, FIRST, settled)
    manifest = keep_backup(here, tmp_path, SECOND, files | settled)
    upload.run(here, there, HOUR)
    assert there.puts[0] == manifest.files["config/settled"].object


def test_an_upload_ends_in_time_and_the_next_goes_on(here, there, tmp_path, monkeypatch):
    manifest = keep_backup(here, tmp_path, FIRST, {f"config/{n}": b"%d" % n for n in range(5)})
    clock = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    uploaded = upload.run(here, there, 2)
    assert uploaded.late
    assert uploaded.ids == []
    assert len(there.puts) == 2
    assert backup_options.read_runs(here.folder)["upload"].done_at is None
    uploaded = upload.run(here, there, HOUR)
    assert not uploaded.late
    assert sorted(there.puts[:-1]) == sorted(manifest.objects)
    assert backup_options.read_runs(here.folder)["upload"].id == FIRST


def test_progress_tells_of_all_bytes(here, there, tmp_path):
    keep_backup(here, tmp_path, FIRST, hour(1))
    keep_backup(here, tmp_path, SECOND, hour(2))
    progress = Progress("upload")
    uploaded = upload.run(here, there, HOUR, progress)
    assert progress.done == progress.total == uploaded.bytes


def test_a_backup_that_is_rotated_away_meanwhile_is_passed_over(here, there, tmp_path):
    keep_backup(here, tmp_path, FIRST, {"config/a": b"first"})
    keep_backup(here, tmp_path, SECOND, {"config/a": b"second"})

    def rotate():
        there.before_put = lambda: None
        here.remove(SECOND)
        here.sweep()

    there.before_put = rotate
    assert upload.run(here, there, HOUR).ids == [FIRST]
    assert there.ids() == [FIRST]
    assert backup_options.read_runs(here.folder)["upload"].error is None


def test_an_object_that_is_missing_here_is_named(here, there, tmp_path):
    manifest = keep_backup(here, tmp_path, FIRST, {"config/a": b"first"})
    (name,) = manifest.objects
    (here.folder / "objects" / name).unlink()
    with pytest.raises(Damaged, match=f"object {name} is missing"):
        upload.run(here, there, HOUR)
    assert there.ids() == []


def test_nothing_to_upload_is_no_fault(here, there):
    assert upload.run(here, there, HOUR).ids == []
    assert backup_options.read_runs(here.folder)["upload"].done_at is None


def test_what_comes_back_changed_makes_no_backup(here, there, tmp_path, monkeypatch):
    manifest = keep_backup(here, tmp_path, FIRST, {"config/a": b"first"})
    (name,) = manifest.objects
    monkeypatch.setattr(there, "get", lambda *_: iter([b"flipped"]))
    with pytest.raises(Damaged, match=f"object {name} is damaged"):
        upload.run(here, there, HOUR)
    assert there.ids() == []
    assert name in str(backup_options.read_runs(here.folder)["upload"].error)


def test_a_failure_is_recorded_until_an_upload_succeeds(here, there, tmp_path, monkeypatch):
    keep_backup(here, tmp_path, FIRST, {"config/a": b"first"})
    upload.run(here, there, HOUR)
    done = backup_options.read_runs(here.folder)["upload"]
    assert done.id == FIRST
    keep_backup(here, tmp_path, SECOND, {"config/a": b"second"})
    with monkeypatch.context() as patch:
        patch.setattr(there, "ids", lambda: (_ for _ in ()).throw(StoreAway("no network")))
        with pytest.raises(StoreAway):
            upload.run(here, there, HOUR)
    failed = backup_options.read_runs(here.folder)["upload"]
    assert (failed.id, failed.done_at, failed.error) == (FIRST, done.done_at, "no network")
    upload.run(here, there, HOUR)
    mended = backup_options.read_runs(here.folder)["upload"]
    assert (mended.id, mended.error) == (SECOND, None)
    alarms = backup_options.alarms(
        backup_options.read_runs(here.folder), datetime.now(UTC), off_site=True
    )
    assert not [each for each in alarms if "upload" in each]


def test_two_uploads_at_once_are_one(here, there, tmp_path):
    keep_backup(here, tmp_path, FIRST, {"config/a": b"first"})
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(20)

    there.before_put = wait
    uploaded = []
    thread = threading.Thread(target=lambda: uploaded.append(upload.run(here, there, HOUR)))
    thread.start()
    assert begun.wait(20)
    with pytest.raises(BackupFault, match="another backup command is running"):
        upload.run(here, there, HOUR)
    with here.alone():  # a backup is made meanwhile
        keep_backup(here, tmp_path, SECOND, {"config/a": b"second"})
    go_on.set()
    thread.join()
    assert uploaded[0].ids == [FIRST]
    assert backup_options.read_runs(here.folder)["upload"].id == FIRST


@pytest.mark.parametrize("taken", [True, False], ids=["answer lost", "request lost"])
def test_an_upload_cut_at_every_object_goes_on_after_it(server, here, tmp_path, monkeypatch, taken):
    """Over Azurite: each object's Put, and the manifest's, is cut once and ends that run."""
    for module in (https, blobs):
        monkeypatch.setattr(module, "PAUSES_S", ())
    files = {f"config/{number}": f"{number}".encode() * 999 for number in range(4)}
    manifest = keep_backup(here, tmp_path, FIRST, files)
    name = next(NAMES)
    owner = server.container(name)
    cut, created = set(), []

    def answer(asked):
        if asked.method == "PUT" and asked.path not in cut:
            cut.add(asked.path)
            if taken:
                created.append(server.answer(asked).status)
            return Reply(cut_after=0)
        reply = server.answer(asked)
        created.extend([201] if (asked.method, reply.status) == ("PUT", 201) else [])
        return reply

    with serving(answer) as far_end:
        url = f"{far_end.url}/{azurite.ACCOUNT}/{name}?{server.sas(name)}"
        far = from_settings(url)
        for _ in range(5):
            with pytest.raises(StoreAway):
                upload.run(here, far, HOUR)
            if not taken:
                assert far.ids() == []
        uploaded = upload.run(here, far, HOUR)
        assert far.manifest(FIRST) == manifest
    assert uploaded.ids == ([] if taken else [FIRST])
    assert created == [201] * 5
    assert len(list(owner.list_blobs())) == 5
    assert backup_options.read_runs(here.folder)["upload"].id == FIRST


def test_a_flipped_byte_in_azure_makes_no_backup(server, here, tmp_path):
    manifest = keep_backup(here, tmp_path, FIRST, {"config/a": b"first"})
    (object_name,) = manifest.objects
    name = next(NAMES)
    data = bytearray((here.folder / "objects" / object_name).read_bytes())
    data[12] ^= 4
    server.container(name).upload_blob(object_path(FIRST, object_name), bytes(data))
    far = from_settings(f"{server.url}/{name}?{server.sas(name)}")
    with pytest.raises(Damaged, match=object_name):
        upload.run(here, far, HOUR)
    assert far.ids() == []


def test_a_damaged_backup_keeps_no_other_one_in_the_house(here, there, tmp_path):
    for number, backup_id in enumerate((FIRST, SECOND, THIRD)):
        manifest = keep_backup(here, tmp_path, backup_id, hour(number))
        if backup_id == SECOND:
            here.file(manifest.files["config/a"].object).unlink()
    (here.folder / f"manifests/{THIRD}.json").write_bytes(b"{")
    with pytest.raises(Damaged, match=f"{THIRD}.json is damaged.*; complete there: 1 other backup"):
        upload.run(here, there, HOUR)
    assert there.ids() == [FIRST]
    assert "is damaged" in str(backup_options.read_runs(here.folder)["upload"].error)


def test_a_backup_of_the_future_begins_no_month_and_keeps_no_other_one_in_the_house(
    here, there, tmp_path
):
    for number, backup_id in enumerate((FIRST, "29361120T120000Z")):
        keep_backup(here, tmp_path, backup_id, hour(number))
    assert upload.run(here, there, HOUR).ids == [FIRST]


@pytest.mark.parametrize("fault", [StoreAway("not today"), BackupFault("not today")])
def test_a_store_that_is_away_costs_another_nothing_and_is_recorded(here, there, tmp_path, fault):
    keep_backup(here, tmp_path, FIRST, hour(1))

    class Away(Notebook):
        def ids(self):
            raise fault

    with pytest.raises(BackupFault, match="not today"):
        list(upload.run_each(here, [Away(tmp_path / "away"), there], BackupOptions()))
    assert there.ids() == [FIRST]
    run = backup_options.read_runs(here.folder)["upload"]
    assert (run.id, run.error) == (FIRST, "not today")


def test_a_folder_over_sftp_is_thinned_as_ours_is(here, tmp_path, monkeypatch):
    monkeypatch.setattr(upload, "MANY", 2)
    keep = KeepOptions(hourly=1, daily=0, weekly=0, monthly=0)
    with sshd.running(tmp_path / "sshd") as server:
        key = ssh.new_key("house")
        server.admit(ssh.public_half(key))
        login = ssh.from_address(server.address(tmp_path / "nas"))
        far, nas = Sftp(replace(login, private_key=key)), Folder(tmp_path / "nas")
        for number, backup_id in enumerate((OLD_MONTH, FIRST, SECOND, THIRD)):
            keep_backup(nas, tmp_path, backup_id, hour(number))
        (tmp_path / "nas" / "part-1").write_bytes(b"half")
        keep_backup(here, tmp_path, OLD_MONTH, hour(0))
        upload.thin(here, far, keep)
        assert far.ids() == [OLD_MONTH, THIRD]
        needed = far.manifest(OLD_MONTH).objects | far.manifest(THIRD).objects
        assert far.sizes("") == needed
        assert not (tmp_path / "nas" / "part-1").exists()
        upload.thin(here, far, keep)
        assert far.ids() == [OLD_MONTH, THIRD]


def test_nothing_is_removed_there_where_a_manifest_that_stays_is_damaged(tmp_path):
    with sshd.running(tmp_path / "sshd") as server:
        key = ssh.new_key("house")
        server.admit(ssh.public_half(key))
        login = ssh.from_address(server.address(tmp_path / "nas"))
        far, nas = Sftp(replace(login, private_key=key)), Folder(tmp_path / "nas")
        for number, backup_id in enumerate((FIRST, SECOND, THIRD)):
            keep_backup(nas, tmp_path, backup_id, hour(number))
        (tmp_path / "nas/manifests" / f"{THIRD}.json").write_bytes(b"{")
        before = far.sizes("")
        with pytest.raises(Damaged, match=THIRD):
            far.thin([FIRST])
        assert far.ids() == [FIRST, SECOND, THIRD]
        assert far.sizes("") == before


def test_a_server_that_lets_us_remove_nothing_keeps_everything(here, tmp_path, monkeypatch):
    monkeypatch.setattr(upload, "MANY", 1)
    with sshd.running(tmp_path / "sshd", sftp="-P remove") as server:
        key = ssh.new_key("house")
        server.admit(ssh.public_half(key))
        login = ssh.from_address(server.address(tmp_path / "nas"))
        far = Sftp(replace(login, private_key=key))
        for number, backup_id in enumerate((FIRST, SECOND)):
            keep_backup(far, tmp_path, backup_id, hour(number))
        before = far.sizes("")
        upload.thin(here, far, KeepOptions(hourly=1, daily=0, weekly=0, monthly=0))
        assert far.ids() == [FIRST, SECOND]
        assert far.sizes("") == before


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_in_the_folder_is_named_and_keeps_no_other_backup(
    here, there, tmp_path, plant
):
    sound = keep_backup(here, tmp_path, FIRST, {"config/a": b"sound"})
    name = next(iter(keep_backup(here, tmp_path, SECOND, {"config/a": b"other"}).objects))
    (here.objects / name).unlink()
    plant(here.objects / name)
    with pytest.raises(Damaged, match=f"object {name} cannot be read: .*1 other backup"):
        upload.run(here, there, HOUR)
    assert there.ids() == [FIRST]
    assert there.sizes("") == sound.objects
