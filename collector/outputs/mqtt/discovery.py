"""How Home Assistant finds a device: one retained message with all its entities.

A message that the broker would not take is split: parts that name the same device become one
device. A quantity stays in its part, since Home Assistant refuses it in two.
"""

import json
import re
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import collector
from collector.lines.mqtt_publish import Message
from collector.outputs.mqtt.device import Device
from collector.outputs.mqtt.mapping import OWN_KINDS, entity, is_enabled, money, words

PLAIN = re.compile(r"[A-Za-z0-9_]+")
LARGEST_PART = 100_000  # some brokers in the cloud take 128 kB
OWN = "collector/"  # before the place of what the collector says about a device
ROOM = 1_500  # of a part, beside its entities


@dataclass(frozen=True)
class Topics:
    """The topics of one output; *discovery* is '' where nothing is to be found."""

    site: str
    prefix: str
    discovery: str

    @property
    def root(self) -> str:
        return f"{self.prefix}/{self.site}"

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def birth(self) -> str:
        return f"{self.discovery}/status"

    def state(self, place: str) -> str:
        return f"{self.root}/{place}/state"

    def availability(self, place: str) -> str:
        return f"{self.root}/{place}/availability"

    def config(self, place: str, part: int) -> str:
        node = f"{word(self.prefix)}-{word(self.site)}"
        name = f"{word(place)}-{part + 1}" if part else word(place)
        return f"{self.discovery}/device/{node}/{name}/config"


def place_of(kind: str, device: str) -> str:
    """Return where a device is in the topics; what we say about it is not the device. Pure."""
    return f"{OWN}{device}" if kind == "collector" and device != "collector" else device


def word(text: str) -> str:
    """Return *text* in the characters that Home Assistant allows, and unlike any other. Pure."""
    if PLAIN.fullmatch(text):
        return text
    return f"{re.sub('[^A-Za-z0-9_]', '_', text)}-{zlib.crc32(text.encode()):08x}"


def arrange(topics: Topics, place: str, device: Device, new: Iterable[str], largest: int) -> None:
    """Give each *new* quantity a part that has room for it."""
    sizes: dict[int, int] = {}
    added = set(new)
    for name, value in device.values.items():
        if name not in added:
            size = len(json.dumps(component(topics, place, device, name)))
            sizes[value.part] = sizes.get(value.part, ROOM) + size
    for name in (each for each in device.values if each in added):
        size = len(json.dumps(component(topics, place, device, name)))
        part = 0
        while part in sizes and sizes[part] + size > largest:
            part += 1
        device.values[name].part = part
        sizes[part] = sizes.get(part, ROOM) + size


def configs(
    topics: Topics, place: str, device: Device, leaving: Collection[str] = ()
) -> dict[int, Message]:
    """Return the discovery message of each part; those *leaving* are marked as removed. Pure."""
    parts: dict[int, dict[str, Any]] = {}
    for name, value in device.values.items():
        found = component(topics, place, device, name)
        if found:
            gone = {"p": found["p"]}
            parts.setdefault(value.part, {})[name] = gone if name in leaving else found
    return {
        part: Message(topics.config(place, part), document(topics, place, device, components))
        for part, components in parts.items()
    }


def document(topics: Topics, place: str, device: Device, components: dict[str, Any]) -> bytes:
    content = {
        "dev": {
            "ids": [f"{topics.root}/{place}"],
            "name": place.replace("/", " "),
            "mdl": device.kind,
        },
        "o": {"name": "Energy Monitor", "sw": collector.__version__},
        "avty": [{"t": topics.status}, {"t": topics.availability(place)}],
        "avty_mode": "all",
        "stat_t": topics.state(place),
        "qos": 1,
        "cmps": components,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def component(topics: Topics, place: str, device: Device, quantity: str) -> dict[str, Any]:
    """Return the entity of *quantity*; nothing where it is not published. Pure."""
    found = entity(quantity)
    if found is None:
        return {}
    slug = re.sub("[^a-z0-9_]", "_", f"{place}_{quantity}".lower())
    fields = {
        "p": found.platform,
        "uniq_id": f"{topics.root}/{place}/{quantity}",
        "def_ent_id": f"{found.platform}.{slug}",
        "name": words(quantity),
        **found.fields,
    }
    if "currency" in device.values:
        fields |= money(quantity, device.values["currency"].text)
    if device.kind in OWN_KINDS:
        fields["ent_cat"] = "diagnostic"
    if not is_enabled(device.kind, quantity):
        fields["en"] = False
    return fields
