"""Backups over SFTP: cut off and gone on with, and what is believed of a server."""

import hashlib
import json
import os
import random
import shutil
import struct
import sys
import traceback
from dataclasses import replace

import pytest
import segno  # noqa: F401  a user who can't read where Python is imports nothing later

from backup import ownership, sheet
from backup.chosen import choose
from backup.stores import connect, sftp_line, ssh
from backup.stores.folder import Folder
from backup.stores.pace import pieces_of
from backup.stores.sftp import Sftp
from backup.stores.sftp_line import NotAdmitted, OtherServer, Session
from backup.stores.sftp_message import Lost, Refused
from collector import config
from collector.errors import BackupFault, Damaged, StoreAway
from tests.fakes.backups import keep_backup, object_in
from tests.servers import sshd

NOBODY = 65534
ID = "20261120T100000Z"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPn6LgJ8ofZnJ2ZDrEwe9gGfNnVQQ4h4vEy6c/oa0AJ0"


@pytest.fixture(scope="module")
def key():
    return ssh.new_key("house")


@pytest.fixture(scope="module")
def server(tmp_path_factory, key):
    with sshd.running(tmp_path_factory.mktemp("sshd")) as running:
        running.admit(ssh.public_half(key))
        yield running


@pytest.fixture
def login(server, key, tmp_path):
    return replace(ssh.from_address(server.address(tmp_path / "nas" / "house")), private_key=key)


@pytest.fixture
def store(login):
    return Sftp(login)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("backup.stores.sftp.PAUSES_S", (0.01, 0.01))


def test_what_is_written_is_a_folder_of_backups(store, tmp_path):
    manifest = keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    folder = Folder(tmp_path / "nas" / "house")
    assert folder.ids() == [ID]
    assert folder.manifest(ID) == manifest
    assert folder.sizes(ID) == manifest.objects
    assert sorted(each.name for each in folder.folder.iterdir()) == ["manifests", "objects"]


def test_the_server_is_learned_once_and_another_one_is_not_written_to(store, login, tmp_path):
    assert store.check() == []
    assert ssh.fingerprint(store.login.host_key).startswith("SHA256:")
    again = Sftp(store.login)
    assert again.check() == []
    with pytest.raises(OtherServer, match="not the server that was connected"):
        Sftp(replace(login, host_key=HOST_KEY)).check()
    assert list((tmp_path / "nas" / "house").glob("part-*")) == []


def test_a_key_that_is_not_taken_is_told_with_the_line_that_lets_it_in(login):
    other = ssh.new_key("other")
    with pytest.raises(NotAdmitted) as refused:
        Sftp(replace(login, private_key=other)).ids()
    assert ssh.public_half(other) in str(refused.value)
    assert "PRIVATE" not in str(refused.value)


@pytest.mark.usefixtures("impatient")
def test_nobody_at_the_address_is_told(login):
    with pytest.raises(StoreAway, match=r"Connection refused; the next run continues"):
        Sftp(replace(login, port=1)).ids()


@pytest.mark.usefixtures("impatient")
def test_a_cut_connection_goes_on_where_it_was(store, tmp_path, monkeypatch):
    content = random.Random(1).randbytes(3_000_000)
    name, file = hashlib.sha256(content).hexdigest(), tmp_path / "large"
    file.write_bytes(content)
    starts = []

    def pieces(opened, rate):
        starts.append(opened)
        for number, piece in enumerate(pieces_of(opened, rate)):
            if len(starts) == 1 and number == 20:
                store.session.process.kill()
            yield piece

    monkeypatch.setattr("backup.stores.sftp.pieces_of", pieces)
    store.put(ID, name, file)
    assert len(starts) == 2
    read = store.get(ID, name)
    first = next(read)
    store.session.process.kill()
    assert b"".join([first, *read]) == content


def test_what_is_there_is_never_overwritten(store, tmp_path):
    name, file = object_in(tmp_path, b"one")
    store.put(ID, name, file)
    there = tmp_path / "nas" / "house" / "objects" / name
    there.write_bytes(b"cut")
    with pytest.raises(Damaged, match="is never overwritten: remove it there"):
        store.put(ID, name, file)
    assert there.read_bytes() == b"cut"


def test_a_damaged_file_is_not_uploaded(store, tmp_path):
    name, file = object_in(tmp_path, b"one")
    file.write_bytes(b"other")
    with pytest.raises(Damaged, match="is damaged; it is not uploaded"):
        store.put(ID, name, file)
    assert store.sizes(ID) == {}
    assert list((tmp_path / "nas" / "house").glob("part-*")) == []


def test_a_folder_that_went_is_not_taken_for_an_object_that_is_missing_here(store, tmp_path):
    store.put(ID, *object_in(tmp_path, b"one"))
    shutil.rmtree(tmp_path / "nas")
    with pytest.raises(StoreAway, match="the server refuses: No such file"):
        store.put(ID, *object_in(tmp_path, b"two"))


def test_a_missing_object_is_not_put_down_to_a_rule_that_no_such_server_has(store, tmp_path):
    manifest = keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    (name,) = manifest.objects
    (tmp_path / "nas" / "house" / "objects" / name).unlink()
    with pytest.raises(Damaged, match=r"1 of its 1 objects are missing or truncated\. "):
        choose(store, ID)


def test_a_manifest_without_end_is_not_read_to_it(store, tmp_path, monkeypatch):
    keep_backup(store, tmp_path, ID, {"config/a": b"a"})
    monkeypatch.setattr("backup.stores.sftp.MOST_BYTES", 100)
    with pytest.raises(Damaged, match="longer than 100 bytes"):
        store.manifest(ID)


def test_a_server_that_lets_us_only_read_is_told_when_it_is_connected(tmp_path, key):
    with sshd.running(tmp_path / "sshd", sftp="-R") as server:
        server.admit(ssh.public_half(key))
        login = ssh.from_address(server.address(tmp_path / "nas"))
        with pytest.raises(StoreAway, match="the server refuses: Permission denied"):
            Sftp(replace(login, private_key=key)).check()


# Servers that mean no good, each a program in the place of ssh.

HELLO = struct.pack(">IBI", 5, 2, 3)


def talking(*answers):
    """Return a session with a server that says *answers*, whatever it is asked."""
    script = (
        f"import sys; sys.stdout.buffer.write({b''.join(answers)!r}); sys.stdout.flush(); "
        "sys.stdin.buffer.read()"
    )
    return Session([sys.executable, "-c", script])


def answer(kind, number, rest):
    return struct.pack(">IBI", 5 + len(rest), kind, number) + rest


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">I", 1 << 31),
        struct.pack(">I", 0),
        struct.pack(">IBI", 5, 2, 2),
        struct.pack(">IBI", 5, 101, 3),
        struct.pack(">IBII", 9, 2, 3, 1000),
    ],
)
def test_what_is_no_sftp_server_is_refused(words):
    with pytest.raises(StoreAway, match="SFTP"):
        talking(words)


@pytest.mark.parametrize(
    "words",
    [
        answer(102, 7, struct.pack(">I", 0)),  # an answer to what was not asked
        answer(103, 0, struct.pack(">I", 0)),  # of another kind
        answer(102, 0, struct.pack(">I", 1 << 30)),  # shorter than it says
        struct.pack(">I", 1 << 31),
    ],
)
def test_an_answer_of_another_form_ends_the_connection(words):
    with pytest.raises(Lost):
        talking(HELLO, words).open("file")


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(sftp_line, "ANSWER_S", 0.05)
    with pytest.raises(Lost, match="no answer in time"):
        talking(HELLO).open("file")


def test_a_folder_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(sftp_line, "MOST_NAMES", 10)
    entry = struct.pack(">I1sII", 1, b"a", 0, 0)
    names = [answer(104, number, struct.pack(">I", 6) + entry * 6) for number in (1, 2, 3)]
    session = talking(HELLO, answer(102, 0, struct.pack(">I1s", 1, b"h")), *names)
    with pytest.raises(StoreAway, match="lists more than 10 files"):
        list(session.files("folder"))


def test_a_folder_whose_names_never_come_is_given_up(monkeypatch):
    monkeypatch.setattr(sftp_line, "MOST_NAMES", 10)
    none = [answer(104, number, struct.pack(">I", 0)) for number in range(1, 12)]
    session = talking(HELLO, answer(102, 0, struct.pack(">I1s", 1, b"h")), *none)
    with pytest.raises(StoreAway, match="lists more than 10 files"):
        list(session.files("folder"))


def test_an_end_without_a_word_is_a_lost_connection():
    script = "import os, time; os.close(1); time.sleep(60)"
    with pytest.raises(Lost, match="the connection was closed"):
        Session([sys.executable, "-c", script])


def test_the_words_of_a_server_do_not_reach_the_terminal_as_they_came():
    words = b"\x1b[2Jno"
    status = struct.pack(">II", 3, len(words)) + words + struct.pack(">I", 0)
    with pytest.raises(Refused, match=r"^\?\[2Jno$"):
        talking(HELLO, answer(101, 0, status)).open("file")


# Addresses and settings.


@pytest.mark.parametrize(
    ("address", "path", "port"),
    [
        ("sftp://pi@nas/backups", "/backups", 22),
        ("sftp://pi@nas.local:2222/volume1/my.backups/", "/volume1/my.backups", 2222),
        ("sftp://u1-sub1@[fe80::1%eth0]/~/house", "house", 22),
    ],
)
def test_an_address_is_taken_apart_and_put_together(address, path, port):
    login = ssh.from_address(address)
    assert (login.path, login.port) == (path, port)
    assert login.address == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "sftp://nas/backups",
        "sftp://pi:word@nas/backups",
        "sftp://pi@nas",
        "sftp://pi@nas/",
        "sftp://pi@nas/~",
        "sftp://pi@nas/a/../b",
        "sftp://pi@nas:99999/a",
        "sftp://-oProxyCommand=x@nas/a",
        "sftp://pi@-oProxyCommand=x/a",
        "sftp://pi@nas/a b",
        "sftp://pi@nas/a\nb",
        "ftp://pi@nas/a",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(BackupFault, match="expected sftp://USER@HOST/FOLDER"):
        ssh.from_address(address)


def test_settings_are_read_as_they_were_written(key):
    login = replace(ssh.from_address("sftp://pi@nas/a"), host_key=HOST_KEY, private_key=key)
    assert ssh.from_settings(login.settings()) == login
    assert key not in repr(login)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"store": "azure"}, "not the settings of a store"),
        ({"format": 2}, "made for a newer one; upgrade first"),
        ({"address": "sftp://nas"}, "expected sftp://"),
        ({"host_key": "AAAA"}, "host_key must be the server's public key"),
        ({"host_key": f"{HOST_KEY}\nstore other"}, "host_key must be"),
        ({"private_key": "secret"}, "private_key must be a private key of OpenSSH"),
    ],
)
def test_wrong_settings_are_told_without_the_key(changes, said, key):
    login = replace(ssh.from_address("sftp://pi@nas/a"), host_key=HOST_KEY, private_key=key)
    with pytest.raises(BackupFault, match=said) as refused:
        ssh.from_settings(json.dumps(json.loads(login.settings()) | changes))
    assert "secret" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_root_reaches_it_for_a_house_whose_folder_is_of_another_user(login, open_folder):
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    file = open_folder / "config.yaml"
    file.write_text(f"sources: {{m: {{type: simulated}}}}\ndata_dir: {data}\n")
    house = config.load(file)
    house.secrets.mkdir(mode=0o700)
    (house.secrets / "backup-sftp").write_text(login.settings())

    def connecting():
        connect.connect(login.address, house, host_key=Sftp(login).fingerprint())
        assert os.geteuid() == NOBODY
        assert "    host key SHA256:" in "\n".join(sheet.page(house))

    def looking():
        ownership.step_down(house.backups)
        (store,) = connect.off_sites(house)
        assert store.ids() == []

    assert run_apart(connecting) == ""
    assert run_apart(looking) == ""


def run_apart(work):
    """Run *work* in a process that may give up its rights; return how it failed."""
    result, written = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  told by the test
            os.write(written, traceback.format_exc().encode()[-4000:])
        os._exit(0)
    os.close(written)
    with os.fdopen(result, "rb") as told:
        said = told.read().decode()
    os.waitpid(child, 0)
    return said
