"""States at a real broker: what Home Assistant finds there, and when it changes."""

import json
import re

import pytest

from collector.contract import BadOption
from collector.errors import OutputAway, ReadingsRefused
from collector.outputs.mqtt import output as module
from tests.fakes.outputs.mqtt import hearing
from tests.fakes.outputs.mqtt_case import ROOT, config, line, make, showing, wait_until
from tests.homeassistant import components
from tests.servers import mosquitto

METER = {"active_power": -412.5, "active_energy": 1000.1}


@pytest.fixture
def broker(tmp_path):
    with mosquitto.running(tmp_path / "broker") as server:
        yield server


@pytest.fixture
def ear(broker):
    with hearing(broker) as ear:
        yield ear


def last(ear, topic):
    said = ear.of(f"{ROOT}/{topic}")
    return said[-1] if said else None


def test_a_meter_is_found_and_its_state_is_kept_by_the_broker(tmp_path, broker):
    with showing(tmp_path, broker, tags={"floor": "ground"}) as it:
        it.write([line(1_763_654_400.25, **METER)])
        with hearing(broker) as later:
            later.await_all()
            kept = {topic: payload for topic, payload, retained in later.heard if retained}
    assert json.loads(kept[f"{ROOT}/mains/state"]) == {
        "time": "2025-11-20T16:00:00.250+00:00",
        "time_ms": 1_763_654_400_250,
        "device": "mains",
        "kind": "electricity",
        "site": "home",
        "floor": "ground",
        **METER,
    }
    assert kept[f"{ROOT}/mains/availability"] == kept[f"{ROOT}/status"] == b"online"
    document = json.loads(kept["homeassistant/device/energy_monitor-home/mains/config"])
    found = components(document)
    assert found["active_energy"]["unique_id"] == "energy_monitor/home/mains/active_energy"
    assert found["active_energy"]["default_entity_id"] == "sensor.mains_active_energy"
    assert document["stat_t"] == f"{ROOT}/mains/state"
    topics = [each["t"] for each in document["avty"]]
    assert topics == [f"{ROOT}/status", f"{ROOT}/mains/availability"]
    assert document["avty_mode"] == "all"


def test_a_quantity_that_is_new_is_announced_and_what_is_known_is_not_again(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        for at_s in range(3):
            it.write([line(1_000 + at_s, **METER)])
        it.write([line(1_010, voltage=230.0, **METER)])
        (topic,) = config(ear, "mains")
        announced = [components(json.loads(each)).keys() for each in ear.of(topic)]
        assert announced == [METER.keys(), {*METER, "voltage"}]
        assert len(ear.of(f"{ROOT}/mains/state")) == 4
        assert len(ear.of(f"{ROOT}/mains/availability")) == 1


def test_names_that_look_alike_are_devices_of_their_own(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        devices = ("a.b", "a_b", "a-b", "A_b")
        it.write([line(1_000, each, **METER) for each in devices])
        found = config(ear, "")
    assert len(found) == 4
    assert all(re.fullmatch(r"[a-zA-Z0-9_/-]+", topic) for topic in found)
    ids = {each["dev"]["ids"][0] for each in found.values()}
    assert ids == {f"{ROOT}/{each}" for each in devices}


def test_our_own_figures_about_a_device_are_not_the_device(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        it.write([line(1_000, **METER), line(1_000, kind="collector", reads=5.0)])
        it.write([line(1_001, "collector", "collector", resident_memory=5.0)])
    assert b"reads" not in last(ear, "mains/state")
    assert b"reads" in last(ear, "collector/mains/state")
    assert b"resident_memory" in last(ear, "collector/state")


def test_what_is_about_the_past_is_left_out(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        it.write([line(1_000, daily_energy=5.0, **METER), line(1_000, "portal", daily_energy=5.0)])
    assert b"daily" not in last(ear, "mains/state")
    assert last(ear, "portal/state") is None


def test_without_discovery_there_are_states_only(tmp_path, broker, ear):
    with showing(tmp_path, broker, discovery="none") as it:
        it.write([line(1_000, **METER)])
    assert not config(ear, "")
    assert last(ear, "mains/state")


# Online and offline


def test_the_status_follows_the_collector(tmp_path, broker, ear):
    it = make(tmp_path, broker)
    it.write([line(1_000, **METER)])
    assert last(ear, "status") == b"online"
    it.close()
    it.close()
    assert last(ear, "status") == b"offline"


def test_two_outputs_do_not_share_a_status(tmp_path, broker, ear):
    with showing(tmp_path, broker, name="first") as first:
        first.write([line(1_000, **METER)])
        with (
            showing(tmp_path, broker, name="second") as second,
            pytest.raises(OutputAway, match="'first' shows 'energy_monitor/home' at mqtt://"),
        ):
            second.write([line(1_000, "bank", **METER)])
        assert last(ear, "status") == b"online"
        with showing(tmp_path, broker, name="third", topic="other") as third:
            third.write([line(1_000, "bank", **METER)])
    with showing(tmp_path, broker, name="second") as second:
        second.write([line(1_000, "bank", **METER)])
        assert last(ear, "status") == b"online"


def test_the_broker_says_that_a_killed_collector_is_offline(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        it.write([line(1_000, **METER)])
        it.connection.broker.client.socket().shutdown(2)
        wait_until(lambda: last(ear, "status") == b"offline")
        wait_until(lambda: not it.connection.is_open)
        it.write([line(1_010, **METER)])
        assert last(ear, "status") == b"online"


def test_a_device_that_falls_silent_is_offline_until_it_is_read(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        for at_s in (1_000, 1_010, 1_020):
            it.write([line(at_s, **METER), line(at_s, "pump", heat_power=1.0)])
        it.monotonic_s.s += 29
        it.look()
        assert last(ear, "mains/availability") == b"online"
        it.write([line(1_049, "pump", heat_power=1.0)])
        it.monotonic_s.s += 2
        wait_until(lambda: last(ear, "mains/availability") == b"offline")
        assert last(ear, "pump/availability") == b"online"
        it.write([line(1_060, **METER)])
        assert ear.of(f"{ROOT}/mains/availability") == [b"online", b"offline", b"online"]


def test_a_device_that_was_silent_before_a_restart_is_offline_at_once(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        for at_s in (1_000, 1_010, 1_020):
            it.write([line(at_s, **METER), line(at_s, "pump", heat_power=1.0)])
    with showing(tmp_path, broker) as it:
        it.write([line(4_000, "pump", heat_power=1.0)])
        assert last(ear, "mains/availability") == b"offline"
        assert len(ear.of(f"{ROOT}/mains/state")) == 3


def test_home_assistant_gets_everything_again_when_it_starts(tmp_path, broker, ear, monkeypatch):
    monkeypatch.setattr(module, "CALM_S", 0.0)
    with showing(tmp_path, broker) as it:
        it.write([line(1_000, **METER)])
        (topic,) = config(ear, "mains")
        state = last(ear, "mains/state")
        ear.say("homeassistant/status", "offline")
        ear.say("homeassistant/status", "online")
        it.monotonic_s.s += 1
        wait_until(lambda: len(ear.of(f"{ROOT}/mains/state")) == 2)
        assert last(ear, "mains/state") == state
        assert len(ear.of(topic)) == 2


def test_a_broker_that_has_lost_everything_gets_it_again(tmp_path):
    with (
        mosquitto.running(tmp_path / "one") as first,
        showing(tmp_path, first) as it,
    ):
        it.write([line(1_000, **METER), line(1_000, "pump", heat_power=1.0)])
        port = first.port
        first.process.terminate()
        first.process.wait(10)
        wait_until(lambda: not it.connection.is_open)
        with mosquitto.running(tmp_path / "two", port=port) as second, hearing(second) as ear:
            it.write([line(1_010, **METER)])
            assert config(ear, "mains")
            assert config(ear, "pump")
            assert json.loads(last(ear, "pump/state"))["heat_power"] == 1.0
            assert last(ear, "status") == b"online"


# What is gone


def test_a_quantity_that_is_gone_is_marked_and_then_left_out(tmp_path, broker, ear):
    with showing(tmp_path, broker) as it:
        it.write([line(0, voltage=230.0, **METER)])
        it.write([line(8 * 86_400, **METER)])
        (topic,) = config(ear, "mains")
        documents = [json.loads(each)["cmps"] for each in ear.of(topic)]
    assert [each.get("voltage", {}).keys() for each in documents[1:]] == [{"p"}, {*()}]
    assert documents[2].keys() == METER.keys()


def test_a_device_that_is_gone_leaves_nothing_behind(tmp_path, broker):
    with showing(tmp_path, broker) as it:
        it.write([line(0, **METER), line(0, "pump", heat_power=1.0)])
        it.write([line(31 * 86_400, "pump", heat_power=1.0)])
        with hearing(broker) as later:
            later.await_all()
            assert not [topic for topic, _, _ in later.heard if "mains" in topic]
            assert [topic for topic, _, _ in later.heard if "pump" in topic]


def test_what_is_no_longer_selected_is_removed_at_once(tmp_path, broker):
    with showing(tmp_path, broker) as it:
        it.write([line(0, voltage=230.0, **METER), line(0, "pump", heat_power=1.0)])
    select = {"devices": ["m*"], "quantities": ["active_*"]}
    with showing(tmp_path, broker, select=select) as it:
        it.write([line(10, **METER)])
        with hearing(broker) as later:
            found = config(later, "mains")
            assert not [topic for topic, _, _ in later.heard if "pump" in topic]
    (document,) = found.values()
    assert components(document).keys() == METER.keys()


# What the broker does not take


def test_a_device_too_large_for_the_broker_is_announced_in_parts(tmp_path):
    extra = "max_packet_size 3000"
    many = {f"voltage_l{each}": 230.0 for each in (1, 2, 3)}
    many |= {f"active_power_{each}": 1.0 for each in ("import", "export", "l1", "l2", "l3")}
    with (
        mosquitto.running(tmp_path / "broker", extra=extra) as broker,
        hearing(broker) as ear,
        showing(tmp_path, broker) as it,
    ):
        it.write([line(1_000, **many, **METER)])
        found = config(ear, "mains")
        assert len(found) > 1
        entities = [components(each) for each in found.values()]
        assert sorted(name for each in entities for name in each) == sorted({**many, **METER})
        assert len({each["dev"]["ids"][0] for each in found.values()}) == 1
        it.write([line(1_010, frequency=50.0, **many, **METER)])
        again = [components(each) for each in config(ear, "mains").values()]
        for before, after in zip(entities, again, strict=False):
            assert before.keys() <= after.keys()


def test_a_state_too_large_for_the_broker_is_refused_and_all_others_are_shown(tmp_path):
    extra = "max_packet_size 1600"
    values = {f"active_energy_l{phase}_t{tariff}": 1234567.8 for phase in (1, 2, 3)
              for tariff in (1, 2, 3, 4)}  # fmt: skip
    values |= {each.replace("active", "reactive"): value for each, value in values.items()}
    values |= {each.replace("_l", "_import_l"): value for each, value in values.items()}
    with (
        mosquitto.running(tmp_path / "broker", extra=extra) as broker,
        hearing(broker) as ear,
        showing(tmp_path, broker, discovery="none") as it,
    ):
        with pytest.raises(ReadingsRefused, match=r"at most 1600 bytes.*max_packet_size") as caught:
            it.write([line(1_000, **METER), line(1_000, "large", **values)])
        assert caught.value.reasons.keys() == {1}
        assert last(ear, "mains/state")
        assert last(ear, "large/state") is None


def test_a_topic_that_the_broker_refuses_is_named_with_what_mends_it(tmp_path):
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite energy_monitor/#\ntopic read homeassistant/status\n")
    with (
        mosquitto.running(tmp_path / "broker", extra=f"acl_file {acl}") as broker,
        showing(tmp_path, broker) as it,
        pytest.raises(OutputAway, match=r"refuses a message to 'homeassistant/device.*acl_file"),
    ):
        it.write([line(1_000, **METER)])


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"url": "http://x"}, "url"),
        ({"topic": "a/#"}, "topic"),
        ({"topic": "/a"}, "topic"),
        ({"topic": "homeassistant"}, "topic"),
        ({"discovery": "a b"}, "discovery"),
        ({"ca": "ca.pem"}, "ca"),
        ({"certificate": "c.pem", "url": "mqtts://x"}, "key"),
        ({"password": "!secret a-token"}, "user"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(tmp_path, options, option):
    (tmp_path / "ca.pem").touch()
    (tmp_path / "c.pem").touch()
    server = mosquitto.Mosquitto(1, None)
    with pytest.raises(BadOption) as caught:
        make(tmp_path, server, **options)
    assert caught.value.option == option
