"""What the numbers in a Luxtronik's tables mean, by ``devices/luxtronik/luxtronik-2.yaml``."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files

from collector.errors import ConfigFault
from collector.options import Faults, Place, option, parse, read_options

FILE = files("collector").joinpath("devices", "luxtronik", "luxtronik-2.yaml")
FIRMWARE = slice(81, 91)  # characters, filled up with NUL
PRINTABLE = range(33, 127)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A number and the quantity that it tells."""

    quantity: str = option("name in the catalogue", example="flow_temperature")
    index: int = option("place in the table", example=10, low=0)
    name: str = option("what the controller calls it", example="ID_WEB_Temperatur_TVL", default="")
    scale: float = option("what the number is multiplied by", example=0.1, default=1.0)
    optional: bool = option("0 means nothing until it was something else", default=False)
    absent: int | None = option("means that nothing is connected", example=-500, default=None)
    unproved: bool = option("only one source says so, or sources disagree", default=False)

    @functools.cached_property
    def ratio(self) -> tuple[int, int]:
        return Decimal(repr(self.scale)).as_integer_ratio()


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Where *length* codes stand and when each was, in seconds since 1970 by their own clock."""

    code: str = option("quantity of the latest code", example="error_code")
    codes: int = option("place of the first code", example=100, low=0)
    time: str = option("quantity of its time", example="error_time")
    times: int = option("place of the first time", example=95, low=0)
    length: int = option("how many there are", example=5, low=1)


@dataclass(frozen=True, kw_only=True)
class Map:
    """What the tables of a controller hold; *states* gives words for the numbers of a quantity."""

    brand: str = option("who makes the heat pump")
    model: str = option("what the maker calls its controller")
    kind: str = option("kind of device", example="heatpump")
    document: str = option("where it is described")
    calculations: tuple[Entry, ...] = option("what stands in the table 3004")
    parameters: tuple[Entry, ...] = option("what stands in the table 3003")
    memories: tuple[Memory, ...] = option("what went wrong lately")
    states: dict[str, dict[str, str]] = option("what numbers stand for")

    @functools.cached_property
    def quantities(self) -> tuple[str, ...]:
        names = [entry.quantity for entry in (*self.calculations, *self.parameters)]
        return (*names, *(name for each in self.memories for name in (each.code, each.time)))


@functools.cache
def load() -> Map:
    """Read the map. Raise ConfigFault with every fault of the file."""
    faults = Faults()
    root = parse(FILE, faults)
    content = root and read_options(Map, root, Place(str(FILE), ""), faults)
    if not isinstance(content, Map):
        raise ConfigFault(faults.found)
    return content


def decode(
    entries: Sequence[Entry], numbers: Sequence[int], known: Collection[str]
) -> dict[str, float]:
    """Return the value of every one of *entries* that *numbers* hold.

    A number that is not there has none, nor has an optional one that is 0, unless its quantity is
    among the *known*, which have been something else before. Pure.
    """
    values = {}
    for entry in entries:
        if entry.index >= len(numbers):
            continue
        number = numbers[entry.index]
        unknown = entry.optional and not number and entry.quantity not in known
        if number != entry.absent and not unknown:
            times, over = entry.ratio
            values[entry.quantity] = number * times / over
    return values


def decode_memories(memories: Sequence[Memory], numbers: Sequence[int]) -> dict[str, float]:
    """Return code and time of the latest entry of each of *memories* that has one. Pure."""
    values: dict[str, float] = {}
    for memory in memories:
        codes = numbers[memory.codes : memory.codes + memory.length]
        times = numbers[memory.times : memory.times + memory.length]
        at_s, code = max(zip(times, codes, strict=False), default=(0, 0))
        if at_s > 0:
            values |= {memory.code: float(code), memory.time: float(at_s)}
    return values


def decode_firmware(numbers: Sequence[int]) -> str:
    """Return the version of the firmware such as ``V1.80``, or nothing. Pure."""
    return "".join(chr(number) for number in numbers[FIRMWARE] if number in PRINTABLE)
