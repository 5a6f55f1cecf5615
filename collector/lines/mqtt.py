"""A connection to an MQTT broker: a thread of its own listens (``mqtt_publish`` also publishes).

MQTT 5 is spoken, for in it a broker is told the largest message that is wanted; with brokers that
know only 3.1.1, that is spoken.
"""

import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from collector.errors import DeviceRefused, DeviceSilent, LineAway
from collector.lines.reason import why

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

PORTS = {"mqtt": 1883, "mqtts": 8883}
CONNECT_S = 5.0
ANSWER_S = 5.0
KEEPALIVE_S = 15  # a broker that is silent for twice as long is away; paho waits so long for TLS
LARGEST_MESSAGE = 65_536
LARGEST_PACKET = 2 * LARGEST_MESSAGE  # a topic and properties too; older brokers know no limit
STOP_WITHIN_S = 0.25  # how long the thread waits for bytes before it looks whether to stop
OTHER_VERSION = 132  # "unsupported protocol version"; paho tells 1 of MQTT 3.1.1 in these words too
LOGIN = (134, 135, 138)  # bad user name or password, not authorised, banned

Heard = Callable[[str, bytes], None]


@dataclass(frozen=True)
class Address:
    """Where a broker is."""

    host: str
    port: int
    is_secret: bool


def address(url: str) -> Address:
    """Read ``mqtt://HOST:PORT`` or ``mqtts://HOST:PORT``. Raise ValueError where it is none."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(url)
        plain = parts.scheme in PORTS and url == f"{parts.scheme}://{parts.netloc}"
        if plain and "@" not in url and parts.hostname and parts.port != 0:
            port = parts.port or PORTS[parts.scheme]
            return Address(parts.hostname, port, parts.scheme == "mqtts")
    raise ValueError(
        f"{url!r} is not a line; write mqtt://HOST, or mqtts://HOST for TLS, with :PORT if needed"
    )


class ClosedWhereItFails(ssl.SSLSocket):
    """A connection that a failed handshake closes; paho leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class Broker:
    """One connection; it hands each new message to *heard*, in its own thread.

    What *heard* raises is raised by ``check``. *ca* is a file of certificates that are trusted, in
    place of the system's, *client_id* is our name at the broker (default: it gives one). Raise
    ValueError for a wrong *url*.
    """

    def __init__(
        self, url: str, heard: Heard, ca: Path | None = None, *, client_id: str = ""
    ) -> None:
        self.url = url
        self.address = address(url)
        self.heard = heard
        self.ca = ca
        self.client_id = client_id
        self.with_retained = False
        self.client: Client | None = None
        self.fault: Exception | None = None
        self.topics: tuple[str, ...] = ()
        self.thread: threading.Thread | None = None
        self.answered = threading.Event()
        self.stop = threading.Event()
        self.code = 0
        self.reason = ""

    def open(self, topics: Iterable[str], user: str = "", password: str = "") -> None:
        """Connect and listen to *topics*. Raise LineAway, DeviceRefused or DeviceSilent."""
        from paho.mqtt.client import MQTTv5, MQTTv311  # noqa: PLC0415  7 MB, only where it is used

        self.close()
        self.topics = tuple(topics)
        try:
            self.connect(self.new_client(int(MQTTv5)), user, password)
            if self.code == OTHER_VERSION:
                self.close()
                self.connect(self.new_client(int(MQTTv311)), user, password)
            self.look_at_answer(user)
        except BaseException:
            self.close()
            raise

    def new_client(self, version: int) -> "Client":
        from paho.mqtt.client import Client  # noqa: PLC0415  see open
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: PLC0415  see open

        client = Client(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            protocol=MQTTProtocolVersion(version),
            reconnect_on_failure=False,  # the intake opens again, after pauses of its own
        )
        client.connect_timeout = CONNECT_S
        client.on_connect = self.on_connect
        client.on_disconnect = self.on_disconnect
        client.on_subscribe = self.on_subscribe
        client.on_message = self.on_message
        receive = client._sock_recv  # noqa: SLF001  paho takes 256 MB, and has no door before that

        def receive_some(size: int) -> bytes:
            if size > LARGEST_PACKET:
                raise OverflowError(f"a message of {size} bytes")
            return receive(size)

        client._sock_recv = receive_some  # type: ignore[assignment,method-assign]  # noqa: SLF001  see above
        return client

    def connect(self, client: "Client", user: str, password: str) -> None:
        """Connect and wait for the answer. Raise LineAway or DeviceSilent."""
        self.fault, self.code, self.reason = None, 0, ""
        self.answered.clear()
        self.stop.clear()
        if user:
            client.username_pw_set(user, password or None)
        try:
            if self.address.is_secret:
                client.tls_set_context(self.trust())
            self.prepare(client)
            properties = self.wishes() if client.protocol == 5 else None  # noqa: PLR2004  MQTT 5
            client.connect(self.address.host, self.address.port, KEEPALIVE_S, properties=properties)
        except (OSError, ValueError) as error:  # the latter of a name that no host can have
            raise LineAway(f"{self.url} cannot be reached: {why(error)}") from error
        self.client = client
        self.thread = threading.Thread(
            target=self.listen, args=[client], name=f"listen {self.url}", daemon=True
        )
        self.thread.start()
        if not self.answered.wait(ANSWER_S):
            raise DeviceSilent(
                f"{self.url} accepts the connection but sends nothing: is it an MQTT broker?"
            )

    def trust(self) -> ssl.SSLContext:
        """Return what TLS trusts. Raise OSError where a file cannot be read."""
        context = ssl.create_default_context(cafile=self.ca)
        context.sslsocket_class = ClosedWhereItFails
        return context

    def prepare(self, client: "Client") -> None:
        """Set what *client* must know before it connects; for those that do more than listen."""

    def turn(self) -> None:
        """Do what is due; called between messages, in the thread that listens."""

    @staticmethod
    def wishes() -> Any:
        from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415  see open
        from paho.mqtt.properties import Properties  # noqa: PLC0415  see open

        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = LARGEST_MESSAGE
        return properties

    def look_at_answer(self, user: str) -> None:
        """Raise DeviceRefused or LineAway where the broker does not let us in."""
        if self.code in LOGIN:
            who = f"the login of {user!r}" if user else "a connection without a login"
            raise DeviceRefused(f"{self.url} refuses {who}: {self.reason}")
        if self.code:
            raise DeviceRefused(f"{self.url} refuses the connection: {self.reason}")
        self.check()

    def check(self) -> None:
        """Raise what has gone wrong since ``open``."""
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        self.stop.set()
        if self.thread is not None:
            self.thread.join()
        client, self.client, self.thread = self.client, None, None
        if client is not None:
            client.on_disconnect = None
            client.disconnect()

    def listen(self, client: "Client") -> None:
        """Hear what comes until *stop*; what goes wrong is for ``check`` to raise."""
        try:
            while not self.stop.is_set():
                if code := client.loop(STOP_WITHIN_S):
                    self.fault = self.fault or LineAway(f"{self.url} went away: {code.name}")
                    break
                self.turn()
        except Exception as error:  # noqa: BLE001  paho's, of bytes that are no MQTT
            self.fault = LineAway(f"{self.url} said what is no MQTT: {error!r}")
        self.answered.set()

    def on_connect(self, client: "Client", _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        self.code = code.value if code.is_failure else 0
        for topic in () if self.code else self.topics:
            client.subscribe(topic)
        self.reason = str(code)
        self.answered.set()

    def on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        self.fault = self.fault or LineAway(f"{self.url} went away: {code}")

    def on_subscribe(self, _client: Any, _data: Any, _number: Any, codes: Any, _more: Any) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self.fault = LineAway(f"{self.url} does not let us listen: {refused[0]}")

    def on_message(self, _client: Any, _data: Any, message: "MQTTMessage") -> None:
        """Hand on what is said now; what the broker has kept from before may be of last year."""
        too_large = len(message.payload) > LARGEST_MESSAGE
        if too_large or (message.retain and not self.with_retained):
            return
        try:
            self.heard(topic_of(message), bytes(message.payload))
        except Exception as error:  # noqa: BLE001  raised where the service looks after it
            self.fault = error


def topic_of(message: "MQTTMessage") -> str:
    """Return the topic of *message*; nothing where it is not UTF-8, as it must be."""
    with suppress(UnicodeDecodeError):
        return str(message.topic)
    return ""
