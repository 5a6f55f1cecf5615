"""A backup read again: what is damaged is named, and the newest backup without it."""

import os
import shutil
import socket
import subprocess
from contextlib import chdir
from datetime import UTC, datetime
from io import StringIO

import pytest

from backup.capture import capture
from backup.manifest import File, Manifest
from backup.pack import pack
from backup.progress import Progress
from backup.stores.folder import Folder
from backup.verify import verify, verify_and_record
from collector import backup_options
from collector.config import load
from collector.errors import BackupFault, Damaged
from tests.fakes.running import configure

IDS = ("20261120T100000Z", "20261120T110000Z", "20261120T120000Z")
NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


def progress():
    return Progress("test", stream=StringIO())


def keep(store, backup_id, files, recipients=()):
    known: dict[str, File] = {}
    kept = {path: pack([data], store, known, recipients) for path, data in files.items()}
    manifest = Manifest(
        backup_id, None, "2026-11-20T10:00:00+00:00", "1", "home", None, tuple(recipients), kept
    )
    store.put_manifest(manifest)
    return manifest


def flip(store, name, place=-5):
    path = store.folder / "objects" / name
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_sound_backup_is_told_to_be_and_recorded(store):
    manifest = keep(store, IDS[0], {"config/a": b"a", "journal/b": os.urandom(9000)})
    found = verify_and_record(store, IDS[0], (), progress(), NOW)
    assert (found.files, found.size, found.opened) == (2, manifest.stored, True)
    assert found.damaged == {}
    run = backup_options.read_runs(store.folder)["verify"]
    assert (run.id, run.done_at, run.failed_at) == (IDS[0], "2026-11-20T13:00:00+00:00", None)


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_flipped_bit_anywhere_is_found_named_and_the_newest_without_it_told(store, place):
    both = {"config/a": b"same" * 20}
    first = keep(store, IDS[0], both)
    keep(store, IDS[1], both)
    newest = keep(store, IDS[2], both | {"journal/b": os.urandom(50), "journal/c": b"c"})
    flip(store, newest.files["journal/b"].object, place)
    found = verify(store, IDS[2], (), progress())
    assert list(found.damaged) == ["journal/b"]
    assert found.without == IDS[1]
    flip(store, first.files["config/a"].object)
    found = verify(store, IDS[2], (), progress())
    assert set(found.damaged) == {"config/a", "journal/b"}
    assert found.without is None


@pytest.mark.parametrize("kind", ["pipe", "socket", "link", "folder"])
def test_what_is_no_file_is_damage_and_never_waited_for(store, kind):
    name = next(iter(keep(store, IDS[0], {"config/a": b"a"}).objects))
    path = store.objects / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as door, chdir(store.objects):
            door.bind(name)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    found = verify_and_record(store, IDS[0], (), progress(), NOW)
    assert name in found.damaged["config/a"]
    assert "cannot be read" in found.damaged["config/a"]
    assert os.path.lexists(store.folder / "damaged" / name)
    keep(store, IDS[0], {"config/a": b"a"})  # as the next backup does
    assert verify(store, IDS[0], (), progress()).damaged == {}


def test_a_missing_object_is_damage_too(store):
    manifest = keep(store, IDS[0], {"config/a": b"a", "config/copy": b"a"})
    (store.folder / "objects" / manifest.files["config/a"].object).unlink()
    found = verify(store, IDS[0], (), progress())
    assert set(found.damaged) == {"config/a", "config/copy"}
    assert "is missing" in found.damaged["config/a"]


def test_an_object_that_is_whole_but_another_file_is_damage(store):
    kept = keep(store, IDS[0], {"config/a": b"a", "config/b": b"b"}).files
    swapped = Manifest(
        IDS[1], None, "2026-11-20T11:00:00+00:00", "1", "home", files={
            "config/a": File(
                1, kept["config/a"].sha256, kept["config/b"].object, kept["config/b"].stored
            )
        },
    )  # fmt: skip
    store.put_manifest(swapped)
    assert "contains another file" in verify(store, IDS[1], (), progress()).damaged["config/a"]


def test_what_is_encrypted_is_compared_with_and_without_its_key(store):
    if not shutil.which("age-keygen"):
        pytest.skip("age-keygen is missing: Debian package age")
    private = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    public = next(line for line in private.split() if line.startswith("age1"))
    manifest = keep(store, IDS[0], {"secrets/all.json": b"hush"}, [public])
    assert not verify(store, IDS[0], (), progress()).opened
    found = verify(store, IDS[0], [private], progress())
    assert found.opened
    assert not found.damaged
    other = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    with pytest.raises(BackupFault, match="none of the private keys matches"):
        verify(store, IDS[0], [other], progress())
    flip(store, manifest.files["secrets/all.json"].object)
    assert list(verify(store, IDS[0], (), progress()).damaged) == ["secrets/all.json"]


def test_damage_is_recorded_and_mended_by_the_next_backup(tmp_path):
    configure(tmp_path, "  house: {type: simulated}\n", extra=f"backup: {{folder: {tmp_path}/b}}\n")
    config, store = load(tmp_path / "config.yaml"), Folder(tmp_path / "b")
    first, _ = capture(config, NOW, progress())
    flip(store, first.files["config/config.yaml"].object)
    found = verify_and_record(store, first.id, (), progress(), NOW)
    assert found.damaged
    assert "1 file of 20261120T130000Z damaged: config/config.yaml" in str(
        backup_options.read_runs(store.folder)["verify"].error
    )
    assert [path.name for path in (store.folder / "damaged").iterdir()] == list(found.objects)
    capture(config, NOW, progress())
    assert not verify_and_record(store, first.id, (), progress(), NOW).damaged
    assert backup_options.read_runs(store.folder)["verify"].failed_at is None


def test_while_another_command_is_at_work_damage_is_told_all_the_same(store):
    manifest = keep(store, IDS[0], {"config/a": b"a"})
    flip(store, manifest.files["config/a"].object)
    with store.alone():
        assert verify_and_record(store, IDS[0], (), progress(), NOW).damaged
    assert store.sizes("")


def test_a_backup_that_is_not_there_is_no_silent_success(store):
    with pytest.raises(Damaged, match="there is no backup"):
        verify(store, IDS[0], (), progress())
