"""MQTT as a stream: every reading, in order, as a message of its own with its time inside.

A reading is sent again where the broker's confirmation was lost. It is the same message then: its
device and time tell whoever stores it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from collector.contract import Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.mqtt_publish import Message
from collector.outputs.mqtt.connection import BrokerOptions, Connection
from collector.outputs.mqtt.discovery import place_of
from collector.outputs.mqtt.message import payload
from collector.outputs.mqtt.output import parts_of


@dataclass(frozen=True, kw_only=True)
class HistoryOptions(BrokerOptions):
    """Publishes every reading to an MQTT broker, for programs that store them."""


class MQTTHistory:
    """The topic ``energy_monitor/SITE/DEVICE/history`` of each device; not retained."""

    Options: ClassVar[type] = HistoryOptions
    batch_size = 1_000
    keeps_kinds = True  # each message has its kind
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "idempotent"

    def __init__(self, name: str, options: HistoryOptions, context: Context) -> None:
        self.root = f"{options.topic}/{context.site}"
        self.tags = context.tags(options)
        self.connection = Connection(name, options, context)

    def open(self) -> None:
        """Connect unless we are. Raise OutputAway."""
        if not self.connection.is_open:
            self.connection.open()

    def newest_ms(self) -> int | None:
        return None

    def close(self) -> None:
        self.connection.close()

    def write(self, batch: Sequence[bytes]) -> None:
        """Publish every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        self.open()
        posted, refused = [], {}
        try:
            for number, line in enumerate(batch):
                message = self.message(line)
                if too_large := self.connection.too_large(message.topic, message.payload):
                    refused[number] = too_large
                else:
                    posted += self.connection.post([message])
            self.connection.await_all(posted)
        except OutputAway:
            self.connection.close()
            raise
        if refused:
            raise ReadingsRefused(refused)

    def message(self, line: bytes) -> Message:
        kind, device, at_ms, values = parts_of(line)
        topic = f"{self.root}/{place_of(kind, device)}/history"
        return Message(topic, payload(at_ms, self.tags, kind, device, values), retain=False)
