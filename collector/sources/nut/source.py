"""Uninterruptible power supplies, from a server of Network UPS Tools; nothing is ever set.

A UPS whose data is stale, or that the server does not answer for, is absent from the readings while
the others are read on. ``active_power`` is what a UPS measures; one that does not may know its load
and its nominal power, and then there is ``estimated_power``. What is measured at an outlet stands
under NAME.outlet1, NAME.outlet2 …, at the main outlet under NAME.outlet.
"""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from collector.contract import BadOption, Context, Manner, SourceOptions
from collector.decode.once import Once
from collector.errors import DeviceRefused, DeviceSilent
from collector.lines.tcp import CONNECT_S, TcpLine
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds
from collector.secrets import Secret
from collector.sources.nut import discover, meaning, protocol

log = logging.getLogger(__name__)

IDLE_S = 45.0  # upsd hangs up after a minute in which nothing is asked
READ_S = 30.0  # for all UPSs of a server together
COME_AND_GO = {"CHRG", "DISCHRG", "TRIM", "BOOST"}  # often, and no news


@dataclass(frozen=True, kw_only=True)
class NutOptions(SourceOptions):
    """Uninterruptible power supplies behind a server of Network UPS Tools (NUT), read every 5 s."""

    line: str = option(
        "tcp://HOST:PORT of the server; its port is 3493",
        example="tcp://192.168.2.9:3493",
        default="tcp://localhost:3493",
    )
    ups: str = option(
        "name of the UPS at the server, which is then stored under the name of the source; "
        "without it every UPS of the server is read and stored as SOURCE-UPS",
        example="office",
        default="",
        pattern=r"[^\s\"\\]*",
    )
    user: str = option(
        "user of the server, if it requires one", example="monitor", default="", pattern=r"\S*"
    )
    password: Secret | None = option(
        "password of the user; NUT sends it unencrypted over the network",
        example="!secret nut-password",
        default=None,
    )
    every: Seconds = option(
        "polling interval, aligned to the clock",
        example="5s",
        default=Seconds(5),
        low=1,
        high=3600,
    )


class Nut:
    """Reads the UPSs of one server."""

    Options: ClassVar[type] = NutOptions
    manner = Manner("asks", ("tcp:",), (protocol.PORT,))
    discover = staticmethod(discover.discover)
    quantities = meaning.ALL
    patience_s = CONNECT_S + READ_S + protocol.ANSWER_S

    def __init__(self, name: str, options: NutOptions, context: Context) -> None:  # noqa: ARG002  the contract hands it over
        self.name = name
        self.options = options
        self.line = options.line
        try:
            self.tcp = TcpLine(options.line)
        except ValueError as error:
            raise BadOption("line", f"{error}, where PORT is 3493") from error
        if bool(options.user) != bool(options.password):
            given, missing = ("user", "password") if options.user else ("password", "user")
            raise BadOption(given, f"it needs '{missing}' beside it")
        self.asked_s = 0.0
        self.once = Once(log)

    def open(self) -> None:
        """Connect. Raise ReadFault, SecretMissing."""
        if time.monotonic() > self.asked_s + IDLE_S:
            self.tcp.close()
        if self.tcp.connection is None:
            password = self.options.password.value() if self.options.password else ""
            self.tcp.open()
            self.log_in(password)
        self.asked_s = time.monotonic()

    def log_in(self, password: str) -> None:
        if self.options.password is None:
            return
        if not password.isprintable():
            self.tcp.close()
            raise DeviceRefused(f"secret {self.options.password.name!r} is not one line of text")
        try:
            protocol.log_in(self.tcp, self.options.user, password)
        except DeviceRefused:
            self.tcp.close()
            raise

    def close(self) -> None:
        self.tcp.close()

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  the intake leaves out the rest
        """Read what is due. Raise ReadFault; the next read then begins with a new connection."""
        return [
            Reading("ups", device + outlet, at_ms, values)
            for device, told in self.ask().items()
            for outlet, values in meaning.decode(told).items()
        ]

    def read_raw(self) -> list[dict[str, Any]]:
        """Return every variable of every UPS, and the quantity that is made of it."""
        return [
            raw_row(f"{device} {name}" if not self.options.ups else name, name, told)
            for device, told in self.ask().items()
            for name in sorted(told)
        ]

    def ask(self) -> dict[str, Mapping[str, str]]:
        """Return the variables of each UPS by its device. Raise ReadFault where none answers."""
        self.open()
        until_s = time.monotonic() + READ_S
        names = [self.options.ups] if self.options.ups else list(protocol.upss(self.tcp))
        found: dict[str, Mapping[str, str]] = {}
        refused: dict[str, DeviceRefused] = {}
        for name in names:
            if time.monotonic() > until_s:
                raise DeviceSilent(f"{self.line}: {len(names)} UPSs take more than {READ_S:.0f} s")
            try:
                told = found[self.device(name)] = protocol.variables(self.tcp, name)
            except DeviceRefused as error:
                refused[name] = error
            else:
                self.once.info(name, f"{self.device(name)}: {news(told)}")
        if not found:
            nothing = DeviceRefused(f"{self.line}: the server has no UPS: see its ups.conf")
            raise next(iter(refused.values()), nothing)
        for name, why in refused.items():
            self.once.warning(name, f"{self.device(name)}: {why}")
        return found

    def device(self, ups: str) -> str:
        """Return the name under which *ups* is stored."""
        if self.options.ups:
            return self.name
        return f"{self.name}-{re.sub('[^A-Za-z0-9_.-]', '_', ups)}"


def news(told: Mapping[str, str]) -> str:
    """Return what a UPS is and how it does, without what comes and goes. Pure."""
    model = " ".join(told.get(f"device.{each}", "") for each in ("mfr", "model")).strip()
    status = [each for each in told.get("ups.status", "").split() if each not in COME_AND_GO]
    return f"{model[:100] or 'UPS'!r}, status {' '.join(status)[:100]!r}"


def raw_row(label: str, name: str, told: Mapping[str, str]) -> dict[str, Any]:
    quantity, value = meaning.quantity_of(name, told)
    return {"label": label, "text": told[name], "quantity": quantity, "value": value, "meaning": ""}
