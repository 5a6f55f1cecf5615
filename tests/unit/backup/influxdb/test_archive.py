import io
import json
import tarfile

import pytest

from backup.influxdb.archive import CHUNK, Stream, members, metadata, pieces, tar
from collector.errors import BackupFault

COMPLAINT = b'{"code":"internal error","message":"disk on fire"}'
BOUNDARY = b"0123456789abcdef"
BOLT = bytes(16) + bytes.fromhex("edda0ced02000000") + (4096).to_bytes(4, "little") + bytes(8164)
SQLITE = b"SQLite format 3\0" + (4096).to_bytes(2) + bytes(10) + (2).to_bytes(4) + bytes(8160)
NAMES = {"bucketID": "b", "bucketName": "energy", "organizationName": "home"}
BUCKETS = [{**NAMES, "retentionPolicies": []}]


def stream(data, step=1000):
    return Stream("InfluxDB", iter([data[at : at + step] for at in range(0, len(data), step)]))


def read(data, step=1000):
    found = members(stream(data, step))
    return [(name, size, b"".join(chunks)) for name, size, chunks in found]


def archive(**files):
    return b"".join(tar((name, len(data), [data]) for name, data in files.items()))


def answer(*parts):
    made = b""
    for name, data in parts:
        head = f'Content-Disposition: attachment; name="{name}"\r\nContent-Type: x/y\r\n\r\n'
        made += (
            b"\r\n--" * bool(made) + b"--" * (not made) + BOUNDARY + b"\r\n" + head.encode() + data
        )
    return made + b"\r\n--" + BOUNDARY + b"--\r\n"


def good_answer():
    return answer(("kv", BOLT), ("sql", SQLITE), ("buckets", json.dumps(BUCKETS).encode()))


def parts(data):
    spool = io.BytesIO()
    found = metadata(stream(data), BOUNDARY, spool)
    kv, sql = (b"".join(pieces(spool, found.databases[name])) for name in ("kv", "sql"))
    return kv, sql, found.buckets


@pytest.mark.parametrize("step", [1, 511, 70_000])
def test_an_archive_gives_back_what_was_put_in(step):
    big = bytes(range(256)) * 3000
    files = {"a.tsm": b"x" * 1000, "empty": b"", "b.tsm": big[: CHUNK + 1]}
    found = read(archive(**files), step)
    assert {name: data for name, _, data in found} == files


def test_our_archives_are_read_by_others_and_theirs_by_us():
    with tarfile.open(fileobj=io.BytesIO(archive(a=b"1", b=b"22"))) as theirs:
        assert [each.name for each in theirs] == ["a", "b"]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as theirs:
        member = tarfile.TarInfo("5eed/autogen/3/000000001-000000001.tsm")
        member.size, member.uid = 3, 1 << 40  # too large a number for the plain header
        theirs.addfile(member, io.BytesIO(b"abc"))
    exact = made.getvalue()[: -(10240 - 512 * 4 - 1024)]  # as Go ends it: two blocks
    assert read(exact) == [("000000001-000000001.tsm", 3, b"abc")]


@pytest.mark.parametrize("at", [0, 100, 512, 700, 1024, 1536, 2047])
def test_an_archive_that_ends_early_is_refused_in_the_words_of_the_server(at):
    whole = archive(a=b"x" * 100)
    assert len(whole) == 2048
    with pytest.raises(BackupFault, match="ends in the middle"):
        read(whole[:at])
    with pytest.raises(BackupFault, match="disk on fire"):
        read(whole[:at] + COMPLAINT)


def test_what_follows_an_archive_is_refused_in_the_words_of_the_server():
    with pytest.raises(BackupFault, match=r"goes on after its end.*disk on fire"):
        read(archive(a=b"x") + COMPLAINT)


def test_what_is_no_archive_is_refused():
    with pytest.raises(BackupFault, match="is not an archive"):
        read(b"<html>" * 1000)


def test_a_file_of_another_size_than_told_makes_no_archive():
    with pytest.raises(BackupFault, match="should have 5 bytes"):
        list(tar([("a", 5, [b"xy"])]))


def test_metadata_has_three_parts():
    assert parts(good_answer()) == (BOLT, SQLITE, BUCKETS)


def test_metadata_may_be_of_any_size():
    kv = BOLT + bytes(4096 * 300)
    data = answer(("kv", kv), ("sql", SQLITE), ("buckets", b"[]"))
    assert parts(data) == (kv, SQLITE, [])


def test_metadata_that_ends_early_is_refused_wherever_it_ends():
    whole = good_answer()
    for at in range(0, len(whole) - 2, 37):
        with pytest.raises(BackupFault):
            parts(whole[:at])
        with pytest.raises(BackupFault, match="disk on fire"):
            parts(whole[:at] + COMPLAINT)


@pytest.mark.parametrize(
    "data",
    [
        answer(("kv", BOLT), ("buckets", b"[]")),
        answer(("kv", SQLITE), ("sql", SQLITE), ("buckets", b"[]")),
        answer(("kv", BOLT[:-1]), ("sql", SQLITE), ("buckets", b"[]")),
        answer(("kv", BOLT), ("sql", SQLITE[:-1]), ("buckets", b"[]")),
        answer(("kv", BOLT), ("sql", SQLITE), ("buckets", b"[")),
    ],
    ids=["a part lacks", "no bolt", "half a bolt", "half a SQLite", "half a list"],
)
def test_metadata_with_a_wrong_part_is_refused(data):
    with pytest.raises(BackupFault):
        parts(data)
