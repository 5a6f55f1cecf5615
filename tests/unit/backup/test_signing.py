"""A manifest is what was written, and who wrote it is known: by its digest, and by a signature."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backup import signing
from backup.latest import pick
from backup.manifest import decode, encode
from backup.stores.folder import Folder
from collector.errors import BackupFault, Damaged, Untrusted
from tests.fakes.backups import keep_backup

FIRST, SECOND, THIRD = "20261120T100000Z", "20261120T110000Z", "20261120T120000Z"
FUTURE = "20361120T100000Z"
NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
OURS, THEIRS = signing.new_key(), signing.new_key()


@pytest.fixture
def store(tmp_path):
    return Folder(tmp_path / "backups")


@pytest.fixture
def keep(store, tmp_path):
    def keep(backup_id, private=None):
        manifest = keep_backup(store, tmp_path, backup_id, {"config/a": backup_id.encode()})
        if private:
            store.put_manifest(signing.sign(manifest, private))

    return keep


def test_each_bit_of_a_manifest_that_is_flipped_is_seen(store, keep):
    keep(FIRST, OURS)
    good = store.manifest(FIRST)
    data = encode(good)
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        try:
            found = decode(bytes(flipped))
            signing.check(found, [signing.public_of(OURS)])
        except Damaged:
            continue
        assert found == good, place


def test_one_of_before_there_were_digests_is_read(store, keep):
    keep(FIRST)
    document = {**json.loads(encode(store.manifest(FIRST))), "format": 1}
    del document["digest"], document["signature"]
    assert decode(json.dumps(document).encode()) == store.manifest(FIRST)


def test_a_signature_covers_all_of_a_manifest_and_stays_when_it_is_put_elsewhere(store, keep):
    keep(FIRST, OURS)
    manifest = store.manifest(FIRST)
    signing.check(decode(encode(manifest)), [signing.public_of(OURS)])
    for forged in (
        replace(manifest, notes=("other",)),
        replace(manifest, files={}),
        replace(manifest, id=SECOND),
        replace(manifest, signed_by=signing.public_of(THEIRS)),
        signing.sign(manifest, THEIRS),
        replace(manifest, signature=None),
        replace(manifest, signature="0" * 128),
    ):
        with pytest.raises(Untrusted):
            signing.check(decode(encode(forged)), [signing.public_of(OURS)])


def test_where_no_key_is_known_a_signature_must_be_right_all_the_same(store, keep):
    keep(FIRST)
    signing.check(store.manifest(FIRST), [])
    keep(SECOND, OURS)
    manifest = store.manifest(SECOND)
    signing.check(manifest, [])
    with pytest.raises(Untrusted, match="is wrong"):
        signing.check(replace(manifest, notes=("other",)), [])


def test_the_latest_is_of_no_stranger_and_of_no_future(store, keep):
    keep(FIRST, OURS)
    keep(SECOND, THEIRS)
    keep(THIRD)
    keep(FUTURE, OURS)
    store.trusted = [signing.public_of(OURS)]
    told: list[str] = []
    assert pick(store, "latest", NOW, told.append) == FIRST
    assert [each.split()[1] for each in told] == [FUTURE, THIRD, SECOND]
    store.trusted = None
    assert pick(store, "latest", NOW) == THIRD
    assert pick(store, "latest", None) == THIRD, "a clock that is not set knows no better"
    assert pick(store, FUTURE, NOW) == FUTURE, "by its name"


def test_where_all_are_of_strangers_none_is_taken(store, keep):
    keep(FIRST)
    store.trusted = [signing.public_of(OURS)]
    with pytest.raises(BackupFault, match="name one by its id"):
        pick(store, "latest", NOW)
    with pytest.raises(Untrusted, match="is not signed"):
        store.manifest(FIRST)


def test_an_installation_gets_one_key_and_trusts_it(tmp_path):
    secrets = tmp_path / "secrets"
    public = signing.own_key(tmp_path, secrets)
    assert signing.own_key(tmp_path, secrets) == public
    assert signing.known(tmp_path) == {public}
    assert (secrets / signing.NAME).stat().st_mode & 0o777 == 0o600
    private = (secrets / signing.NAME).read_text().strip()
    assert signing.public_of(private) == public
    signing.trust(tmp_path, signing.public_of(THEIRS))
    assert signing.known(tmp_path) == {public, signing.public_of(THEIRS)}


def test_what_a_user_trusts_is_a_key_or_anyone(tmp_path):
    assert signing.wanted(tmp_path, None) == frozenset()
    assert signing.wanted(tmp_path, "anyone") == frozenset()
    public = signing.public_of(OURS)
    assert signing.wanted(tmp_path, public) == {public}
    with pytest.raises(BackupFault, match="is not a public key"):
        signing.wanted(tmp_path, "x")
    (tmp_path / signing.PUBLIC).write_text("no key\n")
    with pytest.raises(BackupFault, match="expected public keys"):
        signing.known(tmp_path)
