"""Kafka: delivers every reading as a message of one topic.

The key is ``SITE/DEVICE``, so the readings of a device stay in order in one partition. The value is
the reading as line protocol, with its time and the tag ``site``. A batch is stored when the brokers
have acknowledged every message of it. Where an acknowledgement is lost the batch is sent again:
whoever reads the topic keeps one message per key, kind and time.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from collector.contract import BadOption, Context, OutputOptions
from collector.contract.extras import importing
from collector.errors import OutputAway, ReadingsRefused
from collector.options import option
from collector.safe_text import safe
from collector.scalars import InputPath
from collector.secrets import Secret

EXTRA = "kafka"
# What the client logs, the words of a far side among it, is in its errors too.
SILENT = logging.getLogger(f"{__name__}.client")
SILENT.disabled = True
PATIENCE_S = 30.0  # for the acknowledgements of one batch
LOOK_EVERY_S = 0.1
QUEUE_KB = 8_192  # a batch of 2,000 readings of 300 bytes takes 0.6 MB; the default is 1 GB
LARGEST_ANSWER = 1_000_000
BROKER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
# What no later try changes: MSG_SIZE_TOO_LARGE and INVALID_RECORD.
FOR_EVER = {10, 87}


@dataclass(frozen=True, kw_only=True)
class KafkaOptions(OutputOptions):
    """Delivers readings to Kafka, Redpanda or Azure Event Hubs."""

    brokers: tuple[str, ...] = option(
        "addresses of one or more brokers; they name the others", example=["kafka1:9092"]
    )
    topic: str = option(
        "topic for the readings; where the brokers make none by themselves, make it first",
        example="energy",
        default="energy",
    )
    tls: bool = option("speak TLS with the brokers", example=True, default=False)
    ca: InputPath = option(
        "with tls: file beside the configuration with the CA certificate of the brokers (default: "
        "the CAs of the system)",
        example="kafka-ca.pem",
        default="",
    )
    user: str = option("user of a SASL login", example="house-7", default="")
    password: Secret | None = option(
        "password of a SASL login", example="!secret kafka-password", default=None
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = option(
        "how the login is proved; PLAIN only with tls",
        example="SCRAM-SHA-512",
        default="SCRAM-SHA-512",
    )

    def extras(self) -> tuple[str, ...]:
        return (EXTRA,)


class Kafka:
    """One topic, to which this house is a producer."""

    Options: ClassVar[type] = KafkaOptions
    batch_size = 2_000
    keeps_kinds = True
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only", "at least once"] = "at least once"

    def __init__(self, name: str, options: KafkaOptions, context: Context) -> None:
        check(options)
        self.options = options
        self.client_id = f"energy-monitor-{context.site}-{name}"
        self.site = context.site.encode()
        tags = context.tags(options)
        self.tag_text = "".join(f",{name}={word}" for name, word in tags.items()).encode() + b" "
        self.ca = str(context.config_dir / options.ca) if options.ca else ""
        self.patience_s = PATIENCE_S
        self.producer: Any = None
        self.fault = self.last = ""
        self.errors: dict[int, Any] = {}

    @property
    def where(self) -> str:
        return f"Kafka at {', '.join(self.options.brokers)}"

    def open(self) -> None:
        """Do nothing: the first write connects."""

    def newest_ms(self) -> int | None:
        """Return None: a resend would be kept twice."""
        return None

    def close(self) -> None:
        """Give up what waits; it is in the journal."""
        if self.producer is not None:
            self.producer.purge(in_flight=True)
            self.producer.poll(0)
            self.producer = None

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        if self.producer is None:
            self.producer = self.connect()
        self.fault = self.last = ""
        try:
            refused = self.store(dict(enumerate(batch)), time.monotonic() + self.patience_s)
        except BaseException:
            self.close()
            raise
        if refused:
            raise ReadingsRefused(refused)

    def store(self, lines: Mapping[int, bytes], deadline: float) -> dict[int, str]:
        """Send *lines*, keyed by position, and return the reason for each that is refused.

        A broker refuses messages by the package that the library makes of them, so those refused
        are sent again by halves. Raise OutputAway.
        """
        self.errors = {}
        for position, line in lines.items():
            self.post(position, line, deadline)
        while len(self.producer) and not self.fault:
            self.producer.poll(LOOK_EVERY_S)
            self.check_time(deadline)
        errors = dict(sorted(self.errors.items()))
        for error in errors.values():
            if error.code() not in FOR_EVER:
                raise OutputAway(self.fault or f"{self.where}: {said(error)}")
        if self.fault:
            raise OutputAway(self.fault)
        if len(errors) <= 1:
            return {at: said(error) for at, error in errors.items()}
        half = len(errors) // 2
        parts = [*errors][:half], [*errors][half:]
        return self.store({at: lines[at] for at in parts[0]}, deadline) | self.store(
            {at: lines[at] for at in parts[1]}, deadline
        )

    def post(self, position: int, line: bytes, deadline: float) -> None:
        """Hand one message to the queue, which is bounded. Raise OutputAway."""
        from confluent_kafka import KafkaException  # noqa: PLC0415  an extra

        head, _, rest = line.partition(b" ")
        key = self.site + b"/" + head.partition(b",device=")[2]
        value = head + self.tag_text + rest
        report = partial(self.reported, position)
        while True:
            try:
                self.producer.produce(self.options.topic, value, key, on_delivery=report)
            except BufferError:
                self.producer.poll(LOOK_EVERY_S)
                self.check_time(deadline)
            except KafkaException as error:
                self.errors[position] = error.args[0]
                return
            else:
                return

    def check_time(self, deadline: float) -> None:
        if self.fault:
            raise OutputAway(self.fault)
        if time.monotonic() > deadline:
            why = f": {self.last}" if self.last else ""
            raise OutputAway(f"{self.where} did not confirm in time{why}")

    def reported(self, position: int, error: Any, _message: object) -> None:
        if error is not None:
            self.errors[position] = error

    def went_wrong(self, error: Any) -> None:
        """Keep in mind what the library says of its connections; it may be no outage at all."""
        from confluent_kafka import KafkaError  # noqa: PLC0415  an extra

        code, words, password = error.code(), said(error), self.options.password
        if code == KafkaError._AUTHENTICATION:  # noqa: SLF001  as it is documented
            which = f"; is the password in secret {password.name!r} right?" if password else ""
            fault = f"{self.where} refuses the login: {words}{which}"
        elif code == KafkaError._SSL:  # noqa: SLF001
            fault = f"{self.where} cannot be trusted: {words}"
        elif code == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            fault = f"{self.where} cannot be reached: {self.last or words}"
        else:
            self.last = words
            fault = f"{self.where}: {words}" if error.fatal() else ""
        self.fault = self.fault or fault

    def connect(self) -> Any:
        """Return a producer. Raise OutputAway, SecretMissing, PackageMissing."""
        with importing(EXTRA):
            from confluent_kafka import KafkaException, Producer  # noqa: PLC0415  an extra

        settings = {
            "bootstrap.servers": ",".join(self.options.brokers),
            "client.id": self.client_id,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "message.timeout.ms": round(self.patience_s * 1000),
            "socket.timeout.ms": round(self.patience_s * 1000),
            "queue.buffering.max.kbytes": QUEUE_KB,
            "receive.message.max.bytes": LARGEST_ANSWER,
            "error_cb": self.went_wrong,
            **self.security(),
        }
        try:
            return Producer(settings, logger=SILENT)
        except KafkaException as error:
            raise OutputAway(f"{self.where}: {said(error.args[0])}") from error

    def security(self) -> dict[str, str]:
        options = self.options
        settings = {"security.protocol": ("SASL_" if options.user else "") + "PLAINTEXT"}
        if options.tls:
            settings = {"security.protocol": ("SASL_" if options.user else "") + "SSL"}
            if self.ca:
                settings["ssl.ca.location"] = self.ca
        if options.password:
            settings["sasl.mechanism"] = options.mechanism
            settings["sasl.username"] = options.user
            settings["sasl.password"] = options.password.value()
        return settings


def said(error: Any) -> str:
    return safe(error.str())


def check(options: KafkaOptions) -> None:
    """Raise BadOption."""
    for each in options.brokers or ("",):
        if not BROKER.fullmatch(each):
            raise BadOption("brokers", f"{each!r} is not an address such as HOST:9092")
    if not TOPIC.fullmatch(options.topic) or options.topic in {".", ".."}:
        raise BadOption(
            "topic", f"{options.topic!r} is not a topic: letters, digits, '.', '_', '-'"
        )
    if bool(options.user) != bool(options.password):
        missing, given = ("password", "user") if options.user else ("user", "password")
        raise BadOption(missing, f"{given!r} is given, so {missing!r} is needed too")
    if options.ca and not options.tls:
        raise BadOption("ca", "is used with 'tls: true' only")
    if options.user and options.mechanism == "PLAIN" and not options.tls:
        raise BadOption(
            "mechanism", "PLAIN sends the password itself: add 'tls: true', or choose a SCRAM"
        )
