"""The database of a Lutron system, DbXmlInfo.xml: which zones it has, where, and of how many watts.

    <Project> … <DbExportDate>05/05/2024</DbExportDate><DbExportTime>12:14:40</DbExportTime>
      <Areas><Area Name="House" IntegrationID="1"><Areas><Area Name="Hall" IntegrationID="2">
        <DeviceGroups><Device Name="Door" IntegrationID="31"><Components>
          <Component ComponentNumber="81" ComponentType="LED">…
        <Outputs><Output Name="Ceiling" IntegrationID="17" OutputType="INC" Wattage="60"/>…

It comes over plain HTTP from the processor: ``decode.xml`` refuses what could harm.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from collector.decode import xml
from collector.errors import FrameDamaged

MOST_POINTS = 10_000
HEAD = 8192  # when it was exported stands well within
EXPORTED = re.compile(
    rb"<DbExportDate>([^<]{1,20})</DbExportDate>\s*<DbExportTime>([^<]{1,20})</DbExportTime>"
)
LONGEST_WORD = 40
# What draws no power, or not for light, by the beginning of its OutputType.
OTHER_KINDS = {
    "SYSTEM_SHADE": "shade",
    "SIVOIA": "shade",
    "SHADE": "shade",
    "MOTOR": "shade",
    "SWITCHED_MOTOR": "shade",
    "CCO": "contact",
}


@dataclass(frozen=True)
class Area:
    """A room, with its name in letters that a device may have."""

    id: int
    word: str


@dataclass(frozen=True)
class Zone:
    """What is switched together. *nominal_w* is None where the database has no wattage."""

    id: int
    area: Area
    word: str
    type: str
    nominal_w: float | None

    @property
    def point(self) -> tuple[str | int, ...]:
        """Return by what its level is asked for."""
        return ("OUTPUT", self.id, 1)

    @property
    def kind(self) -> str:
        """Return ``lighting``, ``shade`` or ``contact``."""
        known = (kind for start, kind in OTHER_KINDS.items() if self.type.startswith(start))
        return next(known, "lighting")


@dataclass(frozen=True)
class Led:
    """A lamp of a keypad, the device *id*."""

    id: int
    component: int
    area: Area
    word: str

    @property
    def point(self) -> tuple[str | int, ...]:
        """Return by what its state is asked for."""
        return ("DEVICE", self.id, self.component, 9)


@dataclass
class Database:
    """What a system consists of; *exported* is when its database was last made."""

    exported: str = ""
    zones: list[Zone] = field(default_factory=list)
    leds: list[Led] = field(default_factory=list)

    @property
    def points(self) -> set[tuple[str | int, ...]]:
        """Return by what all there is is asked for."""
        return {each.point for each in self.zones} | {each.point for each in self.leds}

    @property
    def lit(self) -> list[Zone]:
        """Return the zones whose power can be estimated."""
        return [zone for zone in self.zones if zone.nominal_w and zone.kind == "lighting"]


def exported(data: bytes | bytearray) -> str:
    """Return when the database that begins with *data* was exported; nothing if untold. Pure."""
    found = EXPORTED.search(data[:HEAD])
    return b" ".join(found.groups()).decode("ascii", errors="replace") if found else ""


def word(name: str) -> str:
    """Return *name* with nothing but ASCII letters, digits, '_' and '-'. Pure."""
    plain = unicodedata.normalize("NFKD", name[: 4 * LONGEST_WORD])
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9-]+", "_", letters).strip("_-")[:LONGEST_WORD]


def parse(data: bytes) -> Database:
    """Return what stands in the database *data*. Raise FrameDamaged. Pure."""
    reader = Reader(Database(exported(data)))
    for _ in xml.parse(xml.cut(data), reader.start, reader.end):
        pass
    if not reader.database.zones:
        raise FrameDamaged("it has no zones: is it a Lutron database?")
    return reader.database


class Reader:
    """Takes elements as they come, and puts what it knows of into *database*."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.areas: list[Area] = []
        self.device = (0, "")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = word(attributes.get("Name", ""))
        number = whole(attributes.get("IntegrationID", ""))
        match tag:
            case "Area":
                self.areas.append(Area(number, name))
            case "Device":
                self.device = (number, name)
            case "Output" if number and self.areas:
                kind = attributes.get("OutputType", "")
                nominal_w = float(whole(attributes.get("Wattage", ""))) or None
                self.database.zones.append(Zone(number, self.areas[-1], name, kind, nominal_w))
            case "Component" if attributes.get("ComponentType") == "LED" and self.areas:
                component = whole(attributes.get("ComponentNumber", ""))
                self.database.leds.append(
                    Led(self.device[0], component, self.areas[-1], self.device[1])
                )
        if len(self.database.zones) + len(self.database.leds) > MOST_POINTS:
            raise FrameDamaged(f"it has more than {MOST_POINTS} zones and LEDs")

    def end(self, tag: str) -> None:
        if tag == "Area":
            self.areas.pop()


def whole(text: str) -> int:
    """Return a whole number of at most 9 digits; 0 where *text* is none. Pure."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
