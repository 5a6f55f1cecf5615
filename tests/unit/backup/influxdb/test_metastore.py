"""The list of databases of InfluxDB 1, as its backup port tells it, and cut or damaged."""

import pytest

from backup.influxdb.metastore import buckets, open_answer, portable, users
from collector.errors import BackupFault

SECOND = 1_000_000_000


def number(field, value):
    return varint(field << 3) + varint(value)


def piece(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def varint(value):
    value &= (1 << 64) - 1
    digits = []
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def group(id_, start_s, end_s, deleted_s=0):
    times = number(2, start_s * SECOND) + number(3, end_s * SECOND) + number(4, deleted_s * SECOND)
    return number(1, id_) + times + piece(5, number(1, id_ + 100))


def database(name, *groups):
    policy = piece(1, b"autogen") + number(2, 0) + number(3, 86_400 * SECOND) + number(4, 1)
    policy += b"".join(piece(5, each) for each in groups)
    return piece(1, name) + piece(2, b"autogen") + piece(3, policy)


MESSAGE = (
    number(1, 8)
    + piece(5, database(b"_internal", group(9, 0, 1)))
    + piece(5, database(b"energy", group(1, -86_400, 0), group(2, 0, 86_400, 7)))
    + piece(6, piece(1, b"painter") + number(3, 0) + piece(4, piece(1, b"energy") + number(2, 1)))
)


def answer(message=MESSAGE, rest=b"null\n"):
    head = 0x59590101.to_bytes(8) + len(message).to_bytes(8)
    return head + message + len(rest).to_bytes(8) + rest


def test_databases_are_listed_as_buckets_but_for_influxdb_s_own():
    (bucket,) = buckets(open_answer("it", answer()))
    assert bucket["bucketID"] == bucket["bucketName"] == "energy/autogen"
    (policy,) = bucket["retentionPolicies"]
    assert (policy["duration"], policy["shardGroupDuration"]) == (0, 86_400 * SECOND)
    before, after = policy["shardGroups"]
    assert before["startTime"] == "1969-12-31T00:00:00+00:00"
    assert before["endTime"] == "1970-01-01T00:00:00+00:00"
    assert before["shards"] == [{"id": 101}]
    assert "deletedAt" not in before
    assert after["deletedAt"] == "1970-01-01T00:00:07+00:00"


def test_users_have_their_rights():
    assert users(MESSAGE) == {"painter": {"energy": "READ"}}


@pytest.mark.parametrize("length", [0, 7, 16, 40, len(answer()) - 5, len(answer()) - 1])
def test_an_answer_that_is_cut_is_not_whole(length):
    with pytest.raises(BackupFault, match="an incomplete list"):
        open_answer("it", answer()[:length])


def test_an_answer_that_goes_on_is_not_whole():
    with pytest.raises(BackupFault, match="an incomplete list"):
        open_answer("it", answer() + b"x")


@pytest.mark.parametrize("length", [1, 3, 20, 100, len(MESSAGE) - 1])
def test_a_message_that_is_cut_is_damaged(length):
    with pytest.raises(BackupFault, match="list of databases is damaged"):
        buckets(MESSAGE[:length])


def test_a_long_message_is_packed_with_its_length():
    assert portable(b"x" * 300) == b"\x0a\xac\x02" + b"x" * 300 + b"\x10\x00"
