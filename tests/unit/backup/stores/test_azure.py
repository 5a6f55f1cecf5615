"""Azure against Azurite, with a far end in between where something is to go wrong."""

import gzip
import hashlib
import io
import itertools
import logging
from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient, ContentSettings

from backup.manifest import MOST_BYTES, encode
from backup.stores import blobs, https
from backup.stores.azure import from_settings, object_path
from backup.stores.folder import checked
from backup.stores.pace import pieces_of
from collector.errors import Damaged, StoreAway
from collector.lines import http_answer
from tests.fakes.backups import keep_backup, object_in
from tests.fakes.http_answers import Reply, serving
from tests.servers import azurite
from tests.servers.influxd import free_port

ID = "20261120T100000Z"
NAMES = (f"azure-{number}" for number in itertools.count())
# Answers of a far end, in place of a server's or after it.
LOST = Reply(cut_after=0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with azurite.running(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def owner(server):
    """The client of one who may do everything, to a container of its own."""
    return server.container(next(NAMES))


@pytest.fixture(autouse=True)
def slept(monkeypatch):
    """Pauses between attempts are noted here and not waited for."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


@pytest.fixture
def meddle(server):
    """Serve Azurite at another address, where *answer(asked, forward)* decides about each answer.

    ``forward()`` hands the request on and returns the true answer.
    """
    served = []

    def begin(answer):
        serve = serving(lambda asked: answer(asked, lambda: server.answer(asked)))
        served.append(serve)
        return serve.__enter__().url + f"/{azurite.ACCOUNT}"

    yield begin
    for each in served:
        each.__exit__(None, None, None)


def store(url, server, owner, rights="rcl", **sas):
    name = owner.container_name
    return from_settings(f"{url}/{name}?{server.sas(name, rights, **sas)}")


def blobs_of(owner):
    return {blob.name: blob for blob in owner.list_blobs(include=["metadata"])}


def test_microsofts_client_reads_what_we_wrote(server, owner, tmp_path):
    ours = store(server.url, server, owner)
    manifest = keep_backup(ours, tmp_path, ID, {"config/config.yaml": b"site: home"})
    (name,) = manifest.objects
    found = blobs_of(owner)
    assert list(found) == [f"2026-11/manifests/{ID}.json.gz", f"2026-11/objects/{name}"]
    data = owner.download_blob(object_path(ID, name)).readall()
    blob = found[object_path(ID, name)]
    assert hashlib.sha256(data).hexdigest() == name == blob.metadata["sha256"]
    assert blob.content_settings.content_md5 == hashlib.md5(data).digest()
    packed = owner.download_blob(f"2026-11/manifests/{ID}.json.gz").readall()
    assert gzip.decompress(packed) == encode(manifest)


def test_we_read_what_microsofts_client_wrote(server, owner, tmp_path):
    there = keep_backup(store(server.url, server, owner), tmp_path, ID, {"config/a": b"a" * 99})
    copy = server.container(next(NAMES))
    for name in blobs_of(owner):
        data = owner.download_blob(name).readall()
        md5 = ContentSettings(content_md5=bytearray(hashlib.md5(data).digest()))
        copy.upload_blob(name, data, content_settings=md5)
    ours = store(server.url, server, copy)
    assert ours.ids() == [ID]
    assert ours.manifest(ID) == there
    for name, size in there.objects.items():
        assert len(b"".join(checked(ours, ID, name, size))) == size


def test_a_month_shares_nothing_with_the_next(server, owner, tmp_path):
    ours = store(server.url, server, owner)
    ours.put(ID, *object_in(tmp_path, b"one"))
    assert len(ours.sizes("20261130T235959Z")) == 1
    assert ours.sizes("20261201T000000Z") == {}


def test_a_list_of_many_pages_is_read_to_its_end(server, owner, tmp_path, monkeypatch):
    monkeypatch.setattr(blobs, "PAGE", 2)
    ours = store(server.url, server, owner)
    put = [object_in(tmp_path, str(number).encode()) for number in range(7)]
    for each in put:
        ours.put(ID, *each)
    assert ours.sizes(ID) == {name: file.stat().st_size for name, file in put}


def test_what_is_not_ours_in_a_container_is_left_alone(server, owner):
    names = ("2026-11/manifests/x.json.gz", "2026-11/objects/x", "other/manifests/y", "notes.txt")
    for name in names:
        owner.upload_blob(name, b"")
    ours = store(server.url, server, owner)
    assert ours.ids() == []
    assert ours.sizes(ID) == {}


@pytest.mark.parametrize("rights", ["rcl", "rclw"])
def test_a_put_whose_answer_is_lost_counts_once_it_is_seen(server, owner, meddle, tmp_path, rights):
    """With 'w' the second Put is answered 409, without it 403."""
    answers = []

    def lose_first(asked, forward):
        reply = forward()
        answers.append((asked.method, reply.status))
        return LOST if len(answers) == 1 else reply

    ours = store(meddle(lose_first), server, owner, rights)
    name, file = object_in(tmp_path, b"one")
    ours.put(ID, name, file)
    refusal = 409 if "w" in rights else 403
    assert answers == [("PUT", 201), ("PUT", refusal), ("HEAD", 200)]
    assert owner.download_blob(object_path(ID, name)).readall() == file.read_bytes()


def test_something_else_under_the_same_name_is_no_success(server, owner, tmp_path):
    ours = store(server.url, server, owner)
    name, file = object_in(tmp_path, b"one")
    owner.upload_blob(object_path(ID, name), b"another")
    with pytest.raises(Damaged, match=r"is something else.*delete it"):
        ours.put(ID, name, file)


def test_a_damaged_file_does_not_leave_the_house(server, owner, tmp_path):
    name, file = object_in(tmp_path, b"one")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(Damaged, match=r"is damaged; it is not uploaded"):
        store(server.url, server, owner).put(ID, name, file)
    assert blobs_of(owner) == {}


def test_a_thief_can_neither_overwrite_nor_delete(server, owner, tmp_path):
    manifest = keep_backup(store(server.url, server, owner), tmp_path, ID, {"config/a": b"a"})
    before = {name: owner.download_blob(name).readall() for name in blobs_of(owner)}
    sas = server.sas(owner.container_name)
    with ContainerClient(server.url, owner.container_name, credential=sas, retry_total=0) as thief:
        for name in before:
            blob = thief.get_blob_client(name)
            for deed in (
                lambda blob=blob: blob.upload_blob(b"mine", overwrite=True),
                lambda blob=blob: blob.upload_blob(b"mine", overwrite=False),
                lambda blob=blob: blob.stage_block("AAAA", b"mine"),
                blob.delete_blob,
                lambda blob=blob: blob.set_blob_metadata({"a": "b"}),
            ):
                with pytest.raises(HttpResponseError) as refusal:
                    deed()
                assert refusal.value.status_code == 403
        with pytest.raises(HttpResponseError):
            thief.delete_container()
    assert {name: owner.download_blob(name).readall() for name in blobs_of(owner)} == before
    assert store(server.url, server, owner).manifest(ID) == manifest


@pytest.mark.parametrize(
    ("rights", "lacking"), [("cl", "read"), ("rl", "create"), ("rc", "list"), ("c", "list")]
)
def test_a_right_that_is_missing_is_named(server, owner, rights, lacking):
    with pytest.raises(
        StoreAway, match=f"has no right to {lacking}; it needs to create, read and list"
    ):
        store(server.url, server, owner, rights).check()


def test_trying_the_rights_writes_nothing(server, owner):
    assert store(server.url, server, owner).check() == []
    assert blobs_of(owner) == {}


def test_an_expired_sas_says_what_to_do(server, owner, tmp_path):
    ours = store(server.url, server, owner, ends_in_s=-60)
    for deed in (ours.ids, lambda: ours.put(ID, *object_in(tmp_path, b"one"))):
        with pytest.raises(StoreAway, match=r"the SAS expired at 20.*backup connect FILE"):
            deed()


def test_a_revoked_sas_says_what_to_do(server, owner):
    name = owner.container_name
    ours = from_settings(f"{server.url}/{name}?{server.sas_under_policy(name)}")
    assert ours.ids() == []
    owner.set_container_access_policy({})
    with pytest.raises(StoreAway, match=r"policy 'energy-monitor' was removed.*backup connect"):
        ours.ids()


def test_a_deleted_container_says_what_to_do(server, owner, tmp_path):
    ours = store(server.url, server, owner)
    manifest = keep_backup(ours, tmp_path, ID, {"config/a": b"a"})
    owner.delete_container()
    (name,) = manifest.objects
    for deed in (
        ours.ids,
        lambda: ours.manifest(ID),
        lambda: list(ours.get(ID, name)),
        lambda: ours.put(ID, *object_in(tmp_path, b"two")),
    ):
        with pytest.raises(StoreAway, match=r"the container is gone.*Show deleted containers"):
            deed()


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_wants(
    server, owner, meddle, tmp_path, slept
):
    busy = [Reply(503, headers={"Retry-After": "7", "x-ms-error-code": "ServerBusy"})] * 2
    ours = store(meddle(lambda _, forward: busy.pop() if busy else forward()), server, owner)
    ours.put(ID, *object_in(tmp_path, b"one"))
    assert slept == [7, 7]


def test_a_server_that_stays_busy_is_asked_by_the_next_run(server, owner, meddle, slept):
    busy = Reply(503, headers={"x-ms-error-code": "ServerBusy"})
    ours = store(meddle(lambda *_: busy), server, owner)
    with pytest.raises(StoreAway, match=r"answered 503 ServerBusy; the next run continues"):
        ours.ids()
    assert slept == list(https.PAUSES_S)


def test_who_wants_to_be_left_alone_for_an_hour_is(server, owner, meddle, slept):
    ours = store(meddle(lambda *_: Reply(503, headers={"Retry-After": "3600"})), server, owner)
    with pytest.raises(StoreAway, match="503"):
        ours.ids()
    assert slept == []


@pytest.mark.parametrize(
    "reply",
    [Reply(body=b"x" * 100, pause_s=0.05), Reply(body=b"x" * 9, pause_s=60)],
    ids=["drips", "silent"],
)
def test_a_server_that_is_too_slow_is_given_up(server, owner, meddle, monkeypatch, reply):
    monkeypatch.setattr("backup.stores.blobs.LIMITS", replace(https.LIMITS, answer_s=0.2))
    monkeypatch.setattr(https, "PAUSES_S", ())
    ours = store(meddle(lambda *_: reply), server, owner)
    with pytest.raises(StoreAway, match=r" no complete answer within 0 s"):
        ours.ids()


def test_a_body_that_drips_is_given_up(server, owner, meddle, tmp_path, monkeypatch):
    monkeypatch.setattr("backup.stores.blobs.LIMITS", replace(https.LIMITS, answer_s=0.2))
    monkeypatch.setattr(http_answer, "SLOWEST", 10_000)
    monkeypatch.setattr(blobs, "PAUSES_S", ())
    name, file = object_in(tmp_path, b"one")
    store(server.url, server, owner).put(ID, name, file)

    def head_at_once(_, forward):
        reply = forward()
        return replace(reply, body=reply.body * 100, pause_s=0.02, at_once=len(head_of(reply)))

    ours = store(meddle(head_at_once), server, owner)
    with pytest.raises(StoreAway, match=r"only \d+ bytes came in"):
        list(ours.get(ID, name))


def head_of(reply):
    return replace(reply, body=b"").packed()


def test_a_server_that_is_not_there_is_told(server, owner, slept):
    ours = store(f"http://127.0.0.1:{free_port()}/x", server, owner)
    with pytest.raises(StoreAway, match="Connection refused"):
        ours.ids()
    assert slept == list(https.PAUSES_S)


def test_a_read_that_is_cut_goes_on_where_it_was(server, owner, meddle, tmp_path):
    file = tmp_path / "object"
    file.write_bytes(bytes(index % 253 for index in range(400_000)))
    name = hashlib.sha256(file.read_bytes()).hexdigest()
    store(server.url, server, owner).put(ID, name, file)
    ranges = []

    def cut_thrice(asked, forward):
        ranges.append(asked.headers.get("Range"))
        reply = forward()
        cut = len(head_of(reply)) + 100_000
        return replace(reply, cut_after=cut) if len(ranges) <= 3 else reply

    ours = store(meddle(cut_thrice), server, owner)
    assert b"".join(ours.get(ID, name)) == file.read_bytes()
    starts = [int(each.removeprefix("bytes=").rstrip("-")) for each in ranges[1:]]
    assert len(starts) == 3
    assert starts == sorted(set(starts))


def test_a_read_that_is_cut_again_and_again_ends(server, owner, meddle, tmp_path, slept):
    name, file = object_in(tmp_path, b"one")
    store(server.url, server, owner).put(ID, name, file)

    def cut(_, forward):
        reply = forward()
        return replace(reply, cut_after=len(head_of(reply)))

    with pytest.raises(StoreAway, match=r"objects/"):
        list(store(meddle(cut), server, owner).get(ID, name))
    assert slept == list(https.PAUSES_S)


def test_a_flipped_byte_of_a_manifest_is_found(server, owner, meddle, tmp_path):
    keep_backup(store(server.url, server, owner), tmp_path, ID, {"config/a": b"a"})

    def flip(_, forward):
        reply = forward()
        return replace(reply, body=bytes(each ^ 1 for each in reply.body))

    with pytest.raises(Damaged, match=rf"{ID}.json.gz is damaged"):
        store(meddle(flip), server, owner).manifest(ID)


@pytest.mark.parametrize("size", [0, MOST_BYTES + 1], ids=["none", "a bomb"])
def test_a_manifest_that_cannot_be_one_is_refused(server, owner, size):
    data = gzip.compress(bytes(size), 9) if size else b"{}"
    md5 = ContentSettings(content_md5=bytearray(hashlib.md5(data).digest()))
    owner.upload_blob(f"2026-11/manifests/{ID}.json.gz", data, content_settings=md5)
    with pytest.raises(Damaged):
        store(server.url, server, owner).manifest(ID)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b"<html>Log in", "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (b"<a><Blobs/><NextMarker>again</NextMarker></a>", "has no end"),
        (b"<a>" + b"x" * (https.LIMITS.most_bytes + 1), "longer than"),
    ],
)
def test_a_list_that_is_none_is_refused(server, owner, meddle, body, said):
    ours = store(meddle(lambda *_: Reply(200, body)), server, owner)
    with pytest.raises(StoreAway, match=said):
        ours.ids()


def test_the_sas_is_nowhere_to_be_seen(server, meddle, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    signature = "c2VjcmV0LXNpZ25hdHVyZQ"
    said = []
    answers = [
        lambda *_: LOST,
        lambda *_: Reply(500, b"x"),
        lambda asked, _: Reply(403, asked.query.encode(), {"x-ms-error-code": "Authentication"}),
        lambda asked, _: Reply(400, asked.query.encode()),
    ]
    for url in (server.url, *map(meddle, answers)):
        ours = from_settings(f"{url}/backups?sp=rcl&sig={signature}")
        for deed in (ours.ids, lambda ours=ours: ours.put(ID, *object_in(tmp_path, b"one"))):
            with pytest.raises(StoreAway) as error:
                deed()
            said += [str(error.value), repr(error.value)]
        said += [ours.name, repr(ours.container.credential)]
    assert signature not in "".join(said) + caplog.text


def test_an_upload_takes_no_more_of_the_line_than_it_may(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    file = io.BytesIO(b"x" * 1_000_000)
    assert len(b"".join(pieces_of(file, 200_000))) == 1_000_000
    assert clock[0] == pytest.approx(105)
    assert len(b"".join(pieces_of(file))) == 1_000_000
    assert clock[0] == pytest.approx(105)
