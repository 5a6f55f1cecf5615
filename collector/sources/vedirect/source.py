"""Victron devices with a VE.Direct port: battery monitors, solar chargers, inverters, chargers.

They talk once a second, unasked, so a thread of the source's own listens while it is open, and a
read returns what was said last. That is never older than one block: where the newest is, the next
one is waited for.
"""

import logging
import re
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

from collector.contract import BadOption, Context, Manner, SourceOptions
from collector.decode.once import Once
from collector.errors import LineAway
from collector.lines import adapter
from collector.lines.serial import LineConflict
from collector.options import option
from collector.reading import Reading
from collector.sources.vedirect import discover, labels
from collector.sources.vedirect.blocks import Block
from collector.sources.vedirect.listener import (
    FRAMING,
    SEARCH_S,
    WAIT_S,
    Listener,
    ListeningLine,
    same_port,
    search,
)

log = logging.getLogger(__name__)

AUTO = "auto"
MOST_RAW = 32  # unknown labels that are kept: each is a series of its own in every database


@dataclass(frozen=True, kw_only=True)
class VEDirectOptions(SourceOptions):
    """A Victron device with a VE.Direct port."""

    line: str = option(
        "the serial port, best by its name in /dev/serial/by-id; or socket://HOST:PORT; or 'auto', "
        "which searches the ports not used by other sources for the device in 'expect'",
        example="/dev/serial/by-id/usb-VictronEnergy_BV_VE_Direct_cable_VE1XXXXX-if00-port0",
    )
    expect: dict[str, str] = option(
        "labels that identify the device, each with its value; '*' matches anything",
        example={"PID": "0x203", "H1": "*"},
        default={},
    )
    raw: bool = option(
        "keep the number under each unknown label, as raw_value of the device NAME.LABEL",
        example=True,
        default=False,
    )


class VEDirect:
    """One device, which talks on a line of its own."""

    Options: ClassVar[type] = VEDirectOptions
    manner = Manner("listens", ("/", "socket:"))
    discover = staticmethod(discover.discover)

    def __init__(self, name: str, options: VEDirectOptions, context: Context) -> None:
        self.name = name
        self.options = options
        self.lines = context.lines
        self.is_auto = options.line == AUTO
        if not self.is_auto:
            self.claim(options.line)
        self.listener: Listener | None = None
        self.once = Once(log)
        self.raw_labels: set[str] = set()

    def claim(self, url: str) -> ListeningLine:
        """Take the line for this source alone. Raise BadOption."""
        try:
            line: ListeningLine = self.lines.get(url, FRAMING, ListeningLine)
        except LineConflict as error:
            raise BadOption("line", f"{error}; or 'auto'") from error
        if line.claimed_by not in ("", self.name):
            raise BadOption(
                "line", f"{line.claimed_by} already listens to {url}: one device per line"
            )
        line.claimed_by = self.name
        return line

    @property
    def line(self) -> str:
        return f"{AUTO} {self.name}" if self.is_auto else self.options.line

    @property
    def quantities(self) -> Collection[str]:
        known = [each.quantity for each in labels.table().fields.values()]
        return [*known, "raw_value"] if self.options.raw else known

    @property
    def patience_s(self) -> float:
        return WAIT_S + (SEARCH_S if self.is_auto else 0)

    def open(self) -> None:
        """Begin to listen. Raise LineAway."""
        self.close()
        self.listener = self.find() if self.is_auto else self.listener_at(self.options.line)
        self.listener.start()

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def listener_at(self, url: str) -> Listener:
        line = self.claim(url)
        line.open()
        return Listener(line)

    def find(self) -> Listener:
        """Return a listener to the port whose device is the expected one. Raise LineAway."""
        named = list(self.lines.lines)
        ports = [
            port for port in adapter.ports() if not any(same_port(port, other) for other in named)
        ]
        passed_over: dict[str, str] = {}
        with closing(search(ports, passed_over)) as talking:
            for listener in talking:
                reason = labels.unexpected(self.options.expect, listener.said)
                if not reason:
                    return listener
                listener.close()
                passed_over[listener.line.port] = f"{labels.identity(listener.said)}: {reason}"
        tried = "; ".join(
            f"{port}: {passed_over.get(port, 'no VE.Direct device')}" for port in ports
        )
        msg = f"the device is on none of the free ports ({tried or 'there is none'})"
        raise LineAway(msg)

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Return what the device said last, stamped with the slot's time. Raise ReadFault."""
        said = self.newest()
        values = labels.values(said)
        readings = [Reading(labels.kind_of(said), self.name, at_ms, values)] if values else []
        if "raw_value" in quantities:
            readings += self.raw(said, at_ms)
        return readings

    def raw(self, said: Block, at_ms: int) -> list[Reading]:
        found = []
        for label, value in labels.raw_values(said).items():
            if label in self.raw_labels or len(self.raw_labels) < MOST_RAW:
                self.raw_labels.add(label)
                device = f"{self.name}.{re.sub('[^A-Za-z0-9]', '_', label)}"
                found.append(Reading("raw", device, at_ms, {"raw_value": value}))
        return found

    def read_raw(self) -> list[dict[str, Any]]:
        """Return every label as it came, and what it means."""
        said = self.newest()
        return [self.raw_row(label, text, said) for label, text in said.items()]

    def raw_row(self, label: str, text: str, said: Block) -> dict[str, Any]:
        field = labels.table().fields.get(label)
        meaning = field.meaning(text) if field else ""
        if label == "PID":
            meaning = labels.product_name(said)
        elif label in ("FW", "FWE"):
            meaning = labels.firmware(said)
        return {
            "label": label,
            "text": text,
            "quantity": field.quantity if field else "",
            "value": field.value(text) if field else None,
            "meaning": meaning,
        }

    def advice(self) -> list[str]:
        """Return what should be changed about the line's adapter, in sentences."""
        is_open = self.listener is not None
        return [] if self.is_auto else adapter.advice(self.line, FRAMING.parity, is_open=is_open)

    def newest(self) -> Block:
        """Return what the device said last. Raise ReadFault, LineAway where it is another."""
        if self.listener is None:
            raise LineAway(f"{self.line} is not open")
        said, port = self.listener.newest(), self.listener.line.port
        identity = labels.identity(said)
        if reason := labels.unexpected(self.options.expect, said):
            raise LineAway(f"{port} has another device, {identity}: {reason}")
        self.once.info("identity", f"{self.name}: {identity}, on {port}")
        return said
