"""Devices that talk over MQTT: Tasmota, Shelly, Zigbee2MQTT, and whatever sends numbers or JSON.

What they say is heard as it comes, and each read takes what a device said last, if that is not
older than ``stale_after``, and if it has not said since that it goes offline. Messages that the
broker has kept from before (retained) have no time, so they do not count. A channel of a device is
a device of its own, NAME.CHANNEL. Nothing is ever published.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collector.contract import BadOption, Context, Manner, SourceOptions
from collector.decode.fields import Field, check_names, device_name, parse, raw_rows
from collector.decode.once import Once
from collector.errors import DeviceRefused, DeviceSilent
from collector.lines import mqtt_options
from collector.lines.mqtt import ANSWER_S, CONNECT_S, KEEPALIVE_S, Broker
from collector.options import option
from collector.reading import Reading
from collector.scalars import InputPath, Seconds
from collector.secrets import Secret
from collector.sources.mqtt_in import discover
from collector.sources.mqtt_in.attributes import SETTLE_S, Attributes
from collector.sources.mqtt_in.forms import Form, forms_of, is_offline
from collector.sources.mqtt_in.models import Device

log = logging.getLogger(__name__)

FIRST_S = 2.0  # after connecting: most devices with a live value send one within it
RAW_S = 10.0
MOST_NAMED = 10
MOST_DEVICES = 200  # that topics name by themselves: each is a series of its own in every database


@dataclass(frozen=True, kw_only=True)
class MQTTOptions(SourceOptions):
    """Devices that talk over MQTT."""

    line: str = mqtt_options.broker()
    user: str = mqtt_options.user()
    password: Secret | None = mqtt_options.password()
    ca: InputPath = mqtt_options.ca()
    devices: dict[str, Device] = option(
        "the devices by name",
        example={"washer": {"model": "tasmota", "topic": "washer"}, "plugs": {"model": "tasmota"}},
    )
    stale_after: Seconds = option(
        "values expire after this; choose longer than the device's reporting interval (Tasmota: "
        "5 min)",
        example="10m",
        default=Seconds(600),
        low=1,
    )
    every: Seconds = option(
        "polling interval, aligned to the clock",
        example="10s",
        default=Seconds(10),
        low=0.05,
    )


@dataclass
class Said:
    """What a device said last in messages of one form, at *at_s* on the monotonic clock."""

    kind: str
    values: dict[str, float] = field(default_factory=dict)
    at_s: float = 0.0


class MQTTIn:
    """Listens to one broker."""

    Options: ClassVar[type] = MQTTOptions
    manner = Manner("listens", ("mqtt:", "mqtts:"))
    discover = staticmethod(discover.discover)
    patience_s = 2 * (CONNECT_S + KEEPALIVE_S + ANSWER_S) + FIRST_S

    def __init__(self, name: str, options: MQTTOptions, context: Context) -> None:
        self.name = name
        self.options = options
        ca = context.config_dir / options.ca if options.ca else None
        try:
            self.broker = Broker(options.line, self.hear, ca)
        except ValueError as error:
            raise BadOption("line", str(error)) from error
        self.line = f"{options.line} {name}"  # a connection of its own
        if not options.devices:
            raise BadOption("devices", "no device is configured: nothing would be read")
        mqtt_options.check_login(options, options.line, "line")
        check_names(options.devices)
        self.forms = {
            name: forms_of(device, f"devices.{name}") for name, device in options.devices.items()
        }
        every = [form for forms in self.forms.values() for form in forms]
        self.attributes = Attributes(every)
        self.quantities = {each.quantity: None for form in every for each in form.fields}.keys()
        self.named = {name for name, forms in self.forms.items() if forms[0].names_one_device}
        self.lock = threading.Lock()
        self.said: dict[str, dict[Form, Said]] = defaultdict(dict)
        self.once = Once(log)
        self.opened_s = 0.0
        self.widened_s = 0.0  # when something came of which nothing had been said before
        self.silent: set[str] = set()
        self.offline: set[str] = set()

    def open(self) -> None:
        """Connect, and listen. Raise ReadFault, SecretMissing."""
        secret = self.options.password
        password = secret.value() if secret else ""
        every = (form for forms in self.forms.values() for form in forms)
        topics = {each: None for form in every for each in form.filters}
        try:
            self.broker.open(topics, self.options.user, password)
        except DeviceRefused as error:
            mend = f"the secret {secret.name!r}" if secret else "give 'password'"
            raise DeviceRefused(f"{error}; mend 'user' or {mend}") from error
        self.opened_s = time.monotonic()

    def close(self) -> None:
        self.broker.close()

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message; in the thread of the broker."""
        document, now_s = parse(payload), time.monotonic()
        self.attributes.hear(topic, document, now_s)
        self.deal(topic, document, now_s)

    def deal(self, topic: str, document: Any, at_s: float) -> None:
        for entry, forms in self.forms.items():
            for form in forms:
                words = form.names(topic)
                if words is None:
                    continue
                device = device_name(entry, words)
                if not form.is_availability:
                    self.take(part(device, form), form, form.decode(document), at_s)
                elif is_offline(document):
                    self.attributes.forget(topic.rpartition("/")[0])
                    self.end(device)

    def settle(self) -> None:
        """Take what devices have said field by field."""
        now_s = time.monotonic()
        for message in self.attributes.settled(now_s, now_s - self.options.stale_after):
            self.deal(*message)

    def end(self, device: str) -> None:
        """Forget what *device* and its channels said: it is not there."""
        with self.lock:
            ended = [each for each in self.said if is_part(each, device)]
            for each in ended:
                self.said[each].clear()
            self.offline.update(ended)
        if ended:
            self.once.warning(f"offline {device}", f"{self.name}: {device}: offline, as it says")

    def take(self, device: str, form: Form, values: Mapping[str, float], at_s: float) -> None:
        if not values or not self.has_room(device):
            return
        self.once.info(f"offline {device}", "")
        self.offline.discard(device)
        with self.lock:
            said = self.said[device].setdefault(form, Said(form.message.kind))
            if values.keys() - said.values.keys():
                self.widened_s = at_s
            before = said.values if form.message.partial else {}
            said.values, said.at_s = {**before, **values}, at_s

    def has_room(self, device: str) -> bool:
        if device in self.named or device in self.said or len(self.said) < MOST_DEVICES:
            return True
        if "full" not in self.once.last:
            text = f"more than {MOST_DEVICES} devices publish; {device} and others are left out"
            self.once.warning("full", f"{self.name}: {text}")
        return False

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Return what each device said last, if that is fresh. Raise ReadFault where none is."""
        self.await_first()
        self.broker.check()
        self.settle()
        fresh = self.fresh()
        self.tell_silent(fresh)
        if not fresh:
            raise self.silence()
        return [Reading(kind, device, at_ms, values) for (kind, device), values in fresh.items()]

    def read_raw(self) -> list[dict[str, Any]]:
        """Return every field that is said within some seconds, or was kept, and what it means."""
        heard: dict[str, bytes] = {}
        self.broker.heard, self.broker.with_retained = heard.__setitem__, True
        self.close()
        self.open()
        until_s = time.monotonic() + RAW_S
        while time.monotonic() < until_s:
            self.broker.check()
            time.sleep(0.1)
        documents = {topic: parse(payload) for topic, payload in heard.items()}
        by_field = Attributes(self.attributes.forms)
        for topic in [each for each in documents if by_field.hear(each, documents[each], 0.0)]:
            del documents[topic]
        for topic, document, _ in by_field.settled(SETTLE_S, 0.0):
            documents.setdefault(topic, document)
        rows = [row for topic in sorted(documents) for row in self.raw(topic, documents[topic])]
        if not rows:
            raise DeviceSilent(f"{self.options.line}: nothing came within {RAW_S:.0f} s")
        return rows

    def raw(self, topic: str, document: Any) -> list[dict[str, Any]]:
        fields: list[Field] = []
        devices = []
        for entry, forms in self.forms.items():
            for form in forms:
                words = form.names(topic)
                if words is not None and form.decode(document):
                    fields += form.fields
                    devices.append(part(device_name(entry, words), form))
        return raw_rows(topic, fields, document, ", ".join(dict.fromkeys(devices)))

    def await_first(self) -> None:
        """Wait for a moment after connecting: for all devices that have a name.

        Many send each value in a message of its own, so what follows the first is waited for too.
        """
        until_s = self.opened_s + FIRST_S
        while (now_s := time.monotonic()) < until_s and self.broker.fault is None:
            self.settle()
            is_settled = now_s - self.widened_s >= SETTLE_S
            if self.said and is_settled and not self.unheard(self.said):
                return
            time.sleep(0.02)

    def unheard(self, devices: Collection[str]) -> set[str]:
        """Return which of those that have a name are none of *devices*, nor any channel of them."""
        heard = list(devices)
        return {name for name in self.named if not any(is_part(each, name) for each in heard)}

    def silence(self) -> DeviceSilent:
        """Say that there is nothing new."""
        if self.offline:
            gone = ", ".join(sorted(self.offline)[:MOST_NAMED])
            return DeviceSilent(f"{self.options.line}: offline, as they say: {gone}")
        connected_s = min(time.monotonic() - self.opened_s, self.options.stale_after)
        text = f"no known device has published anything in the last {connected_s:.0f} s"
        advice = "some publish only every 5 minutes; 'read --raw' shows what comes"
        return DeviceSilent(f"{self.options.line}: {text}: {advice}")

    def fresh(self) -> dict[tuple[str, str], dict[str, float]]:
        since_s = time.monotonic() - self.options.stale_after
        found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        with self.lock:
            for device, forms in self.said.items():
                for said in forms.values():
                    if said.at_s >= since_s:
                        found[said.kind, device] |= said.values
        return found

    def tell_silent(self, fresh: Mapping[tuple[str, str], Any]) -> None:
        """Log which devices fell silent, and which are back, once each."""
        if time.monotonic() - self.opened_s < self.options.stale_after:
            return
        talking = {device for _, device in fresh}
        silent = (self.unheard(talking) | (self.said.keys() - talking)) - self.offline
        for device in sorted(silent - self.silent):
            log.warning("%s: %s: silent for %.0f s", self.name, device, self.options.stale_after)
        for device in sorted(self.silent - silent):
            log.info("%s: %s: back", self.name, device)
        self.silent = silent


def part(device: str, form: Form) -> str:
    """Return the device that *form* is about: *device*, or a channel of it. Pure."""
    return f"{device}.{form.channel}" if form.channel else device


def is_part(name: str, device: str) -> bool:
    """Is *name* that of *device*, or of a channel of it? Pure."""
    return name == device or name.startswith(f"{device}.")
