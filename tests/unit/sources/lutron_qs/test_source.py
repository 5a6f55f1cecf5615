"""The source: levels as they change, estimated power, and what happens when all goes wrong."""

import logging

import pytest
import yaml

from collector.contract import BadOption, Context
from collector.demo import lights
from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway, SecretMissing
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.quantity import catalogue
from collector.reading import decode, encode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.secrets import Secret
from collector.sources.lutron_qs import protocol
from collector.sources.lutron_qs import source as lutron_qs
from collector.sources.lutron_qs.database import Area, Database, Zone
from collector.sources.lutron_qs.readings import power, readings
from collector.sources.lutron_qs.source import Lutron, LutronOptions
from tests.fakes.http_answers import Reply
from tests.fakes.loopback import HANG_UP, byte_by_byte, whole
from tests.fakes.lutron_processor import (
    PASSWORD,
    USER,
    database,
    running,
    silent,
)
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for, wait_for_reads

AT_MS = 1_768_480_200_000
TABLE = "lights.Kitchen.Table.12"


@pytest.fixture
def server():
    with running() as processor:
        yield processor


@pytest.fixture
def web():
    with database() as served:
        yield served


@pytest.fixture
def make(server, web, tmp_path):
    made = []

    def make(password=PASSWORD, **options):
        (tmp_path / "secrets").mkdir(exist_ok=True)
        (tmp_path / "secrets" / "lights").write_text(password)
        given = {"line": server.line, "database": web[1], **options}
        secret = Secret("lights", tmp_path / "secrets")
        all_options = LutronOptions(type="lutron_qs", user=USER, password=secret, **given)
        context = Context("home", Lines(), tmp_path, tmp_path / "state" / "lights")
        made.append(Lutron("lights", all_options, context))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.close()


def read(source, at_ms=AT_MS, quantities=None):
    found = source.read(at_ms, frozenset(quantities or source.quantities))
    return {each.device: dict(each.values) for each in found}


def test_it_is_read_as_the_processor_and_its_database_tell(make):
    source = make()
    found = source.read(AT_MS, frozenset(source.quantities))
    told = {each.device: (each.kind, dict(each.values)) for each in found}
    lit = {"level": 50.0, "estimated_power": 22.5, "nominal_power": 45.0}
    assert told[TABLE] == ("lighting", lit)
    assert told["lights.Garden.Path.16"] == ("lighting", {"level": 100.0})  # wattage unknown
    assert told["lights.Living_Room.Window.18"] == ("shade", {"level": 75.0})
    assert told["lights.Hall.Keypad.31.81"] == ("keypad", {"led_state": 1.0})
    area = {"estimated_power": 22.5, "nominal_power": 70.0}
    assert told["lights.Kitchen.3"] == ("lighting_area", area)
    whole_house = {"estimated_power": 57.875, "nominal_power": 205.0}
    assert told["lights"] == ("lighting_total", whole_house)
    assert all(decode(encode(each)) == each for each in found)


def test_it_fits_the_intake(make):
    source = make()
    made = feed("lights", source, source.options, SourceHealth())
    assert set(source.quantities) <= set(catalogue())
    assert made.groups[0].interval_ms == 1000


def test_only_what_has_changed_is_told_again_until_five_minutes_are_over(make, server):
    source = make()
    everything = read(source)
    assert set(read(source, AT_MS + 1000)) == {"lights"}
    server.show({"OUTPUT,12,1": "100.00"})

    def news():
        found = read(source, AT_MS + 2000)
        return found if TABLE in found else None

    found = wait_for(news, "the change has come")
    assert found[TABLE] == {"level": 100.0, "estimated_power": 45.0}
    assert found["lights"]["estimated_power"] == 80.375
    assert set(read(source, AT_MS + 302_000)) == set(everything)


def test_only_what_is_due_is_told_and_leds_are_not_asked_for_in_vain(make, server):
    source = make()
    found = read(source, quantities=["level"])
    assert {name for values in found.values() for name in values} == {"level"}
    assert not [each for each in server.heard if each.startswith("?DEVICE")]
    assert set(read(source, quantities=["led_state"])) == {"lights.Hall.Keypad.31.81"}


def test_the_house_is_walked_once_and_then_one_point_is_asked_at_a_time(make, server):
    source = make()
    read(source)
    assert [each for each in server.heard if each[0] == "#"] == [
        *("#MONITORING,12,2", "#MONITORING,255,2", "#MONITORING,5,1", "#MONITORING,4,1")
    ]
    walked = len(server.heard)
    for second in range(20):
        read(source, AT_MS + second * 1000)
    asked = server.heard[walked:]
    assert len(asked) == 20
    assert {f"?{point}" for point in server.shown} <= set(asked)


def test_a_missed_event_is_mended(make, server):
    source = make()
    read(source)
    server.shown["OUTPUT,12,1"] = "1.00"  # nobody is told
    found = [read(source, AT_MS + second * 1000) for second in range(20)]
    assert {"level": 1.0, "estimated_power": 0.45} in [each.get(TABLE) for each in found]


# What is not known is absent


def test_a_zone_that_is_refused_is_absent_and_in_no_sum(make, server, caplog):
    caplog.set_level(logging.INFO)
    del server.shown["OUTPUT,12,1"], server.shown["OUTPUT,14,1"]
    source = make()
    found = read(source)
    assert TABLE not in found
    assert found["lights.Kitchen.3"] == {"estimated_power": 0.0, "nominal_power": 25.0}
    assert found["lights"] == {"estimated_power": 20.0, "nominal_power": 85.0}
    for second in range(20):
        read(source, AT_MS + second * 1000)
    assert caplog.text.count("there is no such object") == 1


@pytest.mark.parametrize("answer", ["", "nan", "101", "-3", "50.00.0"])
def test_a_level_that_is_none_makes_the_sum_absent_and_never_0(make, server, answer):
    server.shown["OUTPUT,12,1"] = answer
    found = read(make())
    assert TABLE not in found
    assert "lights.Kitchen.3" not in found
    assert "lights" not in found
    assert found["lights.Hall.2"]["estimated_power"] == 20.0


def test_a_zone_that_never_answers_is_left_alone(make, server, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.2)
    server.manner = lambda said: [] if b"~OUTPUT,12" in said else [said]
    found = read(make())
    assert TABLE not in found
    assert "lights" not in found
    assert found["lights.Living_Room.4"]["estimated_power"] == 15.375


def test_no_zones_are_no_power():
    zone = Zone(1, Area(2, "Hall"), "Lamp", "INC", 60.0)
    assert power([], {}) == {}
    assert power([zone], {}) == {}
    refused = [each.values for each in readings("x", 1, Database("", [zone]), {}, {zone.point})]
    assert refused == [{}, {}]


# Login


def test_a_refused_password_is_not_tried_again_until_it_is_mended(make, server, tmp_path):
    source = make("wrong")
    sentence = (
        f"{server.line} refuses the login of user 'monitor': mend 'user', or the password in the "
        "secret 'lights'; the same one is tried again after 15 minutes"
    )
    with pytest.raises(DeviceRefused) as refused:
        source.open()
    assert str(refused.value) == sentence
    for _ in range(5):
        with pytest.raises(DeviceRefused, match="refused the login: mend"):
            read(source)
    assert server.logins == [USER]
    (tmp_path / "secrets" / "lights").write_text(PASSWORD)
    assert TABLE in read(source)
    assert server.logins == [USER, USER]


def test_a_missing_password_is_told_without_a_login(make, server, tmp_path):
    source = make()
    (tmp_path / "secrets" / "lights").unlink()
    with pytest.raises(SecretMissing, match="secret 'lights' is not found"):
        source.open()
    assert server.logins == []


# Connection


@pytest.mark.parametrize("manner", [whole, byte_by_byte])
def test_after_a_restart_of_the_processor_it_logs_in_anew(make, server, manner):
    server.manner = manner
    source = make()
    read(source)
    server.hang_up()
    with pytest.raises(LineAway, match="went away"):
        read(source)
    server.shown["OUTPUT,12,1"] = "10.00"
    assert read(source)[TABLE]["level"] == 10.0
    assert server.logins == [USER, USER]


def test_levels_of_an_earlier_connection_are_not_told(make, server):
    source = make()
    read(source)
    source.close()
    del server.shown["OUTPUT,12,1"]
    assert TABLE not in read(source, AT_MS + 400_000)


def test_one_that_falls_silent_or_is_cut_is_told_and_asked_anew(make, server, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_S", 0.1)
    source = make()
    read(source)
    server.manner = silent
    with pytest.raises(DeviceSilent, match="no answer"):
        read(source)
    server.manner = lambda said: [said[:4], HANG_UP] if b"OUTPUT" in said else [said]
    with pytest.raises(LineAway, match="went away"):
        read(source)
    server.manner = whole
    assert "lights" in read(source)


# The database


def test_without_any_database_nobody_logs_in(make, server, web):
    web[0].answer = lambda _: Reply(404)
    with pytest.raises(LineAway, match=r"the database http://.* the answer is 404"):
        make().open()
    web[0].answer = lambda _: Reply(200, lights.database()[:300])
    with pytest.raises(FrameDamaged, match=r"the database http://.* it ended after 300 bytes"):
        make().open()
    assert server.logins == []


def test_its_copy_serves_while_the_processor_has_none_that_is_sound(make, web, caplog):
    caplog.set_level(logging.INFO)
    read(make())
    web[0].answer = lambda _: Reply(200, lights.database().replace(b"11/05", b"12/05")[:300])
    source = make()
    assert TABLE in read(source)
    assert "it ended after 300 bytes" in caplog.text
    assert "going on with the one of 11/05/2026 18:30:00" in caplog.text


def test_it_is_read_anew_when_it_has_changed(make, web, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(lutron_qs, "DATABASE_EVERY_S", 0.0)
    source = make()
    read(source)
    changed = lights.database().replace(b"12:30", b"12:31").replace(b"18:30", b"18:31")
    web[0].answer = lambda _: Reply(200, changed.replace(b'"Table"', b'"Desk"'))
    found = read(source, AT_MS + 1000)
    assert found["lights.Kitchen.Desk.12"]["level"] == 50.0
    assert "database of 11/05/2026 18:31:00: 7 zones, 5 of them lights" in caplog.text
    assert caplog.text.count("database of") == 2


def test_a_copy_that_cannot_be_kept_is_told_and_does_no_harm(make, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "state").write_text("in the way")
    assert TABLE in read(make())
    assert "cannot be written" in caplog.text


def test_it_may_be_a_file_beside_the_configuration(make, tmp_path):
    (tmp_path / "db.xml").write_bytes(lights.database())
    assert TABLE in read(make(database="db.xml"))


# Options


def test_a_wrong_line_or_database_is_refused_with_what_is_right(make):
    with pytest.raises(BadOption, match=r"is not a line; write tcp://HOST:PORT, where PORT is 23"):
        make(line="lutron")
    for wrong in ("https://a/DbXmlInfo.xml", "http://", "http://a:b/x", "ftp://a"):
        with pytest.raises(BadOption, match="is neither http://HOST/PATH nor a file") as bad:
            make(database=wrong)
        assert bad.value.option == "database"
    assert make(database="").place == "http://127.0.0.1/DbXmlInfo.xml"


def test_a_password_in_the_open_is_refused():
    text = "{type: lutron_qs, line: 'tcp://a:23', user: me, password: open}"
    faults = Faults()
    node = yaml.compose(text)
    assert node is not None
    read_options(LutronOptions, node, Place("config.yaml", ""), faults)
    assert "write '!secret NAME'" in str(faults.found[0])


# The program


def configured(folder, server, url):
    (folder / "secrets").mkdir()
    (folder / "secrets" / "lights").write_text(PASSWORD)
    return configure(
        folder,
        f"  lights:\n    type: lutron_qs\n    line: {server.line}\n    user: {USER}\n"
        f"    password: !secret lights\n    database: {url}\n    every: 200ms\n",
    )


def test_what_read_shows(server, web, tmp_path):
    file = configured(tmp_path, server, web[1])
    shown = energy_monitor("read", "lights", "--config", file)
    assert "lights.Kitchen.Table.12" in shown.stdout
    assert "57.875" in shown.stdout
    raw = energy_monitor("read", "lights", "--raw", "--config", file)
    assert "Kitchen Table, MLV, 45.0 W" in raw.stdout
    assert "9.4.0" in raw.stdout
    assert PASSWORD not in shown.stdout + shown.stderr + raw.stdout + raw.stderr


def test_the_service_goes_on_after_the_processor_has_restarted(web, tmp_path):
    def told():
        return ask(tmp_path)["sources"]["lights"]

    with running() as before:
        file = configured(tmp_path, before, web[1])
        with collector(file):
            wait_for_reads(tmp_path, "lights")
            before.hang_up()
            before.shutdown()
            before.server_close()
            wait_for(lambda: "cannot be reached" in told()["last_error"], "it is away")
            reads = told()["reads"]
            with running(port=before.server_address[1]) as after:
                after.shown["OUTPUT,12,1"] = "10.00"
                wait_for_reads(tmp_path, "lights", reads + 2)
                assert told()["latest"][TABLE]["values"]["level"] == 10.0
                assert after.logins == [USER]
