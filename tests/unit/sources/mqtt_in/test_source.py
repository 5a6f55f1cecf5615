"""MQTT: what devices say by way of a real broker, and a broker that goes away or refuses."""

import gc
import json
import logging
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector import config
from collector.cli.main import main
from collector.contract import BadOption, Context
from collector.errors import DeviceRefused, DeviceSilent, LineAway, SecretMissing
from collector.lines import mqtt
from collector.lines.serial import Lines
from collector.reading import Reading
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.scalars import Seconds
from collector.secrets import Secret
from collector.sources.mqtt_in import attributes, discover
from collector.sources.mqtt_in import source as mqtt_in
from collector.sources.mqtt_in.attributes import Attributes
from collector.sources.mqtt_in.forms import forms_of
from collector.sources.mqtt_in.models import Device, load
from collector.sources.mqtt_in.source import MQTTIn, MQTTOptions
from tests.fakes.certificates import make_certificate
from tests.fakes.loopback import Loopback
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for, wait_for_reads
from tests.servers import mosquitto

AT_MS = 1_768_480_200_000
PLUG = Device(topic="plug", quantities={"active_power": "power", "voltage": "u"})
TASMOTA = '{"ENERGY":{"Total":31.427,"Power":14,"Voltage":229,"Current":0.126}}'


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto.running(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_wait_for_the_first(monkeypatch):
    monkeypatch.setattr(mqtt_in, "FIRST_S", 0)


def source_at(line, folder=Path("/nowhere"), **options):
    options = {"devices": {"plug": PLUG}, **options}
    made = MQTTOptions(type="mqtt_in", line=line, **options)
    return MQTTIn("plugs", made, Context("home", Lines(), folder, folder))


@pytest.fixture
def listening(broker):
    """Make sources that listen, and close them."""
    made = []

    def make(**options):
        source = source_at(broker.line, **options)
        made.append(source)
        source.open()
        await_listening(broker, source)
        return source

    yield make
    for each in made:
        each.close()


def await_listening(broker, source):
    """Return when the broker has heard what *source* wants: another topic of it comes."""
    arrived = threading.Event()
    heard = source.broker.heard

    def hear(topic, payload):
        arrived.set()
        heard(topic, payload)

    source.broker.heard = hear
    first = next(iter(source.forms.values()))[0].message.topic
    first = first.replace("+", "nobody").replace("#", "nobody")
    wait_for(
        lambda: broker.say(first, "hello") or arrived.wait(0.2), "the broker knows what is wanted"
    )
    source.broker.heard = heard


def said(source, *devices):
    """Return the readings as soon as all *devices* have said something."""
    wait_for(lambda: set(devices) <= source.said.keys(), f"{devices} are heard")
    return source.read(AT_MS, frozenset(source.quantities))


def test_a_device_is_read(broker, listening):
    source = listening()
    broker.say("plug", '{"power": 55.3, "u": 229}')
    assert said(source, "plug") == [
        Reading("electricity", "plug", AT_MS, {"active_power": 55.3, "voltage": 229})
    ]


def test_the_newest_message_counts(broker, listening):
    source = listening()
    for power in (1, 2, 3):
        broker.say("plug", f'{{"power": {power}}}')
    wait_for(lambda: said(source, "plug")[0].values == {"active_power": 3}, "the last is read")


@pytest.mark.parametrize("name", ["tasmota", "shelly-plus", "shelly-gen1", "zigbee2mqtt"])
def test_a_known_kind_is_read_without_a_word_about_its_fields(broker, listening, name):
    proof = load(name).proofs[0]
    source = listening(devices={"all": Device(model=name)})
    broker.say(proof.topic, proof.payload)
    wait_for(lambda: source.said, "it is heard")
    (reading,) = source.read(AT_MS, frozenset(source.quantities))
    assert reading.device.startswith("all.")
    assert reading.values == proof.values


def test_one_of_a_known_kind_has_the_name_that_it_is_given(broker, listening):
    source = listening(devices={"washer": Device(model="tasmota", topic="DVES_1A2B3C")})
    broker.say("tele/DVES_999999/SENSOR", TASMOTA)
    broker.say("tele/DVES_1A2B3C/SENSOR", TASMOTA)
    broker.say("tele/DVES_1A2B3C/STATE", '{"POWER":"OFF"}')
    wait_for(lambda: len(source.said["washer"]) == 2, "both messages are heard")
    (reading,) = said(source, "washer")
    assert reading.device == "washer"
    assert reading.values["active_energy"] == 31427
    assert reading.values["relay"] == 0


def test_devices_that_a_topic_names_are_read_each_by_itself(broker, listening):
    source = listening(devices={"z": Device(model="zigbee2mqtt")})
    broker.say("zigbee2mqtt/Küche links", '{"power": 5}')
    broker.say("zigbee2mqtt/attic", '{"temperature": 21.5, "voltage": 3045}')
    readings = {each.device: each for each in said(source, "z.K_che_links", "z.attic")}
    assert readings["z.K_che_links"].values == {"active_power": 5}
    assert readings["z.attic"] == Reading("climate", "z.attic", AT_MS, {"temperature": 21.5})


def test_what_a_partial_message_leaves_out_holds(broker, listening):
    source = listening(devices={"s": Device(model="shelly-plus", topic="s")})
    broker.say("s/events/rpc", '{"params":{"switch:0":{"apower":8.9,"voltage":237.5}}}')
    broker.say("s/events/rpc", '{"params":{"switch:0":{"apower":9.1}}}')
    broker.say("s/events/rpc", '{"method":"NotifyEvent","params":{"events":[]}}')
    wait_for(
        lambda: said(source, "s")[0].values == {"active_power": 9.1, "voltage": 237.5},
        "the change is read",
    )


def test_what_a_whole_message_leaves_out_is_absent(broker, listening):
    source = listening()
    broker.say("plug", '{"power": 1, "u": 230}')
    broker.say("plug", '{"power": 2, "u": null}')
    wait_for(lambda: said(source, "plug")[0].values == {"active_power": 2}, "the last is read")


def test_garbage_is_no_message(broker, listening):
    source = listening()
    for payload in ('{"power": NaN}', '{"power": "?"}', '{"power": true}', "{", b"\xff\x00", ""):
        broker.say("plug", payload)
    broker.say("plug", "[" * 60_000)
    broker.say("plug", '{"u": 231}')
    assert said(source, "plug")[0].values == {"voltage": 231}


def test_a_message_that_is_too_large_is_not_even_sent_to_us(broker, listening):
    source = listening()
    broker.say("plug", '{"power": 1, "x": "' + "y" * mqtt.LARGEST_MESSAGE + '"}')
    broker.say("plug", '{"u": 231}')
    assert said(source, "plug")[0].values == {"voltage": 231}


def test_what_the_broker_has_kept_from_before_does_not_count(broker, listening):
    broker.say("plug", '{"power": 666}', retain=True)
    try:
        source = listening()
        with pytest.raises(DeviceSilent, match="no known device has published anything"):
            source.read(AT_MS, frozenset(source.quantities))
        broker.say("plug", '{"u": 231}')
        assert said(source, "plug")[0].values == {"voltage": 231}
    finally:
        broker.say("plug", b"", retain=True)


def test_what_was_said_too_long_ago_is_silence_told_once(broker, listening, caplog):
    caplog.set_level(logging.INFO)
    both = {"plug": PLUG, "other": Device(topic="other", quantities={"voltage": "."})}
    source = listening(devices=both, stale_after=Seconds(600))
    broker.say("plug", '{"power": 1}')
    broker.say("other", "230")
    assert len(said(source, "plug", "other")) == 2
    now_s = time.monotonic()
    source.opened_s = now_s - 10_000
    for form in source.said["other"].values():
        form.at_s = now_s - 601
    for _ in range(3):
        assert [each.device for each in said(source)] == ["plug"]
    assert caplog.messages.count("plugs: other: silent for 600 s") == 1
    broker.say("other", "231")
    wait_for(lambda: len(said(source)) == 2, "the other is back")
    assert caplog.messages.count("plugs: other: back") == 1
    for forms in source.said.values():
        for form in forms.values():
            form.at_s = now_s - 601
    with pytest.raises(DeviceSilent, match="in the last 600 s"):
        said(source)


def test_a_device_that_says_it_is_offline_has_no_values(broker, listening, caplog):
    source = listening(devices={"z": Device(model="zigbee2mqtt"), "plug": PLUG})
    broker.say("zigbee2mqtt/cellar/desk", '{"power_l1": 41, "power_l2": 3}')
    broker.say("plug", '{"power": 1}')
    assert len(said(source, "z.cellar_desk.l1", "z.cellar_desk.l2", "plug")) == 3
    for _ in range(2):
        broker.say("zigbee2mqtt/cellar/desk/availability", '{"state": "offline"}')
    wait_for(lambda: len(said(source)) == 1, "its outlets are gone")
    assert caplog.messages.count("plugs: z.cellar_desk: offline, as it says") == 1
    broker.say("zigbee2mqtt/cellar/desk", '{"power_l1": 40}')
    wait_for(lambda: len(said(source)) == 2, "one is back")
    broker.say("zigbee2mqtt/cellar/desk/availability", "offline")
    source.said["plug"].clear()
    wait_for(lambda: source.offline == {"z.cellar_desk.l1", "z.cellar_desk.l2"}, "it is gone")
    with pytest.raises(DeviceSilent, match=r"offline, as they say: z\.cellar_desk\.l1"):
        said(source)


def say_by_field(broker, device, **fields):
    for name, value in fields.items():
        broker.say(f"zigbee2mqtt/{device}/{name}", value)


@pytest.mark.parametrize("topic", ["", "cellar/board"])
def test_fields_in_topics_of_their_own_are_one_message(broker, listening, topic, monkeypatch):
    monkeypatch.setattr(attributes, "SETTLE_S", 1e9)
    name = "z" if topic else "z.cellar_board"
    source = listening(devices={"z": Device(model="zigbee2mqtt", topic=topic)})
    say_by_field(broker, "cellar/board", state="ON", power="89", voltage="231.2")
    say_by_field(broker, "cellar/board", linkquality="9", power_phase_b="384", power_phase_c="0")
    wait_for(lambda: len(source.attributes.said.get("zigbee2mqtt/cellar/board", ())) == 5, "all")
    source.settle()
    assert not source.said, "more might come, and change what 'power' is"
    monkeypatch.setattr(attributes, "SETTLE_S", 0)
    source.settle()
    (reading,) = said(source, name)
    phases = {"active_power_l1": 89, "active_power_l2": 384, "active_power_l3": 0}
    assert reading.values == phases | {"voltage_l1": 231.2, "relay": 1}
    say_by_field(broker, "cellar/board", power="90", voltage="")
    wait_for(
        lambda: said(source, name)[0].values == phases | {"active_power_l1": 90, "relay": 1},
        "what changed is known, and what has no value is absent",
    )
    broker.say("zigbee2mqtt/cellar/board/availability", "offline")
    wait_for(lambda: source.offline == {name}, "it is gone")
    with pytest.raises(DeviceSilent, match="offline, as they say"):
        source.read(AT_MS, frozenset())


def test_a_sensor_s_battery_is_no_mains_voltage_by_field_either(broker, listening):
    source = listening(devices={"z": Device(model="zigbee2mqtt")})
    say_by_field(broker, "attic", voltage="3045", battery="100", temperature="27.3")
    wait_for(lambda: source.settle() or source.said, "it is heard")
    (reading,) = said(source, "z.attic")
    assert (reading.kind, reading.values) == ("climate", {"temperature": 27.3})


def test_fields_that_came_too_long_ago_are_forgotten():
    heard = Attributes(forms_of(Device(model="zigbee2mqtt"), "d"))
    assert heard.hear("zigbee2mqtt/a/power", 5, 0.0)
    assert heard.hear("zigbee2mqtt/a/voltage", 230, 100.0)
    assert not heard.hear("other/a/power", 5, 0.0)
    assert not heard.hear("zigbee2mqtt/a/update", {"power": 5}, 0.0)
    assert list(heard.settled(100.0, 50.0)) == [("zigbee2mqtt/a", {"voltage": 230}, 100.0)]
    assert list(heard.settled(200.0, 150.0)) == []
    assert not heard.said
    for number in range(1000):
        heard.hear(f"zigbee2mqtt/{number}/power", 5, 0.0)
    assert len(heard.said) == 400


def test_a_device_that_has_only_channels_is_not_silent(broker, listening, caplog):
    source = listening(devices={"em": Device(model="shelly-em", topic="shellyem-1")})
    source.opened_s -= 10_000
    broker.say("shellies/shellyem-1/emeter/1/power", "-120.5")
    (reading,) = said(source, "em.1")
    assert (reading.device, reading.values) == ("em.1", {"active_power": -120.5})
    assert "silent" not in caplog.text


def test_of_two_models_that_fit_the_better_is_found():
    def heard(model, *topics):
        return {(model, "x"): {f"shellies/x/{each}": {"active_power"} for each in topics}}

    two = ("emeter/0/power", "emeter/1/power")
    three = (*two, "emeter/2/power")
    assert discover.best(heard("shelly-em", *two) | heard("shelly-3em", *two)).keys() == {
        ("shelly-em", "x")
    }
    assert discover.best(heard("shelly-em", *two) | heard("shelly-3em", *three)).keys() == {
        ("shelly-3em", "x")
    }
    relay = heard("shelly-gen1", "relay/0")
    assert discover.best(relay | heard("shelly-plus", "events/rpc")).keys() == {
        ("shelly-gen1", "x"),
        ("shelly-plus", "x"),
    }


def test_a_broker_full_of_devices_is_not_read_without_end(broker, listening, caplog, monkeypatch):
    monkeypatch.setattr(mqtt_in, "MOST_DEVICES", 2)
    source = listening(devices={"d": Device(topic="d/+", quantities={"voltage": "."})})
    for number in range(5):
        broker.say(f"d/{number}", "230")
    broker.say("d/0", "231")
    wait_for(lambda: said(source, "d.0")[0].values == {"voltage": 231}, "the last is heard")
    assert source.said.keys() == {"d.0", "d.1"}
    assert sum("more than 2 devices" in each for each in caplog.messages) == 1


def test_every_field_that_comes_is_shown(broker, monkeypatch):
    monkeypatch.setattr(mqtt_in, "RAW_S", 0.5)
    broker.say("tele/raw/SENSOR", TASMOTA, retain=True)
    source = source_at(broker.line, devices={"t": Device(model="tasmota", topic="raw")})
    try:
        rows = {row["label"]: row for row in source.read_raw()}
    finally:
        source.close()
        broker.say("tele/raw/SENSOR", b"", retain=True)
    assert rows["tele/raw/SENSOR ENERGY.Total"] == {
        "label": "tele/raw/SENSOR ENERGY.Total",
        "text": "31.427",
        "quantity": "active_energy",
        "value": 31427,
        "meaning": "t",
    }


# The broker


def test_a_login_is_needed_and_named_where_it_is_wrong(tmp_path):
    (tmp_path / "mqtt").write_text("wrong")
    secret = Secret("mqtt", tmp_path)
    with mosquitto.running(tmp_path / "broker", login=True) as broker:
        source = source_at(broker.line)
        with pytest.raises(DeviceRefused, match=r"refuses a connection without a login.*password"):
            source.open()
        source = source_at(broker.line, user=mosquitto.USER, password=secret)
        with pytest.raises(DeviceRefused, match=r"login of 'monitor'.*mend 'user' or the secret"):
            source.open()
        (tmp_path / "mqtt").write_text(mosquitto.PASSWORD)
        source.open()
        await_listening(broker, source)
        broker.say("plug", '{"power": 1}')
        assert said(source, "plug")[0].values == {"active_power": 1}
        source.close()
        source.close()


def test_a_secret_that_is_missing_is_said_to_be(tmp_path):
    source = source_at("mqtt://127.0.0.1:1", user="x", password=Secret("mqtt", tmp_path))
    with pytest.raises(SecretMissing, match="secret 'mqtt' is not found"):
        source.open()


def test_a_broker_that_goes_away_is_listened_to_again(tmp_path):
    with mosquitto.running(tmp_path) as broker:
        source = source_at(broker.line)
        source.open()
        await_listening(broker, source)
        broker.say("plug", '{"power": 1}')
        assert said(source, "plug")
    away = wait_for(lambda: fault(source), "it is away")
    assert isinstance(away, LineAway)
    source.close()
    with pytest.raises(LineAway, match="cannot be reached"):
        source.open()
    with mosquitto.running(tmp_path, port=broker.port) as broker:
        source.open()
        await_listening(broker, source)
        broker.say("plug", '{"power": 2}')
        wait_for(lambda: said(source, "plug")[0].values == {"active_power": 2}, "it is back")
        source.close()


def fault(source):
    try:
        source.read(AT_MS, frozenset(source.quantities))
    except LineAway as error:
        return error
    return None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_broker_s_certificate_must_be_signed_by_whom_we_trust(tmp_path):
    for name in ("ours", "other"):
        key, certificate = make_certificate()
        (tmp_path / f"{name}.key").write_text(key)
        (tmp_path / f"{name}.pem").write_text(certificate)
    extra = f"certfile {tmp_path}/ours.pem\nkeyfile {tmp_path}/ours.key"
    with mosquitto.running(tmp_path / "broker", extra=extra) as broker:
        line = broker.line.replace("mqtt:", "mqtts:")
        with pytest.raises(LineAway, match="certificate verify failed"):
            source_at(line, tmp_path, ca="other.pem").open()
        with pytest.raises(LineAway, match="No such file"):
            source_at(line, tmp_path, ca="missing.pem").open()
        gc.collect()  # paho leaves a socket whose handshake failed for Python to close
        source = source_at(line, tmp_path, ca="ours.pem")
        source.open()
        source.broker.check()
        source.close()


def test_a_server_that_stays_silent_is_left(monkeypatch):
    monkeypatch.setattr(mqtt, "ANSWER_S", 0.2)
    with Broker() as silent:
        source = source_at(silent.url)
        with pytest.raises(DeviceSilent, match="is it an MQTT broker"):
            source.open()
    assert source.broker.client is None


class Broker(Loopback):
    """Answers each connection with the next of *answers*, all but the first word in silence."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = answers
        self.asked = []
        self.url = self.line.replace("tcp:", "mqtt:")

    def serve(self, client):
        self.asked.append(client.recv(1000))
        self.greeting = b"".join(self.answers[len(self.asked) - 1 : len(self.asked)])
        super().serve(client)


def test_a_broker_that_knows_only_the_older_version_is_spoken_to_in_it():
    refused, accepted = b"\x20\x02\x00\x01", b"\x20\x02\x00\x00"
    with Broker(refused, accepted) as older:
        source = source_at(older.url)
        source.open()
        assert [each[8] for each in older.asked] == [5, 4]  # the byte behind the protocol's name
        source.close()


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 20, b"\x20\xff\xff"]
)
def test_a_server_that_is_no_broker_is_left(answer, monkeypatch):
    monkeypatch.setattr(mqtt, "ANSWER_S", 0.5)
    with (
        Broker(answer) as server,
        pytest.raises((LineAway, DeviceSilent, DeviceRefused)),
    ):
        source_at(server.url).open()


@pytest.mark.parametrize(
    "line",
    ["", "192.168.2.3", "tcp://a:1883", "mqtt://", "mqtt://a:x", "mqtt://u:p@a", "mqtt://a/b"],
)
def test_a_line_that_is_none_is_refused(line):
    with pytest.raises(BadOption, match="is not a line; write mqtt://HOST") as bad:
        source_at(line)
    assert bad.value.option == "line"


def test_a_broker_without_devices_is_refused():
    with pytest.raises(BadOption, match="nothing would be read") as bad:
        source_at("mqtt://a", devices={})
    assert bad.value.option == "devices"


@pytest.mark.parametrize(
    ("options", "at", "why"),
    [
        ({"ca": "broker-ca.pem"}, "ca", "is used with TLS only: write mqtts:// in 'line'"),
        ({"password": Secret("mqtt-password")}, "user", "a password needs a user"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(options, at, why):
    with pytest.raises(BadOption, match=why) as bad:
        source_at("mqtt://a", **options)
    assert bad.value.option == at


def test_a_device_whose_name_cannot_be_stored_is_refused():
    with pytest.raises(BadOption, match="'my plug' is not a valid name: up to 200 letters") as bad:
        source_at("mqtt://a", devices={"my plug": PLUG})
    assert bad.value.option == "devices.my plug"


def test_a_broker_that_does_not_let_us_listen_says_so():
    connected, refused = b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x87"
    with Broker(connected + refused) as strict:
        source = source_at(strict.url)
        with suppress(LineAway):  # as soon as it has come
            source.open()
        wait_for(lambda: source.broker.fault, "it is refused")
        with pytest.raises(LineAway, match="does not let us listen: Not authorized"):
            source.broker.check()
        source.close()


def test_the_first_read_waits_for_a_moment(broker, listening, monkeypatch):
    monkeypatch.setattr(mqtt_in, "FIRST_S", 20)
    source = listening()
    source.opened_s = time.monotonic()
    threading.Timer(0.2, broker.say, ["plug", '{"power": 1}']).start()
    assert source.read(AT_MS, frozenset({"active_power"}))[0].values == {"active_power": 1}


def test_the_first_read_waits_for_values_that_come_one_by_one(broker, listening, monkeypatch):
    monkeypatch.setattr(mqtt_in, "FIRST_S", 20)
    source = listening(devices={"plugs": Device(model="shelly-gen1")})
    source.opened_s = time.monotonic()
    for after_s, topic in enumerate(["relay/0/power", "relay/1/power", "relay/1"]):
        said = [f"shellies/boiler/{topic}", "1"]
        threading.Timer(0.2 * after_s, broker.say, said).start()
    found = {each.device: each.values for each in source.read(AT_MS, frozenset())}
    assert found == {
        "plugs.boiler": {"active_power": 1},
        "plugs.boiler.1": {"active_power": 1, "relay": 1},
    }


def test_a_bug_of_ours_is_told_where_the_service_looks(broker, listening, monkeypatch):
    source = listening()
    monkeypatch.setattr(source.broker, "heard", lambda *_: 1 / 0)
    broker.say("plug", '{"power": 1}')
    wait_for(lambda: source.broker.fault, "it is noticed")
    with pytest.raises(ZeroDivisionError):
        source.read(AT_MS, frozenset())


def test_it_fits_the_intake():
    source = source_at("mqtt://a", devices={"t": Device(model="tasmota"), "p": PLUG})
    made = feed("plugs", source, source.options, SourceHealth())
    assert made.groups[0].interval_ms == 10_000
    assert list(source.quantities).count("active_power") == 1


# The whole program


@contextmanager
def saying(broker):
    """Let the devices talk all the time, whatever becomes of the broker."""
    stop = threading.Event()

    def talk():
        while not stop.wait(0.05):
            with suppress(OSError):
                broker.say("tele/washer/SENSOR", TASMOTA)
                broker.say("attic", '{"t": 68}')

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_for_state(folder, state):
    wait_for(lambda: ask(folder)["sources"]["plugs"]["state"] == state, f"it is {state}")


CONFIG = """\
  plugs:
    type: mqtt_in
    line: {line}
    every: 100ms
    devices:
      washer: {{model: tasmota, topic: washer}}
      attic:
        topic: attic
        kind: climate
        quantities: {{temperature: t}}
        units: {{temperature: °F}}
"""


def test_the_service_reads_through_a_broker_s_restart(tmp_path):
    with mosquitto.running(tmp_path / "broker") as broker:
        file = configure(tmp_path / "house", CONFIG.format(line=broker.line))
        with collector(file) as process, saying(broker):
            before = wait_for_reads(tmp_path / "house", "plugs")
            assert before["sources"]["plugs"]["state"] == "alive"
            shown = energy_monitor("read", "plugs", "--config", file)
            assert "31427" in shown.stdout
            assert "20  °C" in shown.stdout
            broker.process.terminate()
            wait_for_state(tmp_path / "house", "silent")
            with mosquitto.running(tmp_path / "again", port=broker.port):
                wait_for_state(tmp_path / "house", "alive")
            process.terminate()
            told = process.stderr.read()
    assert told.count("plugs: silent: ") == 1
    assert told.count("plugs: answering again after ") == 1


def test_what_talks_at_a_broker_is_found_as_a_configuration(broker, tmp_path, monkeypatch):
    monkeypatch.setattr(discover, "LISTEN_S", 0.5)
    topics = {"tele/DVES_1A/SENSOR": TASMOTA, "zigbee2mqtt/Küche/power": "5", "other": "5"}
    for topic, payload in topics.items():
        broker.say(topic, payload, retain=True)
    shown = CliRunner().invoke(main, ["scan", "--line", broker.line])
    listed = CliRunner().invoke(main, ["scan", "--line", broker.line, "--json"])
    for topic in topics:
        broker.say(topic, b"", retain=True)
    file = tmp_path / "config.yaml"
    file.write_text(shown.stdout)
    devices = config.load(file).sources["mqtt1"].devices
    assert devices["DVES_1A"] == Device(model="tasmota", topic="DVES_1A")
    assert devices["K_che"] == Device(model="zigbee2mqtt", topic="Küche")
    (found,) = json.loads(listed.stdout)
    found_topics = [each["topic"] for each in found["options"]["devices"].values()]
    assert found_topics == ["DVES_1A", "Küche"]
    nothing = CliRunner().invoke(main, ["scan", "--line", broker.line])
    assert "no device of a known kind" in nothing.stderr
    away = CliRunner().invoke(main, ["scan", "--line", "mqtt://127.0.0.1:1"])
    assert "cannot be reached" in away.output


def test_a_message_that_is_far_too_long_is_not_taken():
    accepted, announced = b"\x20\x03\x00\x00\x00", b"\x30\xff\xff\xff\x7f"
    with Loopback([accepted, announced, *([bytes(65536)] * 4000)]) as server:
        broker = mqtt.Broker(server.line.replace("tcp", "mqtt"), lambda *_: None)
        with pytest.raises(LineAway, match="a message of 268435455 bytes"):
            open_and_check(broker)
        broker.close()


def open_and_check(broker):
    broker.open(["a"])
    wait_for(lambda: broker.fault, "the message is refused")
    broker.check()
