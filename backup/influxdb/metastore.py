"""What InfluxDB 1 knows of its databases: an answer of its backup port, with a message in it.

    59590101 (8) · length (8) · message · length (8) · JSON of no use here

The message is one of Protocol Buffers, influxdb 1.8.10: services/meta/internal/meta.proto. A
bucket here is a database and one of its retention policies, as InfluxDB 2 names it: energy/autogen.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from backup.influxdb.buckets import Buckets
from backup.influxdb.tsm import uvarint
from collector.errors import BackupFault

MAGIC = 0x59590101
DATABASES, USERS = 5, 6
OWN = "_internal"  # figures of its own, for a week: ten times those of a house, and no loss
RIGHTS = {1: "READ", 2: "WRITE", 3: "ALL"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Message = dict[int, list[Any]]


def open_answer(name: str, answer: bytes) -> bytes:
    """Return the message of an answer. Raise BackupFault where it is not whole."""
    length = int.from_bytes(answer[8:16])
    message, rest = answer[16 : 16 + length], answer[16 + length :]
    whole = len(rest) >= 8 and len(rest) == 8 + int.from_bytes(rest[:8])  # noqa: PLR2004
    if int.from_bytes(answer[:8]) != MAGIC or not whole:
        raise BackupFault(f"{name} sent an incomplete list of its databases")
    buckets(message)
    return message


def buckets(message: bytes) -> Buckets:
    """Return what there is, in the form of InfluxDB 2. Raise BackupFault.

    As in that form, durations are in ns, and a policy that keeps everything has 0.
    """
    try:
        return [
            bucket(text(database[1]), read(policy))
            for database in map(read, read(message).get(DATABASES, []))
            for policy in database.get(3, [])
            if text(database[1]) != OWN
        ]
    except (LookupError, ValueError, OverflowError) as error:
        raise BackupFault(f"InfluxDB's list of databases is damaged: {error}") from error


def bucket(database: str, policy: Message) -> dict[str, Any]:
    name = f"{database}/{text(policy[1])}"
    entry = {
        "name": text(policy[1]),
        "duration": policy[2][0],
        "shardGroupDuration": policy[3][0],
        "shardGroups": [group(read(each)) for each in policy.get(5, [])],
    }
    return {
        "organizationName": "",
        "bucketID": name,
        "bucketName": name,
        "retentionPolicies": [entry],
    }


def group(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": message[1][0],
        "startTime": moment(message[2][0]),
        "endTime": moment(message[3][0]),
        "shards": [{"id": read(each)[1][0]} for each in message.get(5, [])],
    }
    return found | ({"deletedAt": moment(message[4][0])} if message[4][0] else {})


def users(message: bytes) -> dict[str, dict[str, str]]:
    """Return the rights of each user by database: READ, WRITE or ALL."""
    found: dict[str, dict[str, str]] = {}
    for user in map(read, read(message).get(USERS, [])):
        rights = ((text(each[1]), RIGHTS.get(each[2][0])) for each in map(read, user.get(4, [])))
        found[text(user[1])] = {database: right for database, right in rights if right}
    return found


def portable(message: bytes) -> bytes:
    """Put the message into the one that ``influxd backup -portable`` makes a file of."""
    length, left = [], len(message)
    while left > 0x7F:  # noqa: PLR2004  seven bits a byte, and one that more follow
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([0x0A, *length, left]) + message + bytes([0x10, 0])


def moment(nanoseconds: int) -> str:
    """Return a time that is given as a signed number of 64 bits, ISO 8601 in UTC."""
    if nanoseconds >= 1 << 63:
        nanoseconds -= 1 << 64
    return (EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()


def text(values: list[Any]) -> str:
    return str(values[0], "utf-8")


def read(message: bytes) -> Message:
    """Return the values of each field of a message, in order: numbers, or bytes.

    Of the forms of Protocol Buffers these two are all that InfluxDB uses here. Raise LookupError,
    ValueError.
    """
    found: Message = {}
    at = 0
    while at < len(message):
        tag, at = uvarint(message, at)
        number, at = uvarint(message, at)
        if tag & 7 == 2:  # noqa: PLR2004  bytes, and the number is their length
            found.setdefault(tag >> 3, []).append(message[at : at + number])
            at += number
        elif tag & 7:
            raise ValueError(f"a field has form {tag & 7}")
        else:
            found.setdefault(tag >> 3, []).append(number)
    if at != len(message):
        raise ValueError("it ends in the middle")
    return found
