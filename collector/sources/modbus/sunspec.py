"""What stands in the models of SunSpec that we know: ``devices/sunspec`` says so.

A scale factor is a power of ten in a register; it is read at once with its value, since some
inverters change it while they run. A value that is not implemented, as SunSpec says, is absent.
(SunSpec Device Information Model Specification V1.1; model definitions at github.com/sunspec)
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Literal

from collector.errors import ConfigFault
from collector.options import Faults, Place, option, parse, read_options
from collector.sources.modbus.devicemap import DeviceMap, Serial
from collector.sources.modbus.registers import Register, Type, Words, reader
from collector.sources.modbus.sunspec_chain import BASES, COMMON, Model, Read

NAME = "sunspec"
MOST_WORDS = 125  # in one read; every SunSpec device sends as many
LARGEST_FACTOR = 10

PointType = Literal["uint16", "int16", "acc32", "enum16", "bitfield32", "float32"]
# How a point is written, and the numbers that say that it is not implemented.
WRITTEN: Mapping[PointType, tuple[Type, tuple[int, ...]]] = {
    "uint16": ("uint16", (0xFFFF,)),
    "int16": ("int16", (-0x8000,)),
    "acc32": ("uint32", (0,)),
    "enum16": ("uint16", (0xFFFF,)),
    "bitfield32": ("uint32", (0xFFFFFFFF, 0x80000000)),
    "float32": ("float32", ()),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A point of a model and the quantity that it tells; places count from the model's number."""

    quantity: str = option("name in the catalogue", example="active_power")
    point: str = option("what SunSpec calls it", example="W")
    offset: int = option("where it stands", example=14, low=2)
    type: PointType = option("how SunSpec calls its form", example="int16")
    factor: int | None = option("where its scale factor stands", default=None)
    scale: float = option("what it is multiplied by besides", default=1.0)
    absent: int | None = option("a number that means none, besides SunSpec's own", default=None)

    @property
    def end(self) -> int:
        return max(self.offset + reader_words(self.type), (self.factor or 0) + 1)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What models of some numbers hold. *repeat* says where groups begin, and how long one is."""

    models: tuple[int, ...] = option("their numbers", example=[101, 102, 103])
    kind: str = option("kind of reading", example="solar")
    part: str = option("what part of the device they tell about", example="inverter")
    repeat: dict[str, int] = option("from, every", default={})
    points: tuple[Row, ...] = option("what stands in them")

    def shifts(self, length: int) -> range:
        """Return by how much the points of each group are shifted, in a model of *length*."""
        if not self.repeat:
            return range(1)
        every = self.repeat["every"]
        return range(0, length + 2 - self.repeat["from"] - every + 1, every)


@dataclass(frozen=True, kw_only=True)
class Point(Register):
    """A point at its place in a device: *factor* is a register, or None where *power* holds."""

    kind: str
    device: str
    absent: tuple[int, ...]
    factor: int | None
    power: int = 0

    @property
    def extent(self) -> tuple[int, int]:
        first = min(self.address, self.address if self.factor is None else self.factor)
        return first, max(self.address + self.length, (self.factor or 0) + 1) - first

    def value(self, words: Words) -> float | None:
        """Return its value; None where SunSpec calls it, or its scale factor, not implemented."""
        first, _ = self.extent
        own = words[self.address - first :][: self.length]
        raw = reader(self.type, "big", 1.0)(own)
        power = self.power if self.factor is None else signed(words[self.factor - first])
        if raw is None or raw in self.absent or abs(power) > LARGEST_FACTOR:
            return None
        return reader(self.type, "big", scaled(self.scale, power))(own)


def signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


@functools.cache
def scaled(scale: float, power: int) -> float:
    return float(Decimal(repr(scale)).scaleb(power))


def reader_words(kind: PointType) -> int:
    return 1 if WRITTEN[kind][0].endswith("16") else 2


@functools.cache
def contents() -> Mapping[int, Content]:
    """Return what is known of each model, by its number. Raise ConfigFault."""
    faults = Faults()
    known: dict[int, Content] = {}
    for file in sorted(files("collector").joinpath("devices", NAME).iterdir(), key=str):
        root = parse(file, faults)
        content = root and read_options(Content, root, Place(str(file), ""), faults)
        if not isinstance(content, Content):
            raise ConfigFault(faults.found)
        known |= dict.fromkeys(content.models, content)
    return known


def quantities() -> list[str]:
    """Return all that any SunSpec device may tell."""
    rows = (row for content in contents().values() for row in content.points)
    return list(dict.fromkeys(row.quantity for row in rows))


def parts(models: Sequence[Model]) -> Iterator[tuple[Model, Content, int, str]]:
    """Yield each model that is known, group by group: how far it is shifted, and of which part.

    A part is what comes under one common model, unless the same model comes again. The part that
    comes first is the device itself, named ''; others are numbered: '.string1', '.meter2'.
    """
    commons, first = 0, ""
    numbers: Counter[str] = Counter()
    held: dict[tuple[int, str], set[int]] = {}
    for model in models:
        commons += model.number == COMMON
        content = contents().get(model.number)
        if content is None:
            continue
        key = (commons, content.part)
        for shift in content.shifts(model.length):
            if content.repeat or model.number in held.get(key, {model.number}):
                numbers[content.part] += 1
                held[key] = set()
            held[key].add(model.number)
            name = f".{content.part}{numbers[content.part]}"
            first = first or name
            yield model, content, shift, "" if name == first else name


def points(models: Sequence[Model], read: Read) -> Iterator[Point]:
    """Yield all that *models* can tell. Raise ReadFault.

    Only a scale factor too far from its value for one read is read here, once and for all.
    """
    for model, content, shift, device in parts(models):
        for row in content.points:
            if row.end + shift > model.length + 2:
                continue
            point = placed(row, model.address, shift, content.kind, device)
            if point.factor is not None and point.extent[1] > MOST_WORDS:
                (word,) = read(point.factor, 1)
                point = placed(row, model.address, shift, content.kind, device, signed(word))
            yield point


def placed(
    row: Row, start: int, shift: int, kind: str, device: str, power: int | None = None
) -> Point:
    written, absent = WRITTEN[row.type]
    fixed = row.factor is None or power is not None
    return Point(
        quantity=row.quantity,
        address=start + row.offset + shift,
        type=written,
        scale=row.scale,
        function=3,
        word_order="big",
        optional=True,
        kind=kind,
        device=device,
        absent=absent if row.absent is None else (*absent, row.absent),
        factor=None if fixed else start + (row.factor or 0),
        power=power or 0,
    )


def device_map(registers: Sequence[Register]) -> DeviceMap:
    """Return the device map of a SunSpec device; by itself it has but the mark."""
    return DeviceMap(
        name=NAME,
        brand="SunSpec",
        model="any",
        kind="solar",
        document="SunSpec Device Information Model Specification",
        serial=Serial(baudrate=9600, parity="none"),
        function=3,
        word_order="big",
        max_registers=MOST_WORDS,
        probe=(),
        registers=tuple(registers),
        proofs=(),
        lines={},
    )


MARKED = Register(quantity="", address=BASES[0], type="uint32", function=3, word_order="big")
