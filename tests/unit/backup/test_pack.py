"""Objects: the same file anew, readable by age and gunzip, and nothing of one that failed."""

import errno
import gzip
import hashlib
import io
import os
import shutil
import subprocess

import pytest

from backup import pack as packing
from backup.manifest import File
from backup.pack import SPOOL_BYTES, pack, unpack
from backup.stores.folder import CHUNK, Folder
from collector.errors import BackupFault, Damaged

SIZES = [0, 1, CHUNK, SPOOL_BYTES + 1]


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


@pytest.fixture(scope="module")
def keys():
    """The text of a file with a private key, and its public key, made by Debian's age-keygen."""
    if not shutil.which("age-keygen"):
        pytest.skip("age-keygen is missing: Debian package age")
    text = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    return text, next(line for line in text.split() if line.startswith("age1"))


Sealed = packing.Hashing


class Full(io.BytesIO):
    """A file on a full disk."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def write(self, data):
        self.target.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")


def chunks(data, size=50_000):
    return (data[start : start + size] for start in range(0, len(data), size))


def compressible(size):
    return (os.urandom(500) * (size // 250 + 1))[:size]


def stored(store):
    return sorted(path.name for path in store.folder.rglob("*") if path.is_file())


def whole(store, file, identities=()):
    return b"".join(unpack(store.get("", file.object), file.size, identities))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_packed_is_unpacked(store, size):
    data = compressible(size)
    file = pack(chunks(data), store, {})
    assert (file.size, file.sha256) == (size, hashlib.sha256(data).hexdigest())
    packed = (store.folder / "objects" / file.object).read_bytes()
    assert (file.stored, file.object) == (len(packed), hashlib.sha256(packed).hexdigest())
    assert gzip.decompress(packed) == data
    assert whole(store, file) == data
    assert stored(store) == [file.object]


def test_the_same_file_is_the_same_object_wherever_it_is_packed(store, tmp_path):
    data = compressible(100_000)
    other = pack(chunks(data, 7), Folder(tmp_path / "other"), {})
    assert pack(chunks(data), store, {}) == other


def test_what_is_known_is_not_stored_again(store):
    known: dict[str, File] = {}
    first = pack(chunks(b"the same" * 1000), store, known)
    (store.folder / "objects" / first.object).unlink()
    assert pack(chunks(b"the same" * 1000), store, known) is first
    assert stored(store) == []


@pytest.mark.parametrize("size", SIZES)
def test_age_and_gunzip_read_what_is_encrypted(store, keys, tmp_path, size):
    private, public = keys
    data = compressible(size)
    file = pack(chunks(data), store, {}, [public])
    (tmp_path / "key").write_text(private)
    command = ["age", "-d", "-i", tmp_path / "key", store.folder / "objects" / file.object]
    opened = subprocess.run(command, capture_output=True, check=True).stdout
    assert gzip.decompress(opened) == data
    assert whole(store, file, [private]) == data


def test_what_age_encrypted_is_unpacked(keys):
    private, public = keys
    data = compressible(300_000)
    sealed = subprocess.run(
        ["age", "-r", public], input=gzip.compress(data), capture_output=True, check=True
    ).stdout
    assert b"".join(unpack(chunks(sealed), len(data), [private])) == data


def test_only_the_right_key_opens_it(store, keys):
    _, public = keys
    stranger = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    file = pack(chunks(b"secret"), store, {}, [public])
    with pytest.raises(BackupFault, match="none of the private keys matches"):
        whole(store, file, [stranger])
    with pytest.raises(BackupFault, match="its private key is needed"):
        whole(store, file)
    with pytest.raises(BackupFault, match="there is no private key") as told:
        whole(store, file, ["AGE-SECRET-KEY-1SHORT"])
    assert "SHORT" not in str(told.value)


def test_a_public_key_with_a_slip_is_told_before_anything_is_stored(store):
    with pytest.raises(BackupFault, match="no public key of age is age1x"):
        pack(chunks(b"x"), store, {}, ["age1x"])
    assert stored(store) == []


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("place", [3, 300, -3])
def test_a_flipped_bit_is_damage_wherever_it_is(store, keys, encrypted, place):
    private, public = keys
    file = pack(chunks(os.urandom(1000)), store, {}, [public] if encrypted else [])
    packed = bytearray((store.folder / "objects" / file.object).read_bytes())
    packed[place] ^= 0x40
    with pytest.raises(BackupFault):
        b"".join(unpack(chunks(bytes(packed)), 1000, [private]))


@pytest.mark.parametrize("encrypted", [False, True])
def test_what_is_cut_short_or_goes_on_is_damage(store, keys, encrypted):
    private, public = keys
    file = pack(chunks(os.urandom(1000)), store, {}, [public] if encrypted else [])
    packed = (store.folder / "objects" / file.object).read_bytes()
    for wrong in (packed[:-1], packed[:-20], packed + b"x", b""):
        with pytest.raises(Damaged):
            b"".join(unpack(chunks(wrong), 1000, [private]))


def test_a_file_that_explodes_comes_in_small_pieces(store):
    file = pack((bytes(CHUNK) for _ in range(40)), store, {})
    assert file.stored < 20_000
    assert max(map(len, unpack(store.get("", file.object), file.size))) <= CHUNK


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("at", ["spool", "part", "rename"])
@pytest.mark.parametrize("size", [100, 300_000])
def test_on_a_full_disk_nothing_half_made_remains(store, keys, monkeypatch, at, encrypted, size):
    before = pack(chunks(b"older"), store, {})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_object(chunks, target, *_):
        next(iter(chunks))
        target.write(b"half")
        full()

    if at == "part" and encrypted:
        monkeypatch.setattr(packing, "Hashing", lambda target: Sealed(Full(target)))
    elif at == "rename":
        monkeypatch.setattr(store, "adopt", full)
    else:
        name, fails = {"spool": ("copy", full), "part": ("write", full_object)}[at]
        monkeypatch.setattr(packing, name, fails)
    with pytest.raises(BackupFault, match="the disk is full"):
        pack(chunks(os.urandom(size)), store, {}, [keys[1]] if encrypted else [])
    assert stored(store) == [before.object]


def test_a_source_that_breaks_off_leaves_nothing(store, keys):
    def broken():
        yield b"half a file"
        raise BackupFault("InfluxDB went away")

    for recipients in ([], [keys[1]]):
        with pytest.raises(BackupFault, match="went away"):
            pack(broken(), store, {}, recipients)
    assert stored(store) == []


def test_without_the_library_encryption_is_refused_with_a_sentence(store, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyrage", None)
    with pytest.raises(BackupFault, match="the Python package pyrage"):
        pack(chunks(b"x"), store, {}, ["age1x"])


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_full_disk_while_opening_is_no_damage(store, keys, monkeypatch, size):
    private, public = keys
    file = pack(chunks(os.urandom(size)), store, {}, [public])
    monkeypatch.setattr(packing, "Hashing", lambda target: Sealed(Full(target)))
    with pytest.raises(OSError, match="No space left"):
        whole(store, file, [private])
