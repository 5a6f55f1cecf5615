"""MQTT: keeps the newest state of each device at a broker, where Home Assistant finds it.

energy_monitor/SITE/DEVICE/state          JSON, retained: the newest value of each quantity
energy_monitor/SITE/DEVICE/availability   online or offline, retained: is the device read?
energy_monitor/SITE/status                likewise: does the collector run? (its last will)
homeassistant/device/…/config             retained: what Home Assistant makes of it
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Literal
from weakref import WeakValueDictionary

from collector.contract import LONGEST_EVERY_S, BadOption, Context
from collector.errors import OutputAway, ReadingsRefused
from collector.lines.mqtt_publish import HEADER, Message
from collector.options import option
from collector.outputs.mqtt import discovery
from collector.outputs.mqtt.connection import BrokerOptions, Connection, check_topic
from collector.outputs.mqtt.device import Device
from collector.outputs.mqtt.mapping import entity
from collector.outputs.mqtt.memory import Memory
from collector.outputs.mqtt.message import payload
from collector.outputs.mqtt.selected import Selected
from collector.reading import time_ms
from collector.scalars import Seconds

LOOK_S = 1.0  # how often silence is looked for
CALM_S = 5.0  # all that speaks to Home Assistant answers its birth: not in the same second
# Which output shows a place at a broker, of all that run here: two would take turns in its status.
SHOWN_BY: WeakValueDictionary[tuple[str, str], "MQTT"] = WeakValueDictionary()
ONLINE, OFFLINE = b"online", b"offline"
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class MQTTOptions(BrokerOptions):
    """Keeps the newest values of each device at an MQTT broker, where Home Assistant finds them."""

    every: Seconds = option(
        "delivery interval; Home Assistant stores every message in its database",
        example="10s",
        default=Seconds(10),
        low=0.05,
        high=LONGEST_EVERY_S,
    )
    discovery: str = option(
        "prefix of Home Assistant's discovery; 'none' announces nothing",
        example="homeassistant",
        default="homeassistant",
    )


class MQTT:
    """The devices of this house at one broker."""

    Options: ClassVar[type] = MQTTOptions
    batch_size = 1_000
    wants: Literal["all", "newest"] = "newest"
    resend: Literal["idempotent", "asks first", "newest only"] = "newest only"

    def __init__(self, name: str, options: MQTTOptions, context: Context) -> None:
        check_topic("discovery", options.discovery)
        prefix = "" if options.discovery == NONE else options.discovery
        self.every_ms = round(options.every * 1000)
        self.tags = context.tags(options)
        self.topics = discovery.Topics(context.site, options.topic, prefix)
        self.place = options.url, self.topics.root
        self.selected = Selected(options)
        will = Message(self.topics.status, OFFLINE)
        self.connection = Connection(name, options, context, self.hear, will, self.look)
        self.memory = Memory(name, context.state_dir / "shown.json")
        if options.topic == options.discovery:
            raise BadOption("topic", "'topic' and 'discovery' must not be the same")
        self.monotonic_s: Callable[[], float] = time.monotonic
        self.newest = 0, 0.0  # the time of the newest reading, and when it came
        self.lock = threading.Lock()  # the thread of the connection looks for silence and births
        self.devices: dict[str, Device] | None = None
        self.forget_connection()

    def forget_connection(self) -> None:
        """Begin as on a new connection, whose broker may have lost everything."""
        self.configs: dict[str, bytes] = {}
        self.states: dict[str, bytes] = {}
        self.available: dict[str, bytes] = {}
        self.too_large: dict[str, str] = {}
        self.left: dict[str, list[str]] = {}
        self.is_online = False
        self.looked_s = 0.0
        self.again_s: float | None = None

    def open(self) -> None:
        """Connect unless we are. Raise OutputAway."""
        shown_by = SHOWN_BY.setdefault(self.place, self)
        if shown_by is not self:
            url, root = self.place
            raise OutputAway(
                f"the output {shown_by.memory.name!r} shows {root!r} at {url} already: give one "
                "of the two another 'topic', or select all in one of them"
            )
        if self.devices is None:
            self.devices = self.memory.load()
        if not self.connection.is_open:
            with self.lock:
                self.forget_connection()
            self.connection.open([self.topics.birth] if self.topics.discovery else [])

    def newest_ms(self) -> int | None:
        return None

    def close(self) -> None:
        self.connection.close()
        if SHOWN_BY.get(self.place) is self:
            del SHOWN_BY[self.place]
        if self.devices is not None:
            self.memory.save(self.devices, self.monotonic_s(), now=True)

    def write(self, batch: Sequence[bytes]) -> None:
        """Show what *batch* says. Raise OutputAway or ReadingsRefused."""
        self.open()
        assert self.devices is not None
        try:
            with self.lock:
                changed = self.take(self.devices, batch)
            self.remove(self.devices)
            with self.lock:
                places = [*changed] if self.is_online else [*self.devices]
                posted = self.connection.post(self.news(self.devices, places))
            self.connection.await_all(posted)
            if not self.is_online:
                status = Message(self.topics.status, ONLINE)
                self.connection.await_all(self.connection.post([status]))
                self.is_online = True
        except OutputAway:
            self.connection.close()
            raise
        self.memory.save(self.devices, self.monotonic_s())
        numbers = {place: changed.get(place, ()) for place in self.too_large}
        if any(numbers.values()):
            raise ReadingsRefused(
                {each: self.too_large[place] for place in numbers for each in numbers[place]}
            )

    def take(self, devices: dict[str, Device], batch: Sequence[bytes]) -> dict[str, list[int]]:
        """Take readings; return which of them are about each place."""
        places: dict[str, list[int]] = {}
        now_ms = max(map(time_ms, batch))
        self.newest = now_ms, self.monotonic_s()
        for number, line in enumerate(batch):
            kind, device, at_ms, fields = parts_of(line)
            fields = [each for each in fields if entity(each[0])]
            if not fields:
                continue
            place = discovery.place_of(kind, device)
            known = devices.setdefault(place, Device(kind))
            new = [name for name, _ in fields if name not in known.values]
            known.take(at_ms, fields, now_ms)
            if new:
                discovery.arrange(self.topics, place, known, new, self.largest)
            places.setdefault(place, []).append(number)
        return places

    @property
    def largest(self) -> int:
        broker = self.connection.broker.largest
        return min(discovery.LARGEST_PART, broker or discovery.LARGEST_PART) - HEADER

    def news(self, devices: dict[str, Device], places: Iterable[str]) -> Iterable[Message]:
        """Yield what the broker lacks about *places*; note what it can't take."""
        self.too_large = {}
        for place in places:
            device = devices[place]
            if self.topics.discovery:
                for message in discovery.configs(self.topics, place, device).values():
                    if self.configs.get(message.topic) != message.payload:
                        self.configs[message.topic] = message.payload
                        yield message
            yield from self.availability(place, device)
            if shown := device.shown(self.every_ms):
                name = place.rpartition("/")[2]
                state = payload(device.seen_ms, self.tags, device.kind, name, shown)
                topic = self.topics.state(place)
                if too_large := self.connection.too_large(topic, state):
                    self.too_large[place] = too_large
                elif self.states.get(topic) != state:
                    self.states[topic] = state
                    yield Message(topic, state)

    def availability(self, place: str, device: Device) -> Iterable[Message]:
        is_silent = device.is_silent(self.now_ms(), self.every_ms)
        now, topic = OFFLINE if is_silent else ONLINE, self.topics.availability(place)
        if self.available.get(topic) != now:
            self.available[topic] = now
            yield Message(topic, now)

    def now_ms(self) -> float:
        """Return the time by the readings: of the newest, and what has passed since it came."""
        at_ms, came_s = self.newest
        return at_ms + (self.monotonic_s() - came_s) * 1000

    def leaving(self, devices: dict[str, Device]) -> dict[str, list[str]]:
        """Return the quantities that are gone, by place: all of a device that is gone."""
        now_ms = self.now_ms()
        left = {}
        for place, device in devices.items():
            name = place.rpartition("/")[2]
            unread = [each for each, value in device.values.items() if not value.is_fresh]
            gone = (
                [*device.values]
                if device.is_gone(now_ms)
                else device.gone() + self.selected.left_out(device.kind, name, unread)
            )
            if gone:
                left[place] = [*dict.fromkeys(gone)]
        return left

    def remove(self, devices: dict[str, Device]) -> None:
        """Take what is gone out of broker and Home Assistant. Raise OutputAway."""
        with self.lock:
            left = self.left = self.leaving(devices)
        if not left:
            return
        messages = [each for place in left for each in self.removals(devices, place, left[place])]
        self.connection.await_all(self.connection.post(messages))
        with self.lock:
            for place, gone in left.items():
                for name in gone:
                    del devices[place].values[name]
                if not devices[place].values:
                    del devices[place]
            for message in messages:
                for shown in (self.configs, self.states, self.available):
                    shown.pop(message.topic, None)
            kept = {place: devices[place] for place in left if place in devices}
            self.left = {}
            posted = self.connection.post(self.news(devices, kept))
        self.connection.await_all(posted)

    def removals(
        self, devices: dict[str, Device], place: str, gone: Sequence[str]
    ) -> Iterable[Message]:
        """Yield what takes *gone* out of Home Assistant: a mark at first, as it asks for."""
        device = devices[place]
        kept = {each.part for name, each in device.values.items() if name not in gone}
        parts = {device.values[name].part for name in gone} if self.topics.discovery else set()
        marked = discovery.configs(self.topics, place, device, gone)
        for part in sorted(parts):
            yield marked[part]
            if part not in kept:
                yield Message(marked[part].topic, b"")
        if not kept:
            yield Message(self.topics.state(place), b"")
            yield Message(self.topics.availability(place), b"")

    def hear(self, topic: str, said: bytes) -> None:
        """Home Assistant has started: it gets everything again, a little later."""
        if topic == self.topics.birth and said == ONLINE:
            self.again_s = self.monotonic_s() + random.uniform(0, CALM_S)  # noqa: S311  no secret

    def look(self) -> None:
        """Say which devices fell silent, and answer a birth; in the thread of the connection."""
        now_s = self.monotonic_s()
        if now_s - self.looked_s < LOOK_S:
            return
        with self.lock, suppress(OutputAway):  # a connection that is lost is noticed by write
            if not self.is_online or self.devices is None:
                return
            self.looked_s = now_s
            if self.again_s is not None and now_s >= self.again_s:
                self.again_s = None
                kept = {**self.configs, **self.available, **self.states}
                self.connection.post(Message(topic, each) for topic, each in kept.items())
            for place, device in self.devices.items():
                if place not in self.left:
                    self.connection.post(self.availability(place, device))


def parts_of(line: bytes) -> tuple[str, str, int, list[tuple[str, str]]]:
    """Return kind, device, time and values of an encoded reading, each value as its text. Pure."""
    head, fields, at_ms = line.decode("ascii").split(" ")
    kind, device = head.split(",device=")
    pairs = [field.partition("=") for field in fields.split(",")]
    return kind, device, int(at_ms), [(name, text) for name, _, text in pairs]
