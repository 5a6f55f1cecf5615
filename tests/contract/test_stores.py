"""What every store does: one suite over the folder, Azure as Azurite serves it, and OpenSSH."""

import itertools
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backup.latest import pick
from backup.stores import ssh
from backup.stores.azure import from_settings, object_path
from backup.stores.folder import Folder, checked
from backup.stores.sftp import Sftp
from collector.errors import BackupFault, Damaged
from tests.fakes.backups import keep_backup, object_in
from tests.servers import azurite, sshd

FIRST, SECOND = "20261120T100000Z", "20261120T110000Z"
NEXT_MONTH = "20261201T000000Z"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
containers = (f"store-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def azure_server(tmp_path_factory):
    with azurite.running(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="module")
def ssh_server(tmp_path_factory):
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def ssh_key(ssh_server):
    key = ssh.new_key("house")
    ssh_server.admit(ssh.public_half(key))
    return key


@pytest.fixture(params=["folder", "azure", "sftp"])
def place(request, tmp_path):
    """Return a store, and a function by which its owner changes an object's bytes."""
    folder = tmp_path / "a" / "backups"

    def change(_, name, data):
        (folder / "objects" / name).write_bytes(data)

    if request.param == "folder":
        return Folder(folder), change
    if request.param == "sftp":
        login = ssh.from_address(request.getfixturevalue("ssh_server").address(folder))
        return Sftp(replace(login, private_key=request.getfixturevalue("ssh_key"))), change
    server, name = request.getfixturevalue("azure_server"), next(containers)
    owner = server.container(name)

    def change_blob(backup_id, name, data):
        owner.upload_blob(object_path(backup_id, name), data, overwrite=True)

    return from_settings(f"{server.url}/{name}?{server.sas(name)}"), change_blob


@pytest.fixture
def store(place):
    return place[0]


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_003])
def test_what_was_put_comes_back(store, tmp_path, size):
    name, file = object_in(tmp_path, bytes(index % 251 for index in range(size)))
    store.put(FIRST, name, file)
    assert b"".join(store.get(FIRST, name)) == file.read_bytes()
    assert store.sizes(FIRST) == {name: file.stat().st_size}


def test_what_is_there_already_may_be_put_again(store, tmp_path):
    name, file = object_in(tmp_path, b"one")
    store.put(FIRST, name, file)
    store.put(SECOND, name, file)
    assert list(store.sizes(SECOND)) == [name]


def test_what_is_there_is_never_overwritten(place, tmp_path):
    store, change = place
    name, file = object_in(tmp_path, b"one")
    store.put(FIRST, name, file)
    other = b"x" * file.stat().st_size
    change(FIRST, name, other)
    with suppress(Damaged):
        store.put(SECOND, name, file)
    assert b"".join(store.get(FIRST, name)) == other


def test_a_backup_without_a_manifest_does_not_exist(store, tmp_path):
    assert store.ids() == []
    store.put(FIRST, *object_in(tmp_path, b"one"))
    assert store.ids() == []
    manifest = keep_backup(store, tmp_path, FIRST, {"config/a": b"one"})
    assert store.ids() == [FIRST]
    assert store.manifest(FIRST) == manifest


def test_backups_are_told_oldest_first_across_months(store, tmp_path):
    for backup_id in (NEXT_MONTH, FIRST, SECOND):
        keep_backup(store, tmp_path, backup_id, {"config/a": backup_id.encode()})
    assert store.ids() == [FIRST, SECOND, NEXT_MONTH]
    assert pick(store, "latest", NOW) == NEXT_MONTH


def test_a_manifest_may_be_put_again(store, tmp_path):
    manifest = keep_backup(store, tmp_path, FIRST, {"config/a": b"one"})
    store.put_manifest(manifest)
    assert store.manifest(FIRST) == manifest


def test_what_is_missing_is_named(store):
    with pytest.raises(Damaged, match=f"there is no backup {FIRST}"):
        store.manifest(FIRST)
    with pytest.raises(Damaged, match=f"{'0' * 64}.* is missing"):
        list(store.get(FIRST, "0" * 64))
    with pytest.raises(BackupFault, match="there is none"):
        pick(store, "latest", NOW)


def test_a_flipped_byte_is_found_and_its_object_named(place, tmp_path):
    store, change = place
    name, file = object_in(tmp_path, b"what was measured")
    store.put(FIRST, name, file)
    assert b"".join(checked(store, FIRST, name, file.stat().st_size)) == file.read_bytes()
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    change(FIRST, name, bytes(data))
    with pytest.raises(Damaged, match=name):
        list(checked(store, FIRST, name, len(data)))


def test_two_may_put_the_same_at_once(store, tmp_path):
    name, file = object_in(tmp_path, b"x" * 300_000)
    failed = []

    def put():
        try:
            store.put(FIRST, name, file)
        except Exception as error:  # noqa: BLE001  told below
            failed.append(error)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert list(store.sizes(FIRST)) == [name]


def test_several_objects_may_be_read_at_once(store, tmp_path):
    objects = [object_in(tmp_path, content * 200_000) for content in (b"ab", b"cd")]
    for each in objects:
        store.put(FIRST, *each)
    together = zip(*(store.get(FIRST, name) for name, _ in objects), strict=False)
    assert [file.read_bytes()[:8] for _, file in objects] == [p[:8] for p in next(together)]
    for name, file in objects:
        assert b"".join(store.get(FIRST, name)) == file.read_bytes()
