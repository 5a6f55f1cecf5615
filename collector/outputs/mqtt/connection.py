"""The connection of an output to its broker: options, and what to do about each fault."""

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from collector.contract import BadOption, Context, OutputOptions
from collector.errors import DeviceRefused, LineAway, OutputAway, ReadFault, SecretMissing
from collector.lines import mqtt_options
from collector.lines.mqtt import LOGIN, Heard
from collector.lines.mqtt_publish import Message, Posted, Publisher, TooLarge
from collector.options import option
from collector.scalars import InputPath
from collector.secrets import Secret

TAKEN_OVER = 142  # reasons of MQTT 5 for hanging up
TOO_LARGE = 149
NOT_IN_TOPICS = set("+#\0 ")


@dataclass(frozen=True, kw_only=True)
class BrokerOptions(OutputOptions):
    """How an output reaches its broker."""

    url: str = mqtt_options.broker()
    user: str = mqtt_options.user()
    password: Secret | None = mqtt_options.password()
    ca: InputPath = mqtt_options.ca()
    certificate: InputPath = option(
        "with mqtts: file beside the configuration with our certificate, for a broker that asks "
        "for one",
        example="monitor.pem",
        default="",
    )
    key: Secret | None = option(
        "private key of 'certificate', as PEM without a password",
        example="!secret mqtt-key",
        default=None,
    )
    topic: str = option(
        "topics begin with this and the site: energy_monitor/home/mains/state",
        example="energy_monitor",
        default="energy_monitor",
    )


class Connection:
    """A connection to the broker of *options*. Raise BadOption."""

    def __init__(
        self,
        name: str,
        options: BrokerOptions,
        context: Context,
        heard: Heard = lambda *_: None,
        will: Message | None = None,
        due: Callable[[], None] = lambda: None,
    ) -> None:
        self.options = options
        check_options(options)
        ca, certificate = (
            context.config_dir / file if file else None
            for file in (options.ca, options.certificate)
        )
        try:
            self.broker = Publisher(
                options.url,
                heard,
                ca,
                client_id=f"energy-monitor-{context.site}-{name}",
                certificate=certificate,
                will=will,
                due=due,
            )
        except ValueError as error:
            raise BadOption("url", str(error)) from error

    @property
    def is_open(self) -> bool:
        return self.broker.is_open

    def open(self, topics: Iterable[str] = ()) -> None:
        """Connect, and listen to *topics*. Raise OutputAway."""
        options = self.options
        try:
            password = options.password.value() if options.password else ""
            self.broker.key = options.key.value() if options.key else ""
            self.broker.open(topics, options.user, password)
        except SecretMissing as error:
            raise OutputAway(str(error)) from error
        except ReadFault as error:
            raise self.away(error) from error

    def post(self, messages: Iterable[Message]) -> list[Posted]:
        """Publish *messages*; do not wait. Raise OutputAway."""
        try:
            return [self.broker.post(message) for message in messages]
        except ReadFault as error:
            raise self.away(error) from error

    def too_large(self, topic: str, payload: bytes) -> str:
        """Say why the broker can't take a message; '' where it can."""
        try:
            self.broker.check_size(Message(topic, payload))
        except TooLarge as error:
            return str(self.away(error))
        return ""

    def await_all(self, posted: Iterable[Posted]) -> None:
        """Wait until the broker has confirmed all that was *posted*. Raise OutputAway."""
        try:
            self.broker.await_all(posted)
        except ReadFault as error:
            raise self.away(error) from error

    def close(self) -> None:
        self.broker.close()

    def away(self, error: ReadFault) -> OutputAway:
        """Say what went wrong and what mends it."""
        mend = self.mend(error)
        return OutputAway(f"{error}; {mend}" if mend else str(error))

    def mend(self, error: ReadFault) -> str:
        options, broker = self.options, self.broker
        mend = ""
        if isinstance(error, TooLarge) or broker.left_with == TOO_LARGE:
            mend = "raise its limit (mosquitto: max_packet_size), or 'select' fewer quantities"
        elif broker.left_with == TAKEN_OVER:
            mend = (
                "another client has our id: give the other Energy Monitor another 'site', or this "
                "output another name"
            )
        elif broker.code in LOGIN:
            mend = mend_login(options)
        elif isinstance(error.__cause__, ssl.SSLError):
            mend = mend_tls(options, error.__cause__)
        elif isinstance(error, DeviceRefused) or "let us listen" in str(error):
            mend = mend_rights(options)
        elif isinstance(error, LineAway) and not (broker.has_let_in or error.__cause__):
            mend = mend_silence(options)
        return mend


def mend_rights(options: BrokerOptions) -> str:
    who = f"user {options.user!r}" if options.user else "clients without a login"
    return (
        f"allow {who} in the access rules of the broker (mosquitto: acl_file) to write "
        f"'{options.topic}/#' and what is below the prefix of 'discovery', and to read its 'status'"
    )


def mend_silence(options: BrokerOptions) -> str:
    if not options.url.startswith("mqtts:"):
        return "if it speaks TLS at that port, write mqtts:// in 'url'"
    return (
        "" if options.certificate else "if it asks for a certificate, give 'certificate' and 'key'"
    )


def mend_login(options: BrokerOptions) -> str:
    if not options.user:
        return "give 'user' and 'password'"
    if not options.password:
        return "give 'password' as '!secret NAME'"
    command = f"sudo energy-monitor secret set {options.password.name}"
    return f"correct 'user', or store the right password with '{command}'"


def mend_tls(options: BrokerOptions, cause: Exception) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        host = urlsplit(options.url).netloc
        return (
            "'ca' must name a file with the certificate of the CA that signed the broker's, and "
            "'url' a host that it is valid for; see 'openssl s_client -showcerts -connect "
            f"{host if ':' in host else f'{host}:8883'}'"
        )
    if isinstance(cause, ssl.SSLError) and options.certificate:
        return (
            "does it speak TLS at that port, and does the key belong to 'certificate'? 'sudo "
            f"energy-monitor secret set {options.key.name if options.key else ''}' stores a key"
        )
    if isinstance(cause, ssl.SSLError):
        return "does it speak TLS at that port? Without TLS, write mqtt:// in 'url'"
    return ""


def check_options(options: BrokerOptions) -> None:
    """Raise BadOption."""
    mqtt_options.check_login(options, options.url, "url", ("ca", "certificate"))
    if bool(options.certificate) != bool(options.key):
        raise BadOption("key", "'certificate' and 'key' are given together or not at all")
    check_topic("topic", options.topic)


def check_topic(name: str, topic: str) -> None:
    """Raise BadOption where *topic* is not one to write to."""
    is_plain = topic.isprintable() and not NOT_IN_TOPICS & set(topic) and len(topic) <= 100  # noqa: PLR2004  a topic has 65,535 bytes
    if not is_plain or not all(topic.split("/")) or topic.startswith("$"):
        raise BadOption(
            name,
            f"{topic!r} is not a beginning of topics: words with '/' between them, without '+', "
            "'#' and spaces (example: energy_monitor)",
        )
