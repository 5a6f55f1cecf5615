"""mosquitto, for the suite over all outputs, with a client that hears all that is published."""

import json
import os
import threading
from contextlib import contextmanager

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.fakes.outputs.far import METER, TOKEN, Far
from tests.servers import mosquitto

FULL = b"\x20\x03\x00\x97\x00"  # "quota exceeded"
ENDLESS = b"\x20\x03\x00\x00\x00\x30\xff\xff\xff\x7f" + bytes(3_000_000)
UNBOUNDED = "max_queued_messages 0\nmax_inflight_messages 0"


class Ear:
    """Hears everything at a broker, from what it has retained on, in order."""

    def __init__(self, server, topics="#"):
        self.heard: list[tuple[str, bytes, bool]] = []
        self.marks: dict[bytes, threading.Event] = {}
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if server.login:
            self.client.username_pw_set(mosquitto.USER, mosquitto.PASSWORD)
        ready = threading.Event()
        self.topics = topics
        self.client.on_connect = self.listen
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self.hear
        self.client.connect("127.0.0.1", server.port)
        self.client.loop_start()
        assert ready.wait(10)

    def listen(self, *_):
        self.client.subscribe(self.topics, qos=1)

    def hear(self, _client, _data, message):
        if message.topic == "test/mark":
            self.marks[message.payload].set()
            return
        self.heard.append((message.topic, message.payload, message.retain))

    def await_all(self):
        """Wait until all that was published before now is heard."""
        mark = os.urandom(8).hex().encode()
        self.marks[mark] = threading.Event()
        self.client.publish("test/mark", mark, qos=1)
        assert self.marks[mark].wait(30)

    def of(self, topic):
        """Return what was said to *topic*, in order."""
        self.await_all()
        return [payload for each, payload, _ in [*self.heard] if each == topic]

    def say(self, topic, payload, *, retain=False):
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def hearing(server, topics="#"):
    ear = Ear(server, topics)
    try:
        yield ear
    finally:
        ear.close()


@contextmanager
def hurried(output):
    broker = output.connection.broker
    patient, broker.confirm_s = broker.confirm_s, 0.5
    yield
    broker.confirm_s = patient


@contextmanager
def far(folder, stored):
    with (
        mosquitto.running(folder, login=True, extra=UNBOUNDED) as server,
        hearing(server) as ear,
    ):
        yield Far(
            url=server.line,
            options={"user": mosquitto.USER, "password": TOKEN},
            secrets={"token": mosquitto.PASSWORD},
            stored=lambda device: stored(ear, device),
            hurried=hurried,
            full=FULL,
            endless=ENDLESS,
            credential="token",
        )


def documents(ear, device, leaf):
    return [json.loads(each) for each in ear.of(f"energy_monitor/home/{device}/{leaf}")]


def newest(ear, device):
    states = documents(ear, device, "state")
    return {each["time_ms"]: each["voltage"] for each in states[-1:]}


def all_of(ear, device):
    found = documents(ear, device, "history")
    return {each["time_ms"]: each["voltage"] for each in found if each["kind"] == METER}


def mosquitto_state(folder):
    return far(folder, newest)


def mosquitto_history(folder):
    return far(folder, all_of)
