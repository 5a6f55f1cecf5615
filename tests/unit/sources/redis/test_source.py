"""Redis: rows that others write, each read once, at its own time, from a real server."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import BadOption, Context, ReadGroup
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway, SecretMissing
from collector.journal.reader import read_all
from collector.lines import redis
from collector.lines.redis import RedisLine, encode
from collector.lines.serial import Lines
from collector.reading import LATEST_MS, Reading
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.secrets import Secret
from collector.sources.redis import rows as redis_rows
from collector.sources.redis import source as source_module
from collector.sources.redis.rows import Progress, entries, of_stream, pack, unpack
from collector.sources.redis.source import Device, Redis, RedisOptions
from tests.fakes.loopback import Loopback, byte_by_byte
from tests.fakes.running import collector, configure, energy_monitor, wait_for_reads
from tests.servers import redis_server

AT_MS = 1_768_480_200_000
AT = AT_MS // 1000
BATTERY = {"battery_voltage": "V", "state_of_charge": "SOC"}
SERIES = Device(key="vm", layout="series", kind="battery", quantities=BATTERY)
STREAM = Device(key="s", layout="stream", quantities={"active_power": "p", "voltage": "u"})
HASH = Device(key="h", layout="hash", quantities={"active_power": "p", "voltage": "j.u"})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server.running(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def client(server):
    server.client.flushall()
    return server.client


def source_at(line, folder, devices=None, **options):
    devices = {"bank": SERIES} if devices is None else devices
    made = RedisOptions(type="redis", line=line, devices=devices, **options)
    return Redis("cache", made, Context("home", Lines(), folder, folder / "state"))


@pytest.fixture
def opened(server, tmp_path):
    """Make sources that are connected, and close them."""
    made = []

    def make(**options):
        source = source_at(server.line, tmp_path, **options)
        made.append(source)
        source.open()
        return source

    yield make
    for each in made:
        each.close()


def look(source, at_ms=AT_MS):
    return source.read(at_ms, frozenset(source.quantities))


def read(source, at_ms=AT_MS):
    """Read as the collector does, which then journals what it has got."""
    readings = look(source, at_ms)
    source.journalled()
    return readings


def add(client, node, *rows, key="vm"):
    """Write rows as vemonitor's HmapTimeSeries does: time in s, and what is in the row."""
    client.sadd(key, f"{key}_{node}")
    for at, values in rows:
        text = values if isinstance(values, str | bytes) else json.dumps(values)
        client.hset(f"{key}_{node}", str(at), text)


# Series of rows in hashes


def test_the_rows_of_every_node_are_read_at_their_own_times(client, opened):
    add(client, "bmv", (AT - 2, {"V": 12.8, "SOC": 98.5, "PID": "0x203"}), (AT - 1, {"V": 12.9}))
    add(client, "other", (AT - 1, {"V": 24.1}))
    assert read(opened()) == [
        Reading(
            "battery", "bank.bmv", AT_MS - 2000, {"battery_voltage": 12.8, "state_of_charge": 98.5}
        ),
        Reading("battery", "bank.bmv", AT_MS - 1000, {"battery_voltage": 12.9}),
        Reading("battery", "bank.other", AT_MS - 1000, {"battery_voltage": 24.1}),
    ]


def test_a_row_is_read_once_however_late_it_comes(client, opened):
    source = opened()
    add(client, "bmv", (AT - 5, {"V": 1}), (AT - 3, {"V": 3}))
    assert len(read(source)) == 2
    assert read(source) == []
    add(client, "bmv", (AT - 1, {"V": 5}), (AT - 4, {"V": 2}), (AT - 9000, {"V": 0.5}))
    assert [each.values["battery_voltage"] for each in read(source)] == [0.5, 2, 5]
    assert read(source) == []


def test_one_hash_may_be_named_by_itself_with_times_in_milliseconds(client, opened):
    client.hset("inputs", mapping={str(AT_MS - 500): '{"V": 12}', "note": "x", "12": "{}"})
    device = Device(key="inputs", layout="series", kind="battery", quantities=BATTERY)
    source = opened(devices={"bmv": device})
    assert read(source) == [Reading("battery", "bmv", AT_MS - 500, {"battery_voltage": 12})]


def test_units_are_those_of_the_catalogue(client, opened):
    add(client, "bmv", (AT, {"V": 12800}))
    device = Device(key="vm", layout="series", quantities=BATTERY, units={"battery_voltage": "mV"})
    assert read(opened(devices={"bank": device}))[0].values == {"battery_voltage": 12.8}


def test_what_was_trimmed_is_forgotten_and_a_backlog_takes_several_reads(
    client, opened, monkeypatch
):
    monkeypatch.setattr(source_module, "MOST_NEW", 3)
    monkeypatch.setattr(source_module, "AT_ONCE", 2)
    source = opened()
    add(client, "bmv", *((AT + second, {"V": second}) for second in range(7)))
    found = [[each.values["battery_voltage"] for each in read(source)] for _ in range(4)]
    assert found == [[0, 1, 2], [3, 4, 5], [6], []]
    client.hdel("vm_bmv", *(str(AT + second) for second in range(5)))
    read(source)
    read(source)
    assert source.kept.seen["vm_bmv"] == {AT + 5, AT + 6}


@pytest.mark.parametrize(
    "garbage",
    [
        *("", "{", "null", "[1, 2]", '"V"', '{"V": null}', '{"V": "---"}', '{"V": NaN}'),
        *('{"V": true}', b"\xff\xfe\x00", "[" * 50_000, '{"V": 1' + "0" * 400 + "}"),
    ],
)
def test_garbage_in_a_row_costs_that_row(client, opened, garbage):
    source = opened()
    add(client, "bmv", (AT - 2, garbage), (AT - 1, {"V": 12.9}))
    assert [each.at_ms for each in read(source)] == [AT_MS - 1000]
    assert read(source) == []


def test_a_value_that_is_too_long_is_passed_over(client, opened):
    source = opened()
    add(client, "bmv", (AT - 2, b" " * 30_000_000 + b'{"V": 1}'), (AT - 1, {"V": 12.9}))
    assert [each.at_ms for each in read(source)] == [AT_MS - 1000]
    assert source.redis.is_open


@pytest.mark.parametrize("at", [AT + 90_000, 900_000_000, 9_999_999_999])
def test_a_row_of_a_time_that_cannot_be_is_left_out_and_told_once(client, opened, caplog, at):
    source = opened()
    add(client, "bmv", (at, {"V": 1}), (at + 1, {"V": 1}))
    assert read(source) == []
    add(client, "bmv", (at + 2, {"V": 1}), (AT, {"V": 2}))
    assert len(read(source)) == 1
    assert sum("times that cannot be" in each for each in caplog.messages) == 1


def test_while_our_own_clock_is_not_right_rows_keep_their_times(client, opened):
    add(client, "bmv", (AT, {"V": 1}))
    assert read(opened(), at_ms=60_000)[0].at_ms == AT_MS


def test_too_many_rows_or_nodes_are_refused(client, opened, monkeypatch):
    monkeypatch.setattr(source_module, "MOST_ROWS", 2)
    add(client, "bmv", *((AT + each, {"V": 1}) for each in range(3)))
    with pytest.raises(DeviceRefused, match="'vm_bmv' has 3 rows; at most 2"):
        read(opened())
    monkeypatch.setattr(source_module, "MOST_MEMBERS", 1)
    add(client, "other", (AT, {"V": 1}))
    with pytest.raises(DeviceRefused, match="'vm' has 2 members; at most 1"):
        read(opened())


# Streams and plain hashes


def test_the_rows_of_a_stream_are_read_once_in_their_order(client, opened):
    source = opened(devices={"mains": STREAM})
    client.xadd("s", {"p": "55.5", "u": "230", "note": "x"}, id=f"{AT_MS - 20}-0")
    client.xadd("s", {"p": "nan", "u": "?"}, id=f"{AT_MS - 10}-0")
    client.xadd("s", {"p": "-3"}, id=f"{AT_MS - 10}-1")
    assert read(source) == [
        Reading("electricity", "mains", AT_MS - 20, {"active_power": 55.5, "voltage": 230}),
        Reading("electricity", "mains", AT_MS - 10, {"active_power": -3}),
    ]
    assert read(source) == []
    client.xadd("s", {"p": "4"}, id=f"{AT_MS}-0")
    assert [each.at_ms for each in read(source)] == [AT_MS]


def test_a_long_stream_takes_several_reads(client, opened, monkeypatch):
    monkeypatch.setattr(source_module, "MOST_NEW", 4)
    monkeypatch.setattr(source_module, "AT_ONCE", 2)
    source = opened(devices={"mains": STREAM})
    for number in range(6):
        client.xadd("s", {"p": number}, id=f"{AT_MS + number}-0")
    assert [len(read(source)) for _ in range(3)] == [4, 2, 0]


def test_a_hash_is_read_as_it_stands_at_the_time_of_the_slot(client, opened):
    source = opened(devices={"mains": HASH})
    client.hset("h", mapping={"p": "55.5", "j": '{"u": 230}', "huge": b"x" * 20_000_000})
    assert read(source) == [
        Reading("electricity", "mains", AT_MS, {"active_power": 55.5, "voltage": 230})
    ]
    client.hset("h", "p", "off")
    assert read(source, AT_MS + 1000)[0].values == {"voltage": 230}


def test_a_key_that_is_not_there_yet_is_told_once(client, opened, caplog):
    source = opened()
    assert [read(source) for _ in range(3)] == [[], [], []]
    assert caplog.messages == ["cache: bank: there is no key 'vm' in the server yet"]
    add(client, "bmv", (AT, {"V": 1}))
    assert len(read(source)) == 1


def test_a_key_of_another_layout_stops_only_its_device(client, opened, caplog):
    client.rpush("s", "x")
    add(client, "bmv", (AT, {"V": 1}))
    source = opened(devices={"mains": STREAM, "bank": SERIES})
    assert len(read(source)) == 1
    assert read(source) == []
    assert caplog.messages == ["cache: mains: the key 's' is a list: mend 'layout'"]
    with pytest.raises(DeviceRefused, match="mend 'layout'"):
        read(opened(devices={"mains": STREAM}))


# What was read


def test_after_a_restart_nothing_is_read_twice_but_what_may_not_have_been_kept(
    server, client, tmp_path
):
    add(client, "bmv", (AT, {"V": 1}))
    client.xadd("s", {"p": "1"}, id=f"{AT_MS}-0")
    devices = {"bank": SERIES, "mains": STREAM}
    first = source_at(server.line, tmp_path, devices)
    first.open()
    assert len(read(first)) == 2
    assert look(first) == []
    add(client, "bmv", (AT + 1, {"V": 2}))
    assert len(look(first)) == 1
    first.close()
    second = source_at(server.line, tmp_path, devices)
    second.open()
    assert [each.at_ms for each in read(second)] == [AT_MS + 1000]
    second.close()


def test_looking_once_is_not_reading(server, client, tmp_path):
    add(client, "bmv", (AT, {"V": 1}))
    for _ in range(2):
        source = source_at(server.line, tmp_path)
        source.open()
        assert [len(look(source)) for _ in range(2)] == [1, 1]
        source.close()
    assert not (tmp_path / "state").exists()


def test_what_was_read_is_saved_a_minute_later(server, client, tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "SAVE_EVERY_S", -1)
    source = source_at(server.line, tmp_path, {"mains": STREAM})
    source.open()
    saved = []
    for number in range(4):
        client.xadd("s", {"p": "1"}, id=f"{AT_MS + number}-0")
        read(source)
        file = tmp_path / "state" / "read"
        saved.append(unpack(file.read_bytes()).ids.get("s") if file.exists() else None)
    source.close()
    assert saved == [None, None, f"{AT_MS}-0", f"{AT_MS + 1}-0"]


def test_a_damaged_file_means_reading_all_again(server, client, tmp_path):
    add(client, "bmv", (AT, {"V": 1}))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "read").write_bytes(b"\0garbage")
    source = source_at(server.line, tmp_path)
    source.open()
    assert len(read(source)) == 1
    source.close()


def test_a_folder_that_cannot_be_written_is_told(server, client, tmp_path, caplog):
    (tmp_path / "state").write_text("in the way")
    add(client, "bmv", (AT, {"V": 1}))
    source = source_at(server.line, tmp_path)
    source.open()
    read(source)
    read(source)
    source.close()
    assert any("cannot be written" in each for each in caplog.messages)


@given(
    st.dictionaries(st.text(), st.from_regex(r"[0-9]{1,13}-[0-9]{1,3}", fullmatch=True)),
    st.dictionaries(st.text(), st.frozensets(st.integers(10**8, 10**13 - 1))),
)
def test_what_was_read_comes_back_from_its_file(ids, seen):
    assert unpack(pack(Progress(ids, seen))) == Progress(ids, seen)


@given(st.binary())
def test_any_other_file_means_that_nothing_was_read(data):
    assert unpack(data) == Progress()


def test_an_hour_of_rows_by_the_second_is_a_small_file():
    seen = frozenset(range(AT, AT + 3600)) | {AT + 4000}
    assert len(pack(Progress({}, {"vm_bmv": seen}))) < 200


# The server


def test_a_password_is_needed_and_named_where_it_is_wrong(tmp_path):
    secret = Secret("redis-password", tmp_path)
    (tmp_path / "redis-password").write_text("wrong")
    with redis_server.running(tmp_path, password="open-sesame") as server:
        add(server.client, "bmv", (AT, {"V": 1}))
        with pytest.raises(DeviceRefused, match=r"NOAUTH.*give 'password'"):
            source_at(server.line, tmp_path).open()
        source = source_at(server.line, tmp_path, password=secret)
        with pytest.raises(DeviceRefused, match=r"WRONGPASS.*secret 'redis-password'"):
            source.open()
        (tmp_path / "redis-password").write_text("open-sesame")
        source.open()
        assert len(read(source)) == 1
        source.close()
        server.client.execute_command("ACL", "SETUSER", "eye", "on", ">eye", "~*", "+@all")
        (tmp_path / "redis-password").write_text("eye")
        source = source_at(server.line, tmp_path, user="eye", password=secret)
        source.open()
        source.close()
        source.close()


def test_a_secret_that_is_missing_is_said_to_be(tmp_path):
    source = source_at("tcp://127.0.0.1:1", tmp_path, password=Secret("none", tmp_path))
    with pytest.raises(SecretMissing, match="secret 'none' is not found"):
        source.open()


def test_another_database_is_another_world(client, opened):
    add(client, "bmv", (AT, {"V": 1}))
    assert read(opened(database=3)) == []
    with pytest.raises(DeviceRefused, match=r"out of range.*or 'database'"):
        opened(database=99)


def test_a_server_that_goes_away_is_read_again(tmp_path):
    with redis_server.running(tmp_path) as server:
        source = source_at(server.line, tmp_path)
        source.open()
        add(server.client, "bmv", (AT, {"V": 1}))
        assert len(look(source)) == 1
    with pytest.raises(LineAway, match="went away"):
        read(source)
    source.close()
    with pytest.raises(LineAway, match="cannot be reached"):
        source.open()
    with redis_server.running(tmp_path, port=server.port) as server:
        source.open()
        add(server.client, "bmv", (AT, {"V": 1}), (AT + 1, {"V": 2}))
        assert [each.at_ms for each in read(source)] == [AT_MS, AT_MS + 1000]
        source.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$-\r\n",
        b"$x\r\n",
        b"*2147483648\r\n",
        b"*1\r\n" * 20,
        b"*1\r\n-ERR inside\r\n",
        b"x" * 3000,
        b"\xff\x00\r\n",
    ],
)
def test_what_no_redis_server_says_is_refused(answer):
    with Loopback(answer) as server:
        line = RedisLine(server.line)
        with pytest.raises(FrameDamaged):
            line.open("", "", 0)
        assert not line.is_open


@pytest.mark.parametrize(
    "answer", [b"", b"$5\r\nab", b"$2147483648\r\n" + b"x" * 1000, b"*2\r\n:1\r\n"]
)
def test_an_answer_that_does_not_end_is_waited_for_only_so_long(answer, monkeypatch):
    monkeypatch.setattr(redis, "ANSWER_S", 0.3)
    with Loopback(answer) as server, pytest.raises(DeviceSilent, match="no complete answer"):
        RedisLine(server.line).open("", "", 0)


def test_an_answer_that_goes_on_and_on_is_left_in_time(monkeypatch):
    monkeypatch.setattr(redis, "ANSWER_S", 0.3)
    monkeypatch.setattr(redis, "ELEMENT_BYTES", 0)
    monkeypatch.setattr(redis, "MOST_ELEMENTS", 10**9)
    with (
        Loopback([b"*999999999\r\n", *([b"$-1\r\n" * 9000] * 9000)]) as server,
        pytest.raises(DeviceSilent, match="no complete answer"),
    ):
        RedisLine(server.line).open("", "", 0)


def test_an_answer_may_come_byte_by_byte():
    with Loopback(byte_by_byte(b"*3\r\n$3\r\na\r\n\r\n:-5\r\n$-1\r\n")) as server:
        line = RedisLine(server.line)
        line.tcp.open()
        assert line.ask("ANYTHING") == [b"a\r\n", -5, None]
        line.close()


@pytest.mark.parametrize("each", [b"$80\r\n" + b"x" * 80 + b"\r\n", b"*0\r\n", b"$-1\r\n"])
def test_an_answer_is_not_kept_without_end(monkeypatch, each):
    monkeypatch.setattr(redis, "LARGEST_ANSWER", 1000)
    with Loopback(b"*20\r\n" + each * 20) as server:
        line = RedisLine(server.line)
        line.tcp.open()
        with pytest.raises(FrameDamaged, match="at once"):
            line.ask("ANYTHING")


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_fault(data):
    class Far:
        connection = None

        def __init__(self):
            self.left = data

        def receive_some(self, most, _):
            taken, self.left = self.left[:most], self.left[most:]
            return taken

        def send(self, data):
            pass

        def close(self):
            pass

    line = RedisLine("tcp://a:1")
    line.tcp = Far()  # type: ignore[assignment]
    with suppress(FrameDamaged, DeviceSilent, DeviceRefused):
        entries(line.ask("X"))
        of_stream(line.ask("X"))


def test_a_command_is_sent_as_the_protocol_has_it():
    assert encode(["SET", "é", 5]) == b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$1\r\n5\r\n"


answers = st.recursive(
    st.none() | st.integers() | st.binary(max_size=20) | st.just(b"1768480200000-0"),
    lambda inner: st.lists(inner, max_size=4),
)


@given(answers)
def test_any_answer_is_rows_or_none(answer):
    for number, row_ms, document in [*entries(answer), *of_stream(answer)]:
        assert redis_rows.ID.fullmatch(number.encode())
        assert isinstance(document, dict)
        assert not redis_rows.is_likely(row_ms, AT_MS) or 0 < row_ms < LATEST_MS


# Options


@pytest.mark.parametrize("line", ["", "redis://a:1", "tcp://a", "127.0.0.1:6379"])
def test_a_line_that_is_none_is_refused(line):
    with pytest.raises(BadOption, match="where PORT is 6379") as bad:
        source_at(line, Path("/nowhere"))
    assert bad.value.option == "line"


def test_what_would_read_nothing_or_half_a_row_is_refused():
    with pytest.raises(BadOption, match="nothing would be read"):
        source_at("tcp://a:1", Path("/nowhere"), {})
    groups = (ReadGroup(quantities=("battery_voltage",), every=Seconds(1)),)
    with pytest.raises(BadOption, match="leave 'read' out"):
        source_at("tcp://a:1", Path("/nowhere"), read=groups)


def test_a_device_whose_name_cannot_be_stored_is_refused():
    with pytest.raises(BadOption, match="'my bank' is not a valid name: up to 200 letters") as bad:
        source_at("tcp://a:1", Path("/nowhere"), {"my bank": SERIES})
    assert bad.value.option == "devices.my bank"


def test_it_fits_the_intake():
    source = source_at("tcp://a:1", Path("/nowhere"))
    made = feed("cache", source, source.options, SourceHealth())
    assert made.groups[0].quantities == set(BATTERY)


# The whole program

CONFIG = """\
  cache:
    type: redis
    line: {line}
    every: 200ms
    devices:
      bank:
        key: vm
        layout: series
        kind: battery
        quantities: {{battery_voltage: V}}
        units: {{battery_voltage: mV}}
"""


def test_the_service_journals_each_row_once_at_its_time(server, client, tmp_path):
    file = configure(tmp_path / "house", CONFIG.format(line=server.line))
    add(client, "bmv", *((AT + each, {"V": 12_000 + each}) for each in range(20)))
    for _ in range(2):
        with collector(file):
            wait_for_reads(tmp_path / "house", "cache", 3)
    add(client, "bmv", (AT + 20, {"V": 12_020}))
    with collector(file):
        wait_for_reads(tmp_path / "house", "cache", 3)
    shown = energy_monitor("read", "cache", "--raw", "--config", file)
    assert "vm_bmv 1768480220 V" in shown.stdout
    assert "12.02  V" in shown.stdout
    lines = [line for _, line in read_all(tmp_path / "house" / "journal" / "log")]
    assert sorted(line for line in lines if line.startswith(b"battery")) == sorted(
        b"battery,device=bank.bmv battery_voltage=%r %d" % (12 + each / 1000, AT_MS + 1000 * each)
        for each in range(21)
    )


def test_a_wrong_unit_is_named_with_its_line(tmp_path):
    file = configure(tmp_path, CONFIG.format(line="tcp://a:1").replace("mV", "kg"))
    shown = energy_monitor("check", "--config", file)
    assert "sources.cache.devices.bank.units.battery_voltage: battery_voltage is in V" in (
        shown.stdout + shown.stderr
    )
