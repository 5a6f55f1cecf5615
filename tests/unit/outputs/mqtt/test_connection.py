"""The connection of an output to its broker: each fault in a sentence, with what mends it."""

import json
import re
import socket
import time

import pytest

from collector.errors import OutputAway
from tests.fakes.certificates import make_certificate
from tests.fakes.outputs.mqtt import hearing
from tests.fakes.outputs.mqtt_case import ROOT, line, make, showing
from tests.fakes.proxy import Proxy
from tests.servers import mosquitto

READING = {"voltage": 230.5}
BOTH = pytest.mark.parametrize("kind", ["mqtt", "mqtt_history"])


class At:
    """A server that is reached at *line*."""

    def __init__(self, line):
        self.line = line


def away(output):
    """Return what is said where a reading cannot be delivered."""
    with pytest.raises(OutputAway) as caught:
        output.write([line(1_000, **READING)])
    assert not output.connection.is_open
    return str(caught.value)


def secret(folder, name, value):
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / name).write_text(value)


@pytest.fixture
def tls(tmp_path):
    """A broker with TLS that wants a certificate of its clients, and the files of both sides."""
    key, certificate = make_certificate()
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "cert.pem").write_text(certificate)
    secret(tmp_path, "mqtt-key-token", key)
    files = f"cafile {tmp_path}/cert.pem\ncertfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem"
    extra = f"{files}\nrequire_certificate true"
    with mosquitto.running(tmp_path / "broker", extra=extra) as server:
        yield At(server.line.replace("mqtt:", "mqtts:"))


OURS = {"ca": "cert.pem", "certificate": "cert.pem", "key": "!secret mqtt-key-token"}


@BOTH
def test_tls_with_a_ca_of_ones_own_and_a_certificate_of_the_client_works(tmp_path, tls, kind):
    with showing(tmp_path, tls, kind, **OURS) as it:
        it.write([line(1_000, **READING)])
        assert it.connection.is_open


def test_a_broker_that_is_not_trusted_is_said_with_what_shows_its_certificate(tmp_path, tls):
    with showing(tmp_path, tls) as it:
        said = away(it)
    assert "certificate verify failed" in said
    assert "'ca' must name a file" in said
    assert re.search(r"openssl s_client -showcerts -connect 127.0.0.1:\d+'", said)


def test_a_broker_that_asks_for_a_certificate_in_vain_is_said(tmp_path, tls):
    with showing(tmp_path, tls, ca="cert.pem") as it:
        assert "give 'certificate' and 'key'" in away(it)


def test_a_key_of_another_certificate_is_said_by_its_secret(tmp_path, tls):
    secret(tmp_path, "mqtt-key-token", make_certificate()[0])
    with showing(tmp_path, tls, **OURS) as it:
        assert "sudo energy-monitor secret set mqtt-key-token" in away(it)


def test_a_key_that_is_none_is_said_and_not_shown(tmp_path, tls):
    secret(tmp_path, "mqtt-key-token", "no-key-at-all")
    with showing(tmp_path, tls, **OURS) as it:
        said = away(it)
    assert "sudo energy-monitor secret set mqtt-key-token" in said
    assert "no-key-at-all" not in said


def test_tls_to_a_port_without_it_is_said(tmp_path):
    with mosquitto.running(tmp_path / "broker") as server:
        at = At(server.line.replace("mqtt:", "mqtts:"))
        with showing(tmp_path, at) as it:
            began = time.monotonic()
            said = away(it)
    assert time.monotonic() - began < 30
    assert "127.0.0.1" in said


def test_a_port_with_tls_that_is_spoken_to_without_is_said(tmp_path, tls):
    with showing(tmp_path, At(tls.line.replace("mqtts:", "mqtt:"))) as it:
        assert "write mqtts:// in 'url'" in away(it)


@BOTH
def test_a_wrong_login_is_said_with_the_command_that_stores_the_right_one(tmp_path, kind):
    secret(tmp_path, "mqtt-token", "guessed-wrongly")
    login = {"user": mosquitto.USER, "password": "!secret mqtt-token"}
    with (
        mosquitto.running(tmp_path / "broker", login=True) as server,
        showing(tmp_path, server, kind, **login) as it,
    ):
        said = away(it)
        assert "refuses the login of 'monitor'" in said
        assert "sudo energy-monitor secret set mqtt-token" in said
        assert "guessed-wrongly" not in said
        secret(tmp_path, "mqtt-token", mosquitto.PASSWORD)
        it.write([line(1_000, **READING)])


def test_a_login_that_is_missing_is_asked_for(tmp_path):
    with (
        mosquitto.running(tmp_path / "broker", login=True) as server,
        showing(tmp_path, server) as it,
    ):
        assert "give 'user' and 'password'" in away(it)


class Taking(Proxy):
    """Says after the first confirmation that another client has come with our id."""

    def carry_back(self, client, far):
        while data := far.recv(65536):
            client.sendall(data)
            if data[0] == 0x40:
                client.sendall(b"\xe0\x01\x8e")
                return


def test_two_with_the_same_id_are_told_of_each_other(tmp_path):
    with (
        mosquitto.running(tmp_path / "broker") as server,
        Taking(server.line) as proxy,
        showing(tmp_path, At(proxy.url), "mqtt_history") as it,
    ):
        it.open()
        it.connection.broker.post(it.message(line(1_000, **READING)))
        it.connection.broker.thread.join(10)
        fault = it.connection.broker.fault
        assert "another client has our id" in str(it.connection.away(fault))


def test_outputs_of_one_house_have_an_id_each(tmp_path):
    with mosquitto.running(tmp_path / "broker") as server:
        names = [make(tmp_path, server, name=name).connection.broker for name in ("one", "two")]
    assert len({each.client_id for each in names}) == 2


class OldBroker(Proxy):
    """A broker that knows MQTT 3.1.1 only."""

    def serve(self, client):
        first = client.recv(65536, socket.MSG_PEEK)
        if first[8] == 5:
            client.recv(65536)
            client.sendall(b"\x20\x02\x00\x01")
            return
        super().serve(client)


@BOTH
def test_a_broker_of_the_older_version_is_published_to_in_it(tmp_path, kind):
    with (
        mosquitto.running(tmp_path / "broker") as server,
        OldBroker(server.line) as old,
        hearing(server) as ear,
        showing(tmp_path, At(old.url), kind) as it,
    ):
        it.write([line(1_000, **READING)])
        leaf = "state" if kind == "mqtt" else "history"
        assert json.loads(ear.of(f"{ROOT}/mains/{leaf}")[0])["voltage"] == 230.5


class Confirmations(Proxy):
    """Loses every confirmation of a message while *lose* is set, and hangs up."""

    lose = False

    def carry_back(self, client, far):
        while data := far.recv(65536):
            if self.lose and data[0] == 0x40:
                self.lost += 1
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(data)


def test_a_reading_whose_confirmation_is_lost_comes_again_as_the_same_message(tmp_path):
    with (
        mosquitto.running(tmp_path / "broker") as server,
        Confirmations(server.line) as proxy,
        hearing(server) as ear,
        showing(tmp_path, At(proxy.url), "mqtt_history") as it,
    ):
        it.open()
        proxy.lose = True
        assert "went away" in away(it)
        assert proxy.lost
        proxy.lose = False
        it.write([line(1_000, **READING)])
        one, two = ear.of(f"{ROOT}/mains/history")
        assert one == two
        assert json.loads(one)["time_ms"] == 1_000_000


@BOTH
def test_a_broker_that_stops_confirming_is_given_up_after_a_while(tmp_path, kind):
    with (
        mosquitto.running(tmp_path / "broker") as server,
        Proxy(server.line) as proxy,
        showing(tmp_path, At(proxy.url), kind) as it,
    ):
        it.open()
        it.connection.broker.confirm_s = 0.3
        server.process.send_signal(19)
        try:
            assert "has not confirmed a message" in away(it)
        finally:
            server.process.send_signal(18)
        it.connection.broker.confirm_s = 20
        it.write([line(1_000, **READING)])


def test_every_reading_has_a_message_in_order(tmp_path):
    with (
        mosquitto.running(tmp_path / "broker", extra="max_queued_messages 0") as server,
        hearing(server) as ear,
        showing(tmp_path, server, "mqtt_history", tags={"floor": "ground"}) as it,
    ):
        it.write([line(at_s, daily_energy=5.0, **READING) for at_s in range(1_000)])
        said = [json.loads(each) for each in ear.of(f"{ROOT}/mains/history")]
    assert [each["time_ms"] for each in said] == [1_000 * at_s for at_s in range(1_000)]
    assert said[0]["daily_energy"] == 5.0
    assert said[0]["floor"] == "ground"
    assert not [topic for topic, _, retained in ear.heard if retained]
