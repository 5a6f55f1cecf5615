"""A connection to an MQTT broker that publishes: the broker confirms each message (QoS 1).

A message that the broker refuses is known only with MQTT 5: an older broker confirms it all the
same, and drops it.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.errors import DeviceRefused, DeviceSilent, LineAway
from collector.lines.mqtt import Broker, Heard

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

CONFIRM_S = 20.0  # for all that is sent at once; a broker across the world takes a second
GOODBYE_S = 2.0
LOOK_S = 0.2
IN_FLIGHT = 20  # mosquitto's default; a broker that takes fewer says so
HEADER = 100  # of a packet, beside topic and payload: some 10 bytes, more where brokers add to it

Posted = tuple[str, "MQTTMessageInfo"]  # the topic of a message, and what confirms it


@dataclass(frozen=True, slots=True)
class Message:
    """One message; *retain* lets the broker keep it for those that come later."""

    topic: str
    payload: bytes
    retain: bool = True


class TooLarge(LineAway):
    """The broker takes no message of that size; *largest* is the largest payload."""


class Publisher(Broker):
    """A connection that also publishes.

    The broker publishes *will* when the connection is lost. ``close`` publishes it too, since a
    connection that is closed properly has no will. *certificate* is a file with our certificate,
    for brokers that ask for one. *due* is called a few times a second, in the thread that listens.
    """

    def __init__(
        self,
        url: str,
        heard: Heard,
        ca: Path | None = None,
        *,
        client_id: str,
        certificate: Path | None = None,
        will: Message | None = None,
        due: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(url, heard, ca, client_id=client_id)
        self.certificate = certificate
        self.key = ""
        self.will = will
        self.turn = due  # type: ignore[method-assign]
        self.confirm_s = CONFIRM_S
        self.largest: int | None = None
        self.refused: dict[int, Any] = {}
        self.left_with = 0
        self.has_let_in = False

    @property
    def is_open(self) -> bool:
        return self.client is not None and self.fault is None

    def trust(self) -> ssl.SSLContext:
        context = super().trust()
        if self.certificate:
            load_key(context, self.certificate, self.key)
        return context

    def prepare(self, client: "Client") -> None:
        self.largest, self.left_with, self.has_let_in = None, 0, False
        self.refused.clear()
        client.max_inflight_messages_set(IN_FLIGHT)
        # With this set, only the thread that listens writes to the socket: paho has no lock there.
        client.on_socket_register_write = lambda *_: None
        client.on_publish = self.on_publish
        if self.will:
            client.will_set(self.will.topic, self.will.payload, qos=1, retain=self.will.retain)

    def send(self, messages: Iterable[Message]) -> None:
        """Publish *messages* and wait until the broker has confirmed them all.

        Raise LineAway, TooLarge, DeviceRefused or DeviceSilent.
        """
        self.await_all([self.post(message) for message in messages])

    def post(self, message: Message) -> Posted:
        """Publish *message*; do not wait. Raise LineAway or TooLarge."""
        self.check()
        if self.client is None:
            raise LineAway(f"{self.url} is not connected")
        self.check_size(message)
        info = self.client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        return message.topic, info

    def check_size(self, message: Message) -> None:
        """Raise TooLarge where the broker has said that it takes no such message."""
        size = len(message.payload) + len(message.topic) + HEADER
        if self.largest is not None and size > self.largest:
            raise TooLarge(
                f"{self.url} takes messages of at most {self.largest} bytes; that to "
                f"{message.topic!r} has {size}"
            )

    def await_all(self, posted: Iterable[Posted]) -> None:
        """Wait until the broker has confirmed all that was *posted*; see ``send``."""
        deadline = time.monotonic() + self.confirm_s
        for topic, info in posted:
            while not is_confirmed(info, min(deadline - time.monotonic(), LOOK_S)):
                self.check()
                if time.monotonic() > deadline:
                    raise DeviceSilent(
                        f"{self.url} has not confirmed a message to {topic!r} within "
                        f"{self.confirm_s:.0f} s"
                    )
            if (code := self.refused.pop(info.mid, None)) is not None:
                raise DeviceRefused(f"{self.url} refuses a message to {topic!r}: {code}")

    def close(self) -> None:
        """Publish the will and disconnect; where that is not confirmed, the broker does it."""
        is_polite = self.is_open and self.say_goodbye()
        self.stop.set()
        if self.thread is not None:
            self.thread.join()
        client, self.client, self.thread = self.client, None, None
        if client is not None:
            client.on_disconnect = None
            if is_polite:
                client.disconnect()
                client.loop_write()
            elif (connection := client.socket()) is not None:
                with suppress(OSError):
                    connection.close()

    def say_goodbye(self) -> bool:
        """Return whether the broker has confirmed our will."""
        patient, self.confirm_s = self.confirm_s, min(self.confirm_s, GOODBYE_S)
        try:
            if self.will and self.has_let_in:
                self.send([self.will])
        except (LineAway, DeviceRefused, DeviceSilent):
            return False
        finally:
            self.confirm_s = patient
        return True

    def on_connect(self, client: "Client", _data: Any, _flags: Any, code: Any, more: Any) -> None:
        self.has_let_in = not code.is_failure
        if self.has_let_in:
            self.largest = getattr(more, "MaximumPacketSize", None)
            takes = getattr(more, "ReceiveMaximum", IN_FLIGHT)
            client._max_inflight_messages = min(IN_FLIGHT, takes)  # noqa: SLF001  paho ignores it
        super().on_connect(client, _data, _flags, code, more)

    def on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        self.left_with = code.value
        super().on_disconnect(_client, _data, _flags, code, _more)

    def on_publish(self, _client: Any, _data: Any, number: int, code: Any, _more: Any) -> None:
        if code.is_failure:
            self.refused[number] = code


def is_confirmed(info: "MQTTMessageInfo", within_s: float) -> bool:
    with suppress(RuntimeError, ValueError):  # paho's, of a connection that is lost
        info.wait_for_publish(max(within_s, 0))
        return info.is_published()
    time.sleep(0.01)
    return False


def load_key(context: ssl.SSLContext, certificate: Path, key: str) -> None:
    """Load our certificate and its key, which reaches OpenSSL through memory. Raise OSError."""
    descriptor = os.memfd_create("key")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(key.encode())
        # A password is given so that OpenSSL never asks for one at the terminal.
        context.load_cert_chain(certificate, f"/proc/self/fd/{descriptor}", password="")
    finally:
        os.close(descriptor)
