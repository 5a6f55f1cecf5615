"""What no real InfluxDB does on demand: answers that are cut, late, or end in a complaint."""

from datetime import UTC, datetime

import pytest

from backup.influxdb.archive import tar
from backup.influxdb.influxdb_1 import Server1
from backup.influxdb.influxdb_2 import Gone, Hints, Server
from collector.errors import BackupFault
from tests.fakes.http_answers import Reply, serving

COMPLAINT = b'{"code":"internal error","message":"disk on fire"}'
COUNTED = b",result,table,_time,_value\r\n,_result,0,2026-01-01T00:00:00Z,1234\r\n"
SPAN = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
WHOLE = b"".join(tar([("000000001-000000001.tsm", 3000, [bytes(3000)])]))
METRICS = b"""# TYPE storage_shard_write_count counter
storage_shard_write_count{bucket="b",engine="tsm1",id="7",path="/x",walPath="/y"} 12
storage_shard_write_sum{bucket="b",engine="tsm1",id="7",path="/x",walPath="/y"} 1e+06
storage_tsm_files_total{bucket="b",engine="tsm1",id="7",path="/x",walPath="/y"} 3
storage_tsm_files_disk_bytes{bucket="b",engine="tsm1",id="7",path="/x",walPath="/y"} 4
storage_cache_inuse_bytes{bucket="b",engine="tsm1",id="7",path="/x",walPath="/y"} 9
"""


def answering(reply):
    return serving(lambda asked: reply(asked) if callable(reply) else reply)


def read(url):
    return [(name, b"".join(chunks)) for name, _, chunks in Server(url, "t").shard(7)]


def test_a_shard_is_asked_for_uncompressed_with_the_token_in_a_header_only():
    with answering(Reply(200, WHOLE)) as far:
        assert read(far.url) == [("000000001-000000001.tsm", bytes(3000))]
    (asked,) = far.asked
    assert asked.path == "/api/v2/backup/shards/7"
    assert asked.fields == {}
    assert asked.headers["Authorization"] == "Token t"
    assert asked.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("at", [0, 512, 1000, len(WHOLE) - 1024, len(WHOLE) - 512, len(WHOLE)])
def test_an_error_appended_to_an_answer_of_200_is_found_and_told(at):
    with (
        answering(Reply(200, WHOLE[:at] + COMPLAINT)) as far,
        pytest.raises(BackupFault, match=r"shards/7.*InfluxDB says 'disk on fire'"),
    ):
        read(far.url)


@pytest.mark.parametrize("kept", [100, 700, 3000])
def test_an_answer_that_is_cut_is_no_backup(kept):
    with answering(Reply(200, WHOLE, cut_after=kept)) as far, pytest.raises(BackupFault):
        read(far.url)


def test_a_server_that_is_away_is_named():
    with answering(Reply(204)) as far:
        url = far.url
    with pytest.raises(BackupFault, match=f"InfluxDB at {url} does not answer"):
        Server(url, "t").version()


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (404, b'{"code":"not found","message":"shard 7 not found"}', Gone, "shard 7 not found"),
        (401, b'{"message":"unauthorized access"}', BackupFault, "operator token"),
        (500, b"<html>proxy</html>", BackupFault, "answers 500 '<html>proxy</html>'"),
        (302, b"", BackupFault, "answers 302"),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_server(status, body, kind, told):
    with answering(Reply(status, body)) as far, pytest.raises(kind, match=told):
        read(far.url)


@pytest.mark.parametrize("body", [b'{"version":"3.1.0"}', b"{}", b"[]", b"<html>"])
def test_what_is_no_influxdb_2_is_refused(body):
    with answering(Reply(200, body)) as far, pytest.raises(BackupFault):
        Server(far.url, "t").version()


def test_hints_are_read_from_the_metrics():
    def reply(asked):
        return Reply(200, b'{"started":"now"}' if asked.path == "/ready" else METRICS)

    with answering(reply) as far:
        assert Server(far.url, "t").hints() == Hints("now", {"7": [12.0, 1e6, 3.0, 4.0]})


def test_a_server_without_metrics_gives_no_hints():
    def reply(asked):
        return Reply(200, b'{"started":"now"}') if asked.path == "/ready" else Reply(404)

    with answering(reply) as far:
        assert Server(far.url, "t").hints() is None


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"<html>",
        b"error,reference\r\nfailed to read,897\r\n",
        COUNTED + b"\r\nerror,reference\r\nfailed to read,897\r\n",
        COUNTED + COMPLAINT,
        COUNTED[:-4] + b"x\r\n",
    ],
)
def test_counts_that_are_none_are_a_fault(body):
    with answering(Reply(200, body)) as far, pytest.raises(BackupFault, match="no counts of buck"):
        Server(far.url, "t").counts("id", "org", *SPAN)


def test_counts_are_summed_by_day():
    more = b",_result,1,2026-01-02T00:00:00Z,4\r\n,_result,2,2026-01-02T06:00:00Z,1\r\n\r\n"
    with answering(Reply(200, COUNTED + more)) as far:
        found = Server(far.url, "t").counts("id", "org", *SPAN)
    assert found == {"2026-01-01": 1234, "2026-01-02": 5}
    with answering(Reply(200, b"\r\n")) as far:
        assert Server(far.url, "t").counts("id", "org", *SPAN) == {}


@pytest.mark.parametrize(
    "body", [b'{"results":[{"error":"timeout"}]}', b'{"results":[]}', b"{}", b'{"results":[{}]}{']
)
def test_counts_of_influxdb_1_that_are_none_are_a_fault(body):
    with answering(Reply(200, body)) as far, pytest.raises(BackupFault):
        Server1(far.url, "a:b").counts("energy/autogen", "", *SPAN)
