"""Publishing to a broker: what is confirmed, the last will, and a connection that fails."""

import gc

import pytest

from collector.errors import DeviceSilent, LineAway
from collector.lines.mqtt_publish import Message, Publisher, TooLarge
from tests.fakes.certificates import make_certificate
from tests.fakes.outputs.mqtt import hearing
from tests.servers import mosquitto

WILL = Message("house/status", b"offline")


@pytest.fixture
def broker(tmp_path):
    with mosquitto.running(tmp_path / "broker", extra="max_packet_size 2000") as server:
        yield server


def publisher(line, **more):
    return Publisher(line, lambda *_: None, client_id="it", will=WILL, **more)


def test_what_is_sent_is_at_the_broker_when_it_returns(broker):
    it = publisher(broker.line)
    it.open(())
    it.send(Message(f"house/{number}", b"%d" % number) for number in range(300))
    it.close()
    with hearing(broker) as ear:
        ear.await_all()
        heard = {topic: payload for topic, payload, _ in ear.heard}
    assert heard.pop("house/status") == b"offline"
    assert heard == {f"house/{number}": b"%d" % number for number in range(300)}


def test_what_the_broker_says_is_too_large_is_not_sent(broker):
    it = publisher(broker.line)
    it.open(())
    with pytest.raises(TooLarge, match="takes messages of at most 2000 bytes; that to 'house/x'"):
        it.send([Message("house/x", bytes(2_000))])
    it.send([Message("house/x", bytes(1_000))])
    it.close()


def test_a_connection_that_is_not_open_says_so(broker):
    it = publisher(broker.line)
    with pytest.raises(LineAway, match="is not connected"):
        it.send([WILL])
    it.close()


def test_a_broker_that_is_stopped_confirms_nothing_and_the_will_is_its_business(broker):
    it = publisher(broker.line)
    it.open(())
    broker.process.send_signal(19)
    it.confirm_s = 0.2
    with pytest.raises(DeviceSilent, match="has not confirmed a message to 'house/status'"):
        it.send([WILL])
    it.close()
    broker.process.send_signal(18)
    with hearing(broker) as ear:
        assert ear.of("house/status")[-1] == b"offline"


def test_a_certificate_that_is_not_trusted_leaves_no_socket_open(tmp_path):
    key, certificate = make_certificate()
    (tmp_path / "key").write_text(key)
    (tmp_path / "cert").write_text(certificate)
    extra = f"certfile {tmp_path}/cert\nkeyfile {tmp_path}/key"
    with mosquitto.running(tmp_path / "broker", extra=extra) as server:
        it = publisher(server.line.replace("mqtt:", "mqtts:"))
        with pytest.raises(LineAway, match="certificate verify failed"):
            it.open(())
    gc.collect()  # an open socket is an error then
