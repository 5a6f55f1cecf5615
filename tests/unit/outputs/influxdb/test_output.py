import json
import re
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption, Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.serial import Lines
from collector.outputs.influxdb.output import (
    FAILURES_BEFORE_SEARCH,
    Answer,
    InfluxDB,
    InfluxDBOptions,
    newest_in,
)
from collector.reading import Reading, encode
from collector.secrets import Secret
from tests.fakes.http_answers import Asked, HttpAnswers, Reply, serving
from tests.fakes.loopback import answering_once
from tests.fakes.running import wait_for

TOKEN = "w-secret-of-the-house=="


def batch_of(count, device="mains"):
    return [encode(Reading("electricity", device, 1000 + n, {"voltage": n})) for n in range(count)]


def output_to(url, folder: Path, **options) -> InfluxDB:
    (folder / "influxdb-token").write_text(TOKEN + "\n")
    token = Secret("influxdb-token", folder)
    known = {"type": "influxdb", "url": url, "org": "o", "bucket": "b", "token": token}
    context = Context("home", Lines(), folder, folder)
    return InfluxDB("history", InfluxDBOptions(**(known | options)), context)


class Database:
    """Takes lines as InfluxDB 2 does; *bad* are the positions of those at fault, *manner* how."""

    def __init__(self, batch, bad=(), manner="unparsable"):
        self.bad = {batch[position].replace(b" ", b",site=home ", 1) for position in bad}
        self.manner = getattr(self, manner)
        self.stored: set[bytes] = set()

    def __call__(self, asked: Asked) -> Reply:
        lines = asked.body.splitlines()
        bad = [line for line in lines if line in self.bad]
        if bad:
            reply: Reply = self.manner(lines, bad)
            return reply
        self.stored.update(lines)
        return Reply(204)

    def unparsable(self, _, bad):
        said = "\\n".join(f"unable to parse '{line.decode()}': missing field value" for line in bad)
        return Reply(400, f'{{"code":"invalid","message":"{said}"}}'.encode())

    def partial(self, lines, bad):
        self.stored.update(line for line in lines if line not in self.bad)
        said = "failure writing points to database: partial write: points beyond retention policy"
        return Reply(422, f'{{"code":"u","message":"{said} dropped={len(bad)}"}}'.encode())

    def failing(self, *_):
        return Reply(500, b'{"code":"internal error","message":"shard group 7 has no shards"}')


@pytest.fixture
def output(tmp_path):
    """An output and its server, which stores everything until it is told otherwise."""
    with serving(lambda _: Reply(204)) as server:
        output = output_to(server.url, tmp_path)
        yield output, server
        output.close()


def sent(server: HttpAnswers) -> list[bytes]:
    return [line for asked in server.asked for line in asked.body.splitlines()]


def test_lines_go_out_with_the_site_as_a_tag(output):
    influx, server = output
    influx.write([encode(Reading("electricity", "mains", 1763654400000, {"voltage": 230.1}))])
    asked = server.asked[0]
    assert asked.body == b"electricity,device=mains,site=home voltage=230.1 1763654400000"
    assert (asked.method, asked.path) == ("POST", "/api/v2/write")
    assert asked.fields == {"org": "o", "bucket": "b", "precision": "ms"}
    assert asked.headers["Authorization"] == f"Token {TOKEN}"
    assert not asked.packed


def test_tags_go_out_beside_the_site_and_only_the_site_is_asked_for(tmp_path):
    with serving(lambda _: Reply(204)) as server:
        (tmp_path / "read").write_text("r")
        secret = Secret("read", tmp_path)
        influx = output_to(server.url, tmp_path, tags={"floor": "ground"}, read_token=secret)
        influx.write([encode(Reading("electricity", "mains", 7, {"voltage": 230.1}))])
        influx.newest_ms()
        influx.close()
    line = b"electricity,device=mains,site=home,floor=ground voltage=230.1 7"
    assert server.asked[0].body == line
    # A tag that was added later must not make the points of before look lost.
    assert "WHERE \"site\" = 'home' AND time >" in server.asked[1].fields["q"]


def test_a_batch_goes_out_packed_in_one_request_over_one_connection(output):
    influx, server = output
    influx.write(batch_of(5000))
    influx.write(batch_of(2))
    assert [len(asked.body.splitlines()) for asked in server.asked] == [5000, 2]
    assert [asked.packed for asked in server.asked] == [True, False]
    assert len({asked.client for asked in server.asked}) == 1


def test_a_server_behind_a_path_is_reached_there(output, tmp_path):
    _, server = output
    influx = output_to(f"{server.url}/influx/", tmp_path)
    influx.write(batch_of(1))
    influx.close()
    assert server.asked[0].path == "/influx/api/v2/write"


def test_opening_needs_no_server_and_closing_may_be_done_twice(tmp_path):
    influx = output_to("http://127.0.0.1:1", tmp_path)
    influx.open()
    influx.close()
    influx.close()


def test_writing_goes_on_after_closing(output):
    influx, server = output
    influx.write(batch_of(1))
    influx.close()
    influx.write(batch_of(1))
    assert len(sent(server)) == 2


@pytest.mark.parametrize("manner", ["unparsable", "partial"])
@pytest.mark.parametrize("bad", [{0}, {313}, {999}, {3, 4, 5, 700}])
def test_only_the_bad_lines_are_refused_and_all_others_arrive(output, manner, bad):
    influx, server = output
    batch = batch_of(1000)
    database = server.answer = Database(batch, bad, manner)
    with pytest.raises(ReadingsRefused) as refused:
        influx.write(batch)
    assert set(refused.value.reasons) == bad
    assert list(refused.value.reasons) == sorted(bad)
    assert len(database.stored) == 1000 - len(bad)
    assert len(server.asked) < 100


def test_the_reason_is_the_servers_own_words_for_that_line(output):
    influx, server = output
    batch = batch_of(10)
    server.answer = Database(batch, {7})
    with pytest.raises(ReadingsRefused) as refused:
        influx.write(batch)
    assert "400" in refused.value.reasons[7]
    assert "voltage=7" in refused.value.reasons[7]
    assert "missing field value" in refused.value.reasons[7]


@pytest.mark.parametrize("manner", ["unparsable", "partial"])
def test_a_batch_that_is_bad_all_over_is_refused_by_one_request(output, manner):
    influx, server = output
    batch = batch_of(5000)
    server.answer = Database(batch, range(5000), manner)
    with pytest.raises(ReadingsRefused) as refused:
        influx.write(batch)
    assert len(refused.value.reasons) == 5000
    assert len(server.asked) == 1


def test_one_bad_device_among_twelve_is_found_in_few_requests(output):
    influx, server = output
    devices = [batch_of(400, f"meter-{n}") for n in range(12)]
    batch = [devices[n % 12][n // 12] for n in range(4800)]
    bad = set(range(7, 4800, 12))
    server.answer = Database(batch, bad, "partial")
    with pytest.raises(ReadingsRefused) as refused:
        influx.write(batch)
    assert set(refused.value.reasons) == bad
    assert len(server.asked) < 60


@pytest.mark.parametrize(
    "said",
    [
        b'{"code":"invalid","message":"Please provide either orgID or org"}',
        b"Client sent an HTTP request to an HTTPS server.\n",
    ],
)
def test_a_400_that_blames_the_request_refuses_no_reading(output, said):
    influx, server = output
    server.answer = lambda _: Reply(400, said)
    with pytest.raises(OutputAway, match=r"answered 400 .*are 'url' and 'org' right"):
        influx.write(batch_of(100))
    assert len(server.asked) == 1


def test_a_token_that_is_not_known_keeps_the_readings_until_it_is_mended(output, tmp_path):
    influx, server = output
    good = "Token mended"
    server.answer = lambda asked: Reply(204 if asked.headers["Authorization"] == good else 401)
    with pytest.raises(OutputAway, match=r"answered 401 .*'influxdb-token'"):
        influx.write(batch_of(3))
    (tmp_path / "influxdb-token").write_text("mended")
    influx.write(batch_of(3))


def test_a_token_without_the_right_to_write_keeps_the_readings(output):
    influx, server = output
    server.answer = lambda _: Reply(403, b'{"message":"insufficient permissions for write"}')
    with pytest.raises(OutputAway, match=r"insufficient permissions.*may not write to bucket 'b'"):
        influx.write(batch_of(3))


def test_a_bucket_that_is_not_there_keeps_the_readings(output):
    influx, server = output
    server.answer = lambda _: Reply(404, b'{"code":"not found","message":"bucket not found"}')
    with pytest.raises(OutputAway, match="answered 404 'bucket not found'; is 'url' right"):
        influx.write(batch_of(3))


def test_a_secret_that_is_missing_keeps_the_readings_until_it_is_there(output, tmp_path):
    influx, _ = output
    (tmp_path / "influxdb-token").unlink()
    with pytest.raises(OutputAway, match="'influxdb-token' is not found; looked in"):
        influx.write(batch_of(3))
    (tmp_path / "influxdb-token").write_text(TOKEN)
    influx.write(batch_of(3))


@pytest.mark.parametrize("token", ["", "one\ntwo", "tökén", "nul\0"])
def test_a_secret_that_can_be_no_token_is_never_shown(output, tmp_path, token):
    influx, server = output
    (tmp_path / "influxdb-token").write_text(token)
    with pytest.raises(OutputAway) as away:
        influx.write(batch_of(3))
    assert str(away.value).startswith("secret 'influxdb-token' is empty or not one line")
    assert server.asked == []


def test_a_server_that_echoes_the_token_does_not_bring_it_into_a_message(output, caplog):
    influx, server = output
    caplog.set_level("DEBUG")
    server.answer = lambda asked: Reply(500, f"headers were {asked.headers}".encode())
    with pytest.raises(OutputAway, match="headers were") as away:
        influx.write(batch_of(3))
    assert TOKEN not in str(away.value)
    assert TOKEN not in caplog.text
    assert TOKEN not in str(server.asked[0].fields)


def test_a_batch_that_is_too_large_is_sent_in_smaller_parts(output):
    influx, server = output
    stored = []

    def small_only(asked):
        lines = asked.body.splitlines()
        if len(lines) > 300:
            return Reply(413)
        stored.extend(lines)
        return Reply(204)

    server.answer = small_only
    influx.write(batch_of(1000))
    assert len(stored) == len(set(stored)) == 1000


def test_a_single_reading_that_is_too_large_is_refused(output):
    influx, server = output
    batch = batch_of(8)
    large = Reading("electricity", "mains", 5, {f"field_{n}": n for n in range(500)})
    batch[2] = encode(large)
    server.answer = lambda asked: Reply(413 if len(asked.body) > 1000 else 204)
    with pytest.raises(ReadingsRefused) as refused:
        influx.write(batch)
    assert refused.value.reasons == {2: "413 ''"}


def test_an_answer_that_comes_before_all_is_heard_still_counts(tmp_path):
    with answering_once(b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone") as url:
        influx = output_to(url, tmp_path)
        noise = [encode(Reading("e", f"d{hash((n, 'x')):x}", n, {"v": n})) for n in range(5000)]
        with pytest.raises(OutputAway, match="answered 404 'none'"):
            influx.write(noise)
        influx.close()


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, 507])
def test_a_server_in_trouble_keeps_the_readings(output, status):
    influx, server = output
    server.answer = lambda _: Reply(status, b"busy")
    with pytest.raises(OutputAway, match=f"answered {status} 'busy'") as away:
        influx.write(batch_of(100))
    assert away.value.retry_after_s is None
    assert len(server.asked) == 1


def test_a_page_instead_of_an_answer_stores_nothing(output):
    influx, server = output
    server.answer = lambda _: Reply(200, b"<html>Welcome to the hotel</html>")
    with pytest.raises(OutputAway, match="answered 200 '<html>Welcome"):
        influx.write(batch_of(3))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"Retry-After": "86400"}, 86400),
        (
            {
                "Date": "Fri, 20 Nov 2026 16:00:00 GMT",
                "Retry-After": "Fri, 20 Nov 2026 16:01:30 GMT",
            },
            90,
        ),
        (
            {
                "Date": "Fri, 20 Nov 2026 16:00:00 GMT",
                "Retry-After": "Fri, 20 Nov 2026 15:00:00 GMT",
            },
            0,
        ),
        ({"Retry-After": "Fri, 20 Nov 2026 16:01:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 5000}, 9_999_999_999),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_servers_wish_for_a_pause_is_passed_on(output, status, headers, seconds):
    influx, server = output
    server.answer = lambda _: Reply(status, headers=headers)
    with pytest.raises(OutputAway) as away:
        influx.write(batch_of(1))
    assert away.value.retry_after_s == seconds


def test_a_reading_that_the_server_fails_on_is_found_after_the_fifth_failure(output):
    influx, server = output
    batch = batch_of(100)
    database = server.answer = Database(batch, {42}, "failing")
    for _ in range(FAILURES_BEFORE_SEARCH - 1):
        with pytest.raises(OutputAway):
            influx.write(batch)
    assert database.stored == set()
    with pytest.raises(ReadingsRefused) as refused:
        influx.write(batch)
    assert list(refused.value.reasons) == [42]
    assert "no shards" in refused.value.reasons[42]
    assert len(database.stored) == 99


def test_a_server_that_fails_on_everything_never_makes_a_reading_refused(output):
    influx, server = output
    server.answer = lambda _: Reply(500, b"disk full")
    for _ in range(20):
        with pytest.raises(OutputAway, match="disk full"):
            influx.write(batch_of(100))
    assert len(server.asked) < 20 * 10


def test_nobody_listening_keeps_the_readings(tmp_path):
    with serving(lambda _: Reply(204)) as server:
        port = server.port
    influx = output_to(server.url, tmp_path)
    with pytest.raises(
        OutputAway, match=f"InfluxDB at {server.url} cannot be reached: Connection refused"
    ) as away:
        influx.write(batch_of(3))
    assert "urllib3" not in str(away.value)
    with serving(lambda _: Reply(204), port) as server:
        influx.write(batch_of(3))
        assert len(sent(server)) == 3
    influx.close()


def test_a_name_that_is_not_found_keeps_the_readings(tmp_path):
    influx = output_to("http://no-such-host.invalid:8086", tmp_path)
    with pytest.raises(
        OutputAway, match=re.escape("http://no-such-host.invalid:8086 cannot be reached: ")
    ):
        influx.write(batch_of(3))


@pytest.mark.parametrize("cut_after", [0, 5, 20, 60])
def test_an_answer_that_is_cut_is_no_answer_and_the_next_write_connects_anew(output, cut_after):
    influx, server = output
    server.answer = lambda _: Reply(200, b"x" * 100, cut_after=cut_after)
    with pytest.raises(OutputAway):
        influx.write(batch_of(3))
    server.answer = lambda _: Reply(204)
    influx.write(batch_of(3))
    assert len(sent(server)) == 6


def test_a_server_that_hung_up_meanwhile_may_have_restarted_and_is_asked_first(output):
    influx, server = output
    whole = len(Reply(204).packed())
    server.answer = lambda _: Reply(204, cut_after=whole)
    for _ in range(3):
        influx.write(batch_of(1))
        assert wait_for(lambda: influx.server.idle[0].has_ended, "the server has hung up")
        with pytest.raises(OutputAway, match="closed by the server: it may have restart") as away:
            influx.write(batch_of(1))
        assert away.value.retry_after_s == 0
    assert len({asked.client for asked in server.asked}) == len(server.asked) == 3


def test_a_server_that_says_that_it_hangs_up_has_not_restarted(output):
    influx, server = output
    server.answer = lambda _: Reply(204, headers={"Connection": "close"})
    for _ in range(3):
        influx.write(batch_of(1))
    assert len({asked.client for asked in server.asked}) == 3


def limit(monkeypatch, influx, **limits):
    monkeypatch.setattr(influx.server, "limits", replace(influx.server.limits, **limits))


def test_a_server_that_never_answers_is_given_up(output, monkeypatch):
    influx, server = output
    limit(monkeypatch, influx, wait_s=0.2)
    server.answer = lambda _: Reply(204, pause_s=60)
    with pytest.raises(OutputAway, match="timed out"):
        influx.write(batch_of(3))


def test_a_server_that_only_drips_is_given_up(output, monkeypatch):
    influx, server = output
    limit(monkeypatch, influx, answer_s=0.5)
    server.answer = lambda _: Reply(200, b"x" * 10_000, pause_s=0.02)
    with pytest.raises(OutputAway, match=" no complete answer within"):
        influx.write(batch_of(3))


def test_an_answer_without_end_is_read_only_so_far(output, monkeypatch):
    influx, server = output
    limit(monkeypatch, influx, most_bytes=1000)
    server.answer = lambda _: Reply(500, b"x" * 10_000_000)
    with pytest.raises(OutputAway) as away:
        influx.write(batch_of(3))
    assert len(str(away.value)) < 500
    server.answer = lambda _: Reply(204)
    influx.write(batch_of(3))


def test_a_certificate_is_trusted_only_when_somebody_vouches_for_it(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
    command += f"-addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(lambda _: Reply(204), tls=context) as server:
        influx = output_to(server.url.replace("127.0.0.1", "localhost"), tmp_path)
        with pytest.raises(OutputAway, match="certificate verify failed"):
            influx.write(batch_of(3))
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        influx.write(batch_of(3))
        influx.write(batch_of(3))
        influx.close()
    assert len({asked.client for asked in server.asked}) == 1


def found(*rows) -> bytes:
    series = ",".join(f'{{"columns":["time","v"],"values":[[{at},1.5]]}}' for at in rows)
    return f'{{"results":[{{"statement_id":0,"series":[{series}]}}]}}'.encode()


NOTHING = b'{"results":[{"statement_id":0}]}'


@pytest.fixture
def reader(tmp_path):
    with serving(lambda _: Reply(200, NOTHING)) as server:
        (tmp_path / "read").write_text("r")
        influx = output_to(server.url, tmp_path, read_token=Secret("read", tmp_path))
        yield influx, server
        influx.close()


def test_the_newest_time_is_that_of_the_newest_measurement(reader):
    influx, server = reader
    server.answer = lambda _: Reply(200, found(1000, 3000, 2000))
    assert influx.newest_ms() == 3000
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/query")
    assert asked.fields["db"] == "b"
    assert "rp" not in asked.fields
    assert "\"site\" = 'home' AND time" in asked.fields["q"]
    assert asked.headers["Authorization"] == "Token r"


def test_a_bucket_named_like_database_and_policy_is_asked_as_such(tmp_path):
    with serving(lambda _: Reply(200, found(1000))) as server:
        (tmp_path / "read").write_text("user:password")
        secret = Secret("read", tmp_path)
        influx = output_to(server.url, tmp_path, bucket="energy/autogen", read_token=secret)
        assert influx.newest_ms() == 1000
        influx.close()
    assert (server.asked[0].fields["db"], server.asked[0].fields["rp"]) == ("energy", "autogen")


def test_only_a_database_that_lacks_the_last_hour_is_asked_for_a_month(reader):
    influx, server = reader
    server.answer = lambda asked: Reply(
        200, NOTHING if "now() - 1h" in asked.fields["q"] else found(5000)
    )
    assert influx.newest_ms() == 5000
    assert len(server.asked) == 2


def test_a_database_without_any_reading_of_the_site_says_so(reader):
    influx, _ = reader
    assert influx.newest_ms() == 0


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401, b'{"code":"unauthorized","message":"Unauthorized"}'),
        Reply(200, b'{"results":[{"statement_id":0,"error":"database not found: b"}]}'),
        Reply(200, b'{"results":[{"name":"databases","columns":["name"],"values":[]}]}'),
        Reply(200, b'{"results":[]}'),
        Reply(200, b"[]"),
        Reply(200, b"<html>"),
        Reply(200, found('"then"')),
        Reply(503, NOTHING),
        Reply(200, NOTHING, cut_after=50),
    ],
)
def test_an_answer_that_says_nothing_of_readings_is_not_taken_for_an_empty_database(reader, reply):
    influx, server = reader
    server.answer = lambda _: reply
    assert influx.newest_ms() is None


def test_nobody_is_asked_for_the_newest_without_a_read_token(output):
    influx, server = output
    assert influx.newest_ms() is None
    assert server.asked == []


def test_a_read_secret_that_is_missing_is_no_reason_to_stop(reader, tmp_path):
    influx, _ = reader
    (tmp_path / "read").unlink()
    assert influx.newest_ms() is None


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8086",
        "http://",
        "ftp://house",
        "http://house:99999",
        "http://house/?db=1",
        "http://user:hidden@house",
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_not_accepted(tmp_path, url):
    with pytest.raises(BadOption, match="expected an address such as http://") as bad:
        output_to(url, tmp_path)
    assert bad.value.option == "url"
    assert "hidden" not in str(bad.value)


def test_an_address_in_ipv6_is_reached(tmp_path):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        influx = output_to(f"http://[::1]:{listener.getsockname()[1]}", tmp_path)

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(Reply(204).packed())

        thread = threading.Thread(target=answer)
        thread.start()
        influx.write(batch_of(1))
        thread.join()
        influx.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
TIMES = st.builds(
    lambda at: {"results": [{"statement_id": 0, "series": [{"values": [[at]]}]}]}, JSON
)


@given(st.integers(), st.text() | st.one_of(JSON, TIMES).map(json.dumps))
def test_any_answer_is_understood_or_not_and_never_a_bug(status, said):
    answer = Answer(status, said)
    assert newest_in(Answer(200, said)) is None or isinstance(newest_in(Answer(200, said)), int)
    assert answer.blamed >= 0
    assert isinstance(answer.blames_lines, bool)


@pytest.mark.parametrize(
    ("number", "blamed"), [("3", 3), ("9" * 5000, 0), ("-5", 0), ("0x10", 0), ("1e400", 0)]
)
def test_only_a_plain_number_says_how_many_lines_are_at_fault(number, blamed):
    assert Answer(400, f"partial write: dropped={number}").blamed == blamed


def test_a_time_that_is_no_number_is_none():
    said = '{"results": [{"statement_id": 0, "series": [{"values": [[1e400]]}]}]}'
    assert newest_in(Answer(200, said)) is None
