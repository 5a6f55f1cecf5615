"""Lights on a Lutron processor: HomeWorks QS, and RadioRA 2, which speaks the same.

The processor tells of every change; besides, each read asks for one point, the one asked longest
ago, which mends what was missed and shows that the processor is still there. A zone, an LED or an
area is told when it has changed, and at least every five minutes; the whole house at every read.

Nobody measures what the lights draw. ``estimated_power`` is the wattage that the database gives a
zone times its level, added up for areas (``lighting_area``, each with its own zones only) and for
the house (``lighting_total``). Zones without a wattage are in none of these sums. A level is where
a fade goes to, not where it just is.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from collector.contract import BadOption, Context, Manner, SourceOptions
from collector.decode.once import Once
from collector.errors import DeviceRefused, DeviceSilent, ReadFault
from collector.lines.tcp import CONNECT_S
from collector.options import option
from collector.reading import Reading
from collector.scalars import InputPath, Seconds
from collector.secrets import Secret
from collector.sources.lutron_qs import database as lutron_db
from collector.sources.lutron_qs import discover, fetch, protocol
from collector.sources.lutron_qs.database import Database
from collector.sources.lutron_qs.protocol import (
    CLOCK,
    FIRMWARE,
    Point,
    Processor,
    led_state,
    percent,
)
from collector.sources.lutron_qs.readings import TOTAL, readings, summary

log = logging.getLogger(__name__)

ZONES_S = 10.0  # for the first level of every zone: some 30 ms each
LEDS_S = 0.3  # of a read for the first states of LEDs, of which there may be hundreds
AGAIN_MS = 300_000
DATABASE_EVERY_S = 3600.0
# Processors lock out for a quarter of an hour who comes too often with a wrong login.
BARRED_S = 900.0
NETWORK = {0: "IP address", 1: "gateway", 2: "subnet mask", 4: "DHCP", 5: "multicast address"}


@dataclass(frozen=True, kw_only=True)
class LutronOptions(SourceOptions):
    """Lights on a Lutron HomeWorks QS processor or RadioRA 2 repeater; nothing is ever switched."""

    line: str = option(
        "tcp://HOST:PORT of the processor; its port is 23", example="tcp://192.168.2.9:23"
    )
    user: str = option(
        "name of an integration login that nothing else uses; two connections with one login "
        "lock some processors",
        example="monitor",
        pattern=r"[!-~]+",
    )
    password: Secret = option("password of that login", example="!secret lutron-password")
    database: InputPath = option(
        "its database: an http:// URL, or a file beside the configuration (default: "
        "http://HOST/DbXmlInfo.xml)",
        example="http://192.168.2.9/DbXmlInfo.xml",
        default="",
    )
    every: Seconds = option(
        "polling interval, aligned to the clock",
        example="1s",
        default=Seconds(1),
        low=0.2,
        high=60,
    )


class Lutron:
    """Reads the zones and LEDs of one system."""

    Options: ClassVar[type] = LutronOptions
    manner = Manner("listens", ("tcp:",), discover.PORTS)
    discover = staticmethod(discover.discover)
    quantities = ("level", "estimated_power", "nominal_power", "led_state")
    patience_s = CONNECT_S + 3 * protocol.LOGIN_S + fetch.FETCH_S + ZONES_S + 2 * protocol.ANSWER_S

    def __init__(self, name: str, options: LutronOptions, context: Context) -> None:
        self.name = name
        self.options = options
        self.line = options.line
        try:
            self.processor = Processor(options.line)
        except ValueError as error:
            raise BadOption("line", f"{error}, where PORT is 23") from error
        self.place = place_of(options, context.config_dir)
        self.file = context.state_dir / "DbXmlInfo.xml"
        self.database = Database()
        self.looked_s: float | None = None
        self.asked: dict[Point, str] = {}  # why not, where it was refused; asked longest ago first
        self.kept: dict[tuple[str, str], tuple[float, int]] = {}
        self.once = Once(log)
        self.barred: tuple[str, float] | None = None

    def open(self) -> None:
        """Learn what zones there are, and log in. Raise ReadFault, SecretMissing."""
        if self.processor.is_open:
            return
        password = self.password()
        self.looked_s = None
        self.look_up()
        self.log_in(password)
        self.asked = {}
        self.tell("firmware", f"firmware {self.ask(FIRMWARE) or 'not told'}")

    def close(self) -> None:
        self.processor.close()

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Return what has changed and what is due again. Raise ReadFault."""
        try:
            self.open()
            self.look_up()
            self.processor.listen()
            self.catch_up(with_leds="led_state" in quantities)
        except ReadFault:
            self.close()
            raise
        news = (self.news(each, quantities) for each in self.said(at_ms))
        return [each for each in news if each.values]

    def read_raw(self) -> list[dict[str, Any]]:
        """Ask for the processor itself and every point; return each answer and what it means."""
        self.open()
        named: dict[Point, str] = {FIRMWARE: "firmware", CLOCK: "clock"}
        named |= {("ETHERNET", number): words for number, words in NETWORK.items()}
        rows = [raw_row(point, self.ask(point), words) for point, words in named.items()]
        for zone in self.database.zones:
            text, watts = self.ask(zone.point), f"{zone.nominal_w or 'unknown'} W"
            meaning = f"{zone.area.word} {zone.word}, {zone.type}, {watts}"
            rows.append(raw_row(zone.point, text, meaning, "level", percent(text)))
        for led in self.database.leds:
            text, meaning = self.ask(led.point), f"{led.area.word} {led.word}"
            rows.append(raw_row(led.point, text, meaning, "led_state", led_state(text)))
        return rows

    def password(self) -> str:
        """Return the password. Raise SecretMissing; DeviceRefused where it was refused lately."""
        password = self.options.password.value()
        if self.barred and self.barred[0] == password and time.monotonic() < self.barred[1]:
            raise DeviceRefused(self.with_remedy(f"{self.line} refused the login"))
        return password

    def log_in(self, password: str) -> None:
        """Log in, and remember what is refused. Raise ReadFault."""
        self.barred = None
        try:
            self.processor.open(self.options.user, password)
        except DeviceRefused as error:
            self.barred = (password, time.monotonic() + BARRED_S)
            raise DeviceRefused(self.with_remedy(str(error))) from error

    def with_remedy(self, refusal: str) -> str:
        return (
            f"{refusal}: mend 'user', or the password in the secret "
            f"{self.options.password.name!r}; the same one is tried again after "
            f"{BARRED_S / 60:.0f} minutes"
        )

    def look_up(self) -> None:
        """Read the database, where it is time to and it has changed. Raise ReadFault without one.

        One that cannot be read now changes nothing where it has been read before.
        """
        if self.looked_s is not None and time.monotonic() - self.looked_s < DATABASE_EVERY_S:
            return
        known = self.database if self.database.zones else fetch.kept(self.file)
        try:
            data = fetch.read(self.place, known.exported if known else "")
            if data is not None:
                known = lutron_db.parse(data)
                self.keep(data)
            self.tell("trouble", "")
        except ReadFault as error:
            reason = f"the database {self.place}: {error}"
            if known is None:
                raise type(error)(reason) from error
            self.tell("trouble", f"{reason}; going on with the one of {known.exported}")
        self.looked_s = time.monotonic()
        if known is not None and known != self.database:
            self.database, self.asked = known, {}
            self.processor.watched = known.points
            self.tell("database", summary(known))

    def keep(self, data: bytes) -> None:
        try:
            fetch.keep(self.file, data)
        except OSError as error:
            reason = f"{self.file} cannot be written: {error.strerror}"
            self.tell("keep", f"{reason}; the database is not there while the processor is not")

    def catch_up(self, *, with_leds: bool) -> None:
        """Ask for what was never asked for, and for the point asked longest ago."""
        self.ask_new([zone.point for zone in self.database.zones], ZONES_S)
        if with_leds:
            self.ask_new([led.point for led in self.database.leds], LEDS_S)
        self.ask(next(iter(self.asked), CLOCK))

    def ask_new(self, points: Iterable[Point], within_s: float) -> None:
        until_s = time.monotonic() + within_s
        for point in points:
            if point not in self.asked and time.monotonic() < until_s:
                self.ask(point)

    def ask(self, point: Point) -> str:
        """Return what is said of *point*; nothing where that is refused. Raise ReadFault."""
        self.asked.pop(point, None)
        self.asked[point] = ""
        try:
            return self.processor.ask(point)
        except DeviceRefused as error:
            self.asked[point] = why = str(error)
        except DeviceSilent:
            if point == CLOCK:
                raise
            self.ask(CLOCK)  # is anybody there?
            why = "no answer"
        self.processor.said.pop(point, None)
        if why not in self.once.last:  # there may be hundreds of the kind
            self.tell(why, f"{','.join(map(str, point))} is left out, and others perhaps: {why}")
        return ""

    def said(self, at_ms: int) -> Iterator[Reading]:
        refused = {point for point, why in self.asked.items() if why}
        return readings(self.name, at_ms, self.database, self.processor.said, refused)

    def news(self, reading: Reading, quantities: frozenset[str]) -> Reading:
        """Leave out what is not due, or was told lately and has not changed since."""
        values = {}
        for quantity, value in reading.values.items():
            key = (reading.device, quantity)
            before, told_ms = self.kept.get(key, (None, 0))
            is_old = value == before and abs(reading.at_ms - told_ms) < AGAIN_MS
            if quantity in quantities and (reading.kind == TOTAL or not is_old):
                values[quantity] = value
                self.kept[key] = (value, reading.at_ms)
        return replace(reading, values=values)

    def tell(self, topic: str, text: str) -> None:
        self.once.info(topic, text and f"{self.name}: {text}")


def place_of(options: LutronOptions, folder: Path) -> str:
    """Return where the database is: a URL or a file. Raise BadOption."""
    if not options.database:
        return fetch.usual_place(options.line)
    if "://" not in options.database:
        return str(folder / options.database)
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(options.database)
        if parts.scheme == "http" and parts.hostname and parts.port != 0:
            return options.database
    raise BadOption("database", f"{options.database!r} is neither http://HOST/PATH nor a file")


def raw_row(
    point: Point, text: str, meaning: str, quantity: str = "", value: float | None = None
) -> dict[str, Any]:
    row = {"label": " ".join(map(str, point)), "text": text, "meaning": meaning}
    return row | {"quantity": quantity, "value": value}
