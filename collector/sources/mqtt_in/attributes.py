"""Fields that a device sends in topics of their own, DEVICE/field, put together again.

Zigbee2MQTT does so with ``output: attribute``. What a field means depends on the others: 'power'
beside 'power_phase_b' is one phase. So nothing is said of a device before all had time to come.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collector.sources.mqtt_in.forms import Form

SETTLE_S = 0.5  # a device's fields come within milliseconds
MOST_DEVICES = 400


class Attributes:
    """What the devices of *forms* said field by field, until they are asked for."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self.forms = [form for form in forms if form.by_field]
        self.wanted = {path for form in self.forms for path in form.paths}
        self.lock = threading.Lock()
        self.began_s: dict[str, float] = {}
        self.said: dict[str, dict[str, tuple[float, Any]]] = {}

    def hear(self, topic: str, document: Any, at_s: float) -> bool:
        """Take one field of a device; return whether it is one."""
        device, _, name = topic.rpartition("/")
        if name not in self.wanted or isinstance(document, Mapping | list):
            return False
        if all(form.names(device) is None for form in self.forms):
            return False
        with self.lock:
            if device not in self.said and len(self.said) >= MOST_DEVICES:
                return False
            self.began_s.setdefault(device, at_s)
            fields = self.said.setdefault(device, {})
            fields[name] = (at_s, document)
            if document in {None, ""}:  # it has no value now
                del fields[name]
        return True

    def forget(self, device: str) -> None:
        """Forget what is known of the device of this topic: it is not there."""
        with self.lock:
            self.said.pop(device, None)
            self.began_s.pop(device, None)

    def settled(self, now_s: float, since_s: float) -> Iterator[tuple[str, dict[str, Any], float]]:
        """Yield topic, fields since *since_s* and their newest time, of each device with all."""
        with self.lock:
            said = {device: dict(fields) for device, fields in self.said.items()}
            began_s = dict(self.began_s)
        for device, fields in said.items():
            fresh = {name: each for name, each in fields.items() if each[0] >= since_s}
            if not fresh:
                self.forget(device)
            elif now_s - began_s.get(device, now_s) >= SETTLE_S:
                newest_s = max(at_s for at_s, _ in fresh.values())
                yield device, {name: value for name, (_, value) in fresh.items()}, newest_s
