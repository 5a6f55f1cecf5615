"""Redis as an output: what stands under which key, and what is made of each error it answers."""

import pytest

from collector.contract import BadOption, Context
from collector.errors import LineAway, OutputAway, ReadingsRefused
from collector.lines.redis import RedisLine, Refusal
from collector.lines.serial import Lines
from collector.outputs.redis.output import Redis, RedisOptions
from collector.quantity import catalogue
from collector.reading import Reading, encode
from collector.secrets import Secret
from collector.sources.redis.source import Device
from collector.sources.redis.source import Redis as Source
from collector.sources.redis.source import RedisOptions as SourceOptions
from tests.fakes.loopback import Loopback, byte_by_byte
from tests.servers import redis_server

AT_MS = 1_768_480_200_000
KEY = "em:electricity:mains"
STREAM = f"{KEY}:history"
PASSWORD = "a-long-password"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server.running(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def client(server):
    server.client.flushall()
    return server.client


@pytest.fixture
def make(server, client, tmp_path):  # noqa: ARG001  an empty server
    made = []

    def output(url=server.line, word="", **options):
        context = Context("home", Lines(), tmp_path, tmp_path / "state", installation=word)
        made.append(Redis("cache", RedisOptions(type="redis", url=url, **options), context))
        return made[-1]

    yield output
    for each in made:
        each.close()


def lines(*seconds, device="mains", kind="electricity", **values):
    values = values or {"voltage": 230.1}
    return [encode(Reading(kind, device, AT_MS + 1000 * at, values)) for at in seconds]


def refused(output, batch):
    with pytest.raises(ReadingsRefused) as error:
        output.write(batch)
    return error.value.reasons


def away(output, batch):
    with pytest.raises(OutputAway) as error:
        output.write(batch)
    return str(error.value)


def times(client, key=STREAM):
    return [int(number.split(b"-")[0]) - AT_MS for number, _ in client.xrange(key)]


# Streams and the newest values


def test_the_newest_values_are_a_hash_and_the_history_is_a_stream(make, client):
    make(tags={"floor": "ground"}).write(
        [*lines(0, voltage=230.1, current=1e-05), *lines(1, voltage=400000.0)]
    )
    assert client.hgetall(KEY) == {
        b"voltage": b"400000.0",
        b"current": b"1e-05",
        b"time": str(AT_MS + 1000).encode(),
        b"site": b"home",
        b"floor": b"ground",
    }
    assert client.xrange(STREAM) == [
        (f"{AT_MS}-0".encode(), {b"voltage": b"230.1", b"current": b"1e-05"}),
        (f"{AT_MS + 1000}-0".encode(), {b"voltage": b"400000.0"}),
    ]


def test_devices_and_kinds_of_one_name_have_keys_of_their_own(make, client):
    make(prefix="house").write([*lines(0), *lines(0, device="shed"), *lines(0, kind="battery")])
    assert set(client.keys()) == {
        f"house:{name}{end}".encode()
        for name in ("electricity:mains", "electricity:shed", "battery:mains")
        for end in ("", ":history")
    }


def test_the_hash_never_goes_back_in_time(make, client):
    make().write(lines(10, voltage=231.0))
    refused(make(), lines(5, voltage=229.0))
    assert client.hget(KEY, "voltage") == b"231.0"
    make(keep=0).write(lines(4, voltage=228.0))
    assert client.hget(KEY, "voltage") == b"231.0"


def test_a_reading_that_is_too_late_is_set_aside_and_one_that_is_there_is_not(make, client):
    output = make()
    output.write(lines(1, 3))
    reasons = refused(output, [*lines(1), *lines(2), *lines(3, voltage=9.0), *lines(4)])
    assert reasons == {
        1: f"too late for the stream {STREAM}: it has newer ones, and takes none before them",
        2: f"the stream {STREAM} has another reading of that time",
    }
    assert times(client) == [1000, 3000, 4000]


def test_a_full_batch_of_many_quantities_that_is_there_already_is_not_set_aside(make, client):
    values = dict.fromkeys(list(catalogue())[:100], 230.1)
    batch = lines(*range(1_000), **values)
    make().write(batch)
    make().write(batch)
    assert client.xlen(STREAM) == 1_000


def test_each_device_is_asked_for_its_own_newest(make, client):
    make().write([*lines(100), *lines(1, device="shed")])
    make().write([*lines(100), *lines(1, 2, device="shed")])
    assert times(client) == [100_000]
    assert times(client, "em:electricity:shed:history") == [1000, 2000]


def test_a_stream_keeps_about_as_many_as_it_should(make, client):
    output = make(keep=1000)
    for first in range(0, 5000, 1000):
        output.write(lines(*range(first, first + 1000)))
    assert 1000 <= client.xlen(STREAM) < 1200


def test_a_stream_whose_entries_were_deleted_is_not_told_them_again(make, client):
    make().write(lines(1, 2))
    client.xtrim(STREAM, maxlen=0)
    assert set(refused(make(), lines(2))) == {0}
    make().write(lines(3))
    assert times(client) == [3000]


def test_one_that_someone_else_adds_to_is_asked_again(make, client):
    output = make()
    output.write(lines(1))
    client.xadd(STREAM, {"voltage": 1}, id=f"{AT_MS + 5000}-0")
    with pytest.raises(OutputAway) as error:
        output.write(lines(2, 6))
    assert error.value.retry_after_s == 0
    assert set(refused(output, lines(2, 6))) == {0}
    assert times(client) == [1000, 5000, 6000]


def test_how_it_takes_readings_goes_by_the_layout(make):
    assert (make().wants, make().resend) == ("all", "asks first")
    assert (make(keep=0).wants, make(keep=0).resend) == ("newest", "newest only")
    hmap = make(layout="hmap_time_series")
    assert (hmap.wants, hmap.resend) == ("all", "idempotent")


# What the server refuses


def test_a_server_that_is_full_stores_nothing_of_a_batch(make, client):
    output = make()
    output.write(lines(1))
    client.config_set("maxmemory", 1)
    try:
        said = away(output, lines(2, 3))
    finally:
        client.config_set("maxmemory", 0)
    assert "refuses: OOM" in said
    assert said.endswith("it is full: give it more memory, or keep less by 'keep'")
    output.write(lines(2, 3))
    assert times(client) == [1000, 2000, 3000]


def test_a_replica_and_a_key_of_another_program_are_named(make, client):
    client.replicaof("127.0.0.1", 1)
    try:
        assert "it is a replica: give the address of the primary" in away(make(), lines(1))
    finally:
        client.replicaof("NO", "ONE")
    client.set(STREAM, "x")
    assert "another program uses that key: give another 'prefix'" in away(make(), lines(1))
    client.delete(STREAM)
    client.rpush(KEY, "x")
    assert "another program uses that key" in away(make(), lines(1))


def test_a_login_that_is_wrong_or_may_too_little_is_a_credential(make, client, tmp_path):
    (tmp_path / "it").write_text("wrong-password")
    secret = Secret("it", tmp_path)
    client.acl_setuser("meter", enabled=True, passwords=[f"+{PASSWORD}"], keys="em:*",
                       commands=["+hget", "+select", "+xinfo"])  # fmt: skip
    try:
        output = make(user="meter", password=secret)
        assert "WRONGPASS" in (said := away(output, lines(1)))
        assert "mend the secret 'it', or 'user'" in said
        assert "wrong-password" not in said
        (tmp_path / "it").write_text(PASSWORD)
        said = away(output, lines(1))
        assert "NOPERM" in said
        assert "it needs rights as in docs/outputs.md" in said
        client.acl_setuser("meter", enabled=True, commands=[f"+{each}" for each in RIGHTS.split()])
        output.write(lines(1))
        assert times(client) == [1000]
        assert set(refused(make(user="meter", password=secret), lines(0))) == {0}
    finally:
        client.acl_deluser("meter")


RIGHTS = "select multi exec hget hset xadd xinfo xrange"


def test_a_server_without_a_login_where_it_wants_one_is_a_credential(make, tmp_path):
    with redis_server.running(tmp_path, password=PASSWORD) as other:
        said = away(make(url=other.line), lines(1))
    assert "NOAUTH" in said
    assert "it wants a login: give 'password'" in said


@pytest.mark.parametrize(
    "said",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MISCONF Redis is configured to save RDB snapshots, but it can't\r\n",
        b"-ERR max number of clients reached\r\n",
    ],
)
def test_whatever_else_it_refuses_is_not_now(make, said):
    with Loopback(said) as far:
        assert said[1:20].decode() in away(make(url=far.line), lines(1))


def test_a_database_that_there_is_not_is_named(make):
    assert "mend 'database'" in away(make(database=10_000), lines(1))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "redis://localhost"}, "url"),
        ({"url": "tcp://user@localhost:1"}, "url"),
        ({"keep": 999}, "keep"),
    ],
)
def test_options_that_cannot_be_are_named(make, options, named):
    with pytest.raises(BadOption) as error:
        make(**options)
    assert error.value.option == named


# Several commands at once


def test_each_command_has_its_answer_and_an_error_is_one_of_them(server, client):
    line = RedisLine(server.line)
    line.open("", "", 0)
    client.set("word", "x")
    answers = line.ask_all([("PING",), ("LPOP", "word"), ("GET", "word")])
    assert (answers[0], answers[2]) == (b"PONG", b"x")
    assert isinstance(answers[1], Refusal)
    assert answers[1].startswith("WRONGTYPE")
    line.close()


def test_an_end_in_the_middle_of_the_answers_ends_the_connection():
    class Half(Loopback):
        def serve(self, client):
            client.recv(1000)
            self.send(client, byte_by_byte(b"+OK\r\n:1\r"))

    with Half() as far:
        line = RedisLine(far.line)
        line.tcp.open()
        with pytest.raises(LineAway):
            line.ask_all([("MULTI",), ("EXEC",)])
        assert not line.is_open


# vemonitor's layout


def hmap(make, **options):
    return make(layout="hmap_time_series", prefix="vm", **options)


def test_rows_stand_where_vemonitor_puts_them(make, client):
    hmap(make).write([*lines(0, voltage=12.8, current=-1e-05), *lines(1, device="shed")])
    assert client.smembers("vm") == {b"vm_mains", b"vm_shed"}
    assert client.hgetall("vm_mains") == {
        str(AT_MS // 1000).encode(): b'{"voltage": 12.8, "current": -1e-05}'
    }
    assert set(client.hgetall("vemonitor_meta")) == {b"controled_by", b"version"}
    assert client.hget("vemonitor_meta", "controled_by") == b"vemonitor_m8"


def test_a_mark_of_vemonitor_s_own_stays(make, client):
    client.hset("vemonitor_meta", mapping={"controled_by": "vemonitor_m8", "version": "9.9"})
    hmap(make).write(lines(0))
    assert client.hget("vemonitor_meta", "version") == b"9.9"


def test_the_newest_3600_rows_stay_also_after_a_restart_and_beside_older_ones(make, client):
    client.hset("vm_mains", str(AT_MS // 1000 - 50), "{}")
    output = hmap(make)
    for first in range(0, 3000, 1000):
        output.write(lines(*range(first, first + 1000)))
    output = hmap(make)
    output.write(lines(*range(3000, 4000)))
    output.write(lines(-100))
    seconds = {int(each) - AT_MS // 1000 for each in client.hkeys("vm_mains")}
    assert seconds == set(range(400, 4000))


def test_the_end_of_its_newest_second_is_its_newest_time(make, client):
    output = hmap(make)
    assert output.newest_ms() == 0
    output.write([*lines(7), *lines(3, device="shed")])
    assert output.newest_ms() == AT_MS + 7_999
    client.hset("vm_mains", "name", "no second")
    assert output.newest_ms() == AT_MS + 7_999


def test_full_hashes_of_many_devices_are_asked_for_a_few_at_a_time(make, client):
    rows = {AT_MS // 1000 - second: b"{}" for second in range(3_600)}
    with client.pipeline() as pipeline:
        for number in range(45):
            pipeline.sadd("em", f"em_d{number}")
            pipeline.hset(f"em_d{number}", mapping=rows)
        pipeline.execute()
    output = make(layout="hmap_time_series")
    assert output.newest_ms() == AT_MS + 999
    output.write([line for number in range(45) for line in lines(1, device=f"d{number}")])
    assert client.hlen("em_d44") == 3_600


def test_what_it_writes_is_what_the_source_redis_reads(make, server, tmp_path):
    hmap(make).write(lines(0, 1, voltage=12.5))
    device = Device(key="vm", layout="series", quantities={"voltage": "voltage"})
    options = SourceOptions(type="redis", line=server.line, devices={"it": device})
    source = Source("cache", options, Context("home", Lines(), tmp_path, tmp_path / "read"))
    readings = source.read(AT_MS + 5_000, frozenset(["voltage"]))
    source.close()
    assert [(each.at_ms, dict(each.values)) for each in readings] == [
        (AT_MS, {"voltage": 12.5}),
        (AT_MS + 1000, {"voltage": 12.5}),
    ]
    assert [each.device for each in readings] == ["it.mains"] * 2


def test_a_prefix_belongs_to_one_installation_at_a_time(make, client):
    first, second = make(word="a" * 16), make(word="b" * 16)
    first.open()
    with pytest.raises(OutputAway, match=r"\(aaaaaaaaaaaaaaaa\) writes the keys em:…") as away:
        second.open()
    assert "give this house another 'prefix' or 'database'" in str(away.value)
    first.open()
    make(word="b" * 16, prefix="cabin").open()
    assert 0 < client.ttl("em:installation") <= 900
    client.delete("em:installation")  # as it is after that time
    second.open()
    with pytest.raises(OutputAway, match="bbbbbbbbbbbbbbbb"):
        first.open()


def test_who_writes_renews_his_word_and_finds_that_of_another(make, client):
    ours = make(word="a" * 16)
    ours.open()
    client.set("em:installation", "b" * 16)
    ours.write(lines(0, voltage=230))  # looked a moment ago
    ours.held_s -= 301
    with pytest.raises(OutputAway, match="bbbbbbbbbbbbbbbb"):
        ours.write(lines(0, voltage=230))
    client.delete("em:installation")
    ours.write(lines(0, voltage=230))
    assert client.get("em:installation") == b"a" * 16


def test_what_is_no_word_holds_no_prefix(make, client):
    client.hset("em:installation", mapping={"word": b"\xff"})
    make(word="b" * 16).open()


def test_a_login_that_may_not_look_is_let_through(make, client, tmp_path):
    secret = Secret("it", tmp_path)
    (tmp_path / "it").write_text(PASSWORD)
    client.acl_setuser("narrow", enabled=True, passwords=[f"+{PASSWORD}"], keys="em:*",
                       commands=["+select", "+hset"])  # fmt: skip
    try:
        make(word="b" * 16, user="narrow", password=secret).open()
    finally:
        client.acl_deluser("narrow")
    assert not client.exists("em:installation")


@pytest.mark.parametrize(
    "said",
    ["ERR unknown command `XINFO`, with args beginning with: `STREAM`, `em:a:b:history`, ",
     "ERR wrong number of arguments for 'hset' command"],
)  # fmt: skip
def test_a_server_that_is_too_old_is_told(make, said):
    assert "Redis 5 or newer is needed, or Valkey" in str(make().server.away(said))
