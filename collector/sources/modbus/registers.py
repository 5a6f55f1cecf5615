"""A number in a device's registers: where it lies, how it is written there, what it says."""

import functools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from collector.decode.exact import ratio
from collector.options import option
from collector.sources.modbus.plan import Block

ADDRESSES = 65536
INPUT = 4  # the function that reads input registers
LARGEST_SCALE = 1e9  # no unit is further from ours, and nothing times it overflows a float

Type = Literal[
    "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "bcd16", "bcd32",
    "magnitude32",
]  # fmt: skip
Function = Literal[3, 4]
WordOrder = Literal["big", "little"]
Words = Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Where a number lies in a device and how it is written there.

    In a loaded map *function* and *word_order* are always given.
    """

    address: int = option("first register", example="0x0131", low=0, high=ADDRESSES - 1)
    type: Type = option("how the number is written", example="uint16")
    scale: float = option(
        "what the number is multiplied by",
        example=0.01,
        default=1.0,
        low=-LARGEST_SCALE,
        high=LARGEST_SCALE,
    )
    function: Function = option("where it is not the map's", example=4, default=None)
    word_order: WordOrder = option("where it is not the map's", example="little", default=None)

    @property
    def length(self) -> int:
        """How many registers the number takes."""
        return NUMBERS[self.type][0]

    @functools.cached_property
    def extent(self) -> tuple[int, int]:
        """First register and number of registers that must be read at once for it."""
        return self.address, self.length

    @functools.cached_property
    def block(self) -> Block:
        """What must be read for it."""
        return Block(self.function, *self.extent)

    @functools.cached_property
    def input_block(self) -> Block:
        """The same for a device that knows only the function of input registers."""
        return Block(INPUT, *self.extent)

    @functools.cached_property
    def reader(self) -> Callable[[Words], float | None]:
        """What reads the number in its registers: see ``decode``."""
        return reader(self.type, self.word_order, self.scale)

    def value(self, words: Words) -> float | None:
        """Return what its registers say; None where they hold no number."""
        return self.reader(words)


@dataclass(frozen=True, kw_only=True)
class Register(Cell):
    """Where a quantity is read."""

    quantity: str = option("name in the catalogue", example="voltage")
    unproved: bool = option(
        "only one source says so, or its meaning is not sure", example=True, default=False
    )
    optional: bool = option("some variants do not have it", example=True, default=False)
    adds: bool = option(
        "one of several registers whose sum is the quantity; a scale below 0 subtracts",
        example=True,
        default=False,
    )


@dataclass(frozen=True, kw_only=True)
class Probe(Cell):
    """A cell by which a model is recognised. It is read alone, for some meters demand that."""

    within: tuple[float, ...] = option("lowest and highest value", example=[80, 300])

    def fits(self, words: Words) -> bool:
        value = decode(self, words)
        return value is not None and self.within[0] <= value <= self.within[1]


def decode(cell: Cell, words: Words) -> float | None:
    """Return the value in *words*, the registers of *cell* as read: the nearest float there is.

    A float32 counts as the shortest decimal of 6 to 9 digits that names it: 230.2, where its bits
    say 230.1999969482422. None where the registers hold no number: NaN, infinity, the largest
    float32, or a BCD digit above 9. Pure; any words will do, as long as they are as many as *cell*
    has registers.
    """
    return cell.reader(words)


@functools.cache
def reader(kind: Type, word_order: WordOrder, scale: float) -> Callable[[Words], float | None]:
    """Return what decodes such cells. Integers are divided only once, so rounding is right."""
    length, exact = NUMBERS[kind]
    pack = struct.Struct(f">{length}H").pack
    step = 1 if word_order == "big" else -1
    times, over = ratio(scale)

    if kind in INTEGERS:
        unpack = struct.Struct(INTEGERS[kind]).unpack
        return lambda words: unpack(pack(*words[::step]))[0] * times / over

    def read(words: Words) -> float | None:
        number = exact(pack(*words[::step]))
        return None if number is None else number[0] * times / (number[1] * over)

    return read


Ratio = tuple[int, int]  # a number exactly: numerator and denominator


def integer(form: str) -> Callable[[bytes], Ratio]:
    unpack = struct.Struct(form).unpack
    return lambda data: (unpack(data)[0], 1)


def digits(data: bytes) -> Ratio | None:
    return (int(data.hex()), 1) if data.hex().isdecimal() else None


def magnitude(data: bytes) -> Ratio:
    return abs(INT32.unpack(data)[0]), 1


def shortest(data: bytes) -> Ratio | None:
    (value,) = FLOAT32.unpack(data)
    if not abs(value) < LARGEST_FLOAT32:  # neither is NaN
        return None
    text = ""
    for precision in FLOAT32_DIGITS:
        text = f"{value:.{precision}g}"
        if FLOAT32.pack(float(text)) == data:
            break
    return Decimal(text).as_integer_ratio()


INT32 = struct.Struct(">i")
FLOAT32 = struct.Struct(">f")
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127  # of either sign: there is no value
FLOAT32_DIGITS = range(6, 10)  # of a float32, 6 decimal digits are always true and 9 always suffice
INTEGERS: dict[Type, str] = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "int64": ">q",
}
NUMBERS: dict[Type, tuple[int, Callable[[bytes], Ratio | None]]] = {
    **{kind: (struct.calcsize(form) // 2, integer(form)) for kind, form in INTEGERS.items()},
    "float32": (2, shortest),
    "magnitude32": (2, magnitude),
    "bcd16": (1, digits),
    "bcd32": (2, digits),
}
