"""What stands in the models of SunSpec that we know: ``devices/sunspec`` says so.

A scale factor is a power of ten in a register; it is read at once with its value, since some
inverters change it while they run. A value that is not implemented, as SunSpec says, is absent.
(SunSpec Device Information Model Specification V1.1; model definitions at github.com/sunspec)
"""

import functools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from typing import Literal, NamedTuple

from collector.errors import ConfigFault
from collector.options import Faults, Place, option, parse, read_options
from collector.sources.modbus.devicemap import DeviceMap, Serial
from collector.sources.modbus.registers import NUMBERS, Register, Type, Words, reader
from collector.sources.modbus.sunspec_chain import BASES, COMMON, TEXTS, Model, Read, text

NAME = "sunspec"
MOST_WORDS = 125  # in one read; every SunSpec device sends as many
LARGEST_FACTOR = 10

PointType = Literal[
    "uint16", "int16", "uint32", "uint64", "acc32", "enum16", "bitfield32", "float32", "magnitude32"
]  # fmt: skip
# How a point is written, and the numbers that say that it is not implemented.
WRITTEN: Mapping[PointType, tuple[Type, tuple[float, ...]]] = {
    "uint16": ("uint16", (0xFFFF,)),
    "int16": ("int16", (-0x8000,)),
    "uint32": ("uint32", (0xFFFFFFFF,)),
    "uint64": ("uint64", (float(0xFFFFFFFFFFFFFFFF),)),  # as it is read
    "acc32": ("uint32", (0, 0xFFFFFFFF)),
    "enum16": ("uint16", (0xFFFF,)),
    "bitfield32": ("uint32", (0xFFFFFFFF, 0x80000000)),
    "float32": ("float32", ()),
    "magnitude32": ("magnitude32", (0,)),  # not SunSpec's: a counter that runs below zero
}
LABEL_WORDS = 8  # of the name that a group of a model bears


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
    adds: bool = option("one of several that make the quantity together", default=False)

    @property
    def end(self) -> int:
        return max(self.offset + reader_words(self.type), (self.factor or 0) + 1)


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """What the devices of one maker write otherwise than SunSpec says."""

    maker: str = option("how the maker's name begins", example="SolarEdge")
    points: tuple[str, ...] = option("which points", example=["W"])
    type: PointType | None = option("how they are written", default=None)
    scale: float | None = option("what they are multiplied by besides", default=None)

    def applied(self, row: Row) -> Row:
        """Return *row* as this maker means it."""
        kind = row.type if self.type is None else self.type
        return replace(row, type=kind, scale=row.scale if self.scale is None else self.scale)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A group of a model that tells of another part, which its label or its sort shows."""

    begins: str = option("how its label begins", example="StCha", default="")
    sort: int | None = option("number of its sort", default=None)
    kind: str = option("kind of reading", example="battery")
    part: str = option("what part of the device it tells about", example="battery")
    points: tuple[Row, ...] = option("what stands in it")


@dataclass(frozen=True, kw_only=True)
class Content:
    """What models of some numbers hold. *repeat* says where groups begin, and how long one is."""

    models: tuple[int, ...] = option("their numbers", example=[101, 102, 103])
    kind: str = option("kind of reading", example="solar")
    part: str = option("what part of the device they tell about", example="inverter")
    repeat: dict[str, int] = option("from, every", default={})
    points: tuple[Row, ...] = option("what stands in them")
    deviations: tuple[Deviation, ...] = option("what some makers write otherwise", default=())
    label: int | None = option("where the name of a group stands", default=None)
    sort: int | None = option("where the sort of a group stands", default=None)
    variants: tuple[Variant, ...] = option("groups that tell of another part", default=())

    def rows(self, makers: Collection[str]) -> Iterator[Row]:
        """Yield the points as devices of *makers* mean them."""
        for row in self.points:
            for each in self.deviations:
                is_theirs = any(name.startswith(each.maker.casefold()) for name in makers)
                if is_theirs and row.point in each.points:
                    row = each.applied(row)  # noqa: PLW2901  as corrected
            yield row

    def variant(self, start: int, read: Read) -> Variant | None:
        """Return what the group shifted to *start* is, where not as usual. Raise ReadFault."""
        if not self.variants:
            return None
        label = text(read(start + self.label, LABEL_WORDS)) if self.label else ""
        sort = read(start + self.sort, 1)[0] if self.sort else None
        for each in self.variants:
            named = each.begins and label.casefold().startswith(each.begins.casefold())
            if named or (sort is not None and each.sort == sort):
                return each
        return None

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
    absent: tuple[float, ...]
    factor: int | None
    power: int = 0

    @functools.cached_property
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
    return NUMBERS[WRITTEN[kind][0]][0]


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
    known = contents().values()
    rows = [row for content in known for row in content.points]
    rows += [row for content in known for each in content.variants for row in each.points]
    return list(dict.fromkeys(row.quantity for row in rows))


class Part(NamedTuple):
    """A model or one of its groups: how far it is shifted, which part it tells of, and its rows."""

    model: Model
    shift: int
    kind: str
    device: str
    rows: Sequence[Row]


def parts(models: Sequence[Model], read: Read) -> Iterator[Part]:
    """Yield each model that is known, group by group. Raise ReadFault.

    A part is what comes under one common model, unless the same model comes again. The part that
    comes first is the device itself, named ''; others are numbered: '.string1', '.meter2'.
    What its maker, or that of the first common model, writes otherwise is heeded.
    """
    commons, first, makers = 0, "", list[str]()
    numbers: Counter[str] = Counter()
    held: dict[tuple[int, str], set[object]] = {}
    for model in models:
        if model.number == COMMON:
            commons += 1
            makers = [*makers[:1], maker(model, read)]
        content = contents().get(model.number)
        if content is None:
            continue
        for shift in content.shifts(model.length):
            variant = content.variant(model.address + shift, read)
            kind, part = (variant or content).kind, (variant or content).part
            key, what = (commons, part), variant or model.number
            is_new = content.repeat and not variant
            if is_new or what in held.get(key, {what}):
                numbers[part] += 1
                held[key] = set()
            held[key].add(what)
            name = f".{part}{numbers[part]}"
            first = first or name
            rows = variant.points if variant else list(content.rows(makers))
            yield Part(model, shift, kind, "" if name == first else name, rows)


def maker(common: Model, read: Read) -> str:
    offset, size = TEXTS["maker"]
    return text(read(common.address + offset, size)).casefold()


def points(models: Sequence[Model], read: Read) -> Iterator[Point]:
    """Yield all that *models* can tell. Raise ReadFault.

    Only a scale factor too far from its value for one read is read here, once and for all. Of two
    models that tell a quantity of one part, the first counts.
    """
    held: dict[tuple[str, str], Model] = {}
    for model, shift, kind, device, rows in parts(models, read):
        for row in rows:
            if row.end + shift > model.length + 2:
                continue
            if held.setdefault((device, row.quantity), model) != model and not row.adds:
                continue
            point = placed(row, model.address, shift, kind, device)
            if point.factor is not None and point.extent[1] > MOST_WORDS:
                (word,) = read(point.factor, 1)
                point = placed(row, model.address, shift, kind, device, signed(word))
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
        adds=row.adds,
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
