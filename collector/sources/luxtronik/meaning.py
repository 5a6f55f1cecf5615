"""What the numbers in a Luxtronik's tables mean, by ``devices/luxtronik/luxtronik-2.yaml``."""

import functools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files

from collector.decode.exact import ratio
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
    since: str = option("first firmware of which this holds", example="3.92", default="")
    before: str = option("first firmware of which this no longer holds", example="3", default="")

    def is_of(self, firmware: str) -> bool:
        """Does it hold of *firmware*? Where that is not known, only what holds of all does."""
        is_now = version(firmware)
        if not self.since and not self.before:
            return True
        return bool(is_now) and version(self.since) <= is_now < (version(self.before) or (10**9,))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Where *length* codes stand and when each was, in seconds since 1970 by their own clock."""

    code: str = option("quantity of the latest code", example="error_code")
    codes: int = option("place of the first code", example=100, low=0)
    time: str = option("quantity of its time", example="error_time")
    times: int = option("place of the first time", example=95, low=0)
    length: int = option("how many there are", example=5, low=1)


@dataclass(frozen=True, kw_only=True)
class SmartGrid:
    """The two inputs of SG Ready, and what they ask for together."""

    quantity: str = option("quantity of the state", example="sg_ready")
    enabled: int = option("place of the parameter that is 1 where they are in use", example=1030)
    inputs: tuple[int, ...] = option("places of both in the calculations", example=[31, 185])
    states: dict[str, int] = option("state by the two inputs", example={"10": 1})


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
    smart_grid: SmartGrid = option("what the grid asks for")
    states: dict[str, dict[str, str]] = option("what numbers stand for")

    @functools.cached_property
    def quantities(self) -> tuple[str, ...]:
        names = [entry.quantity for entry in (*self.calculations, *self.parameters)]
        codes = [name for each in self.memories for name in (each.code, each.time)]
        return tuple(dict.fromkeys([*names, *codes, self.smart_grid.quantity]))


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
            times, over = ratio(entry.scale)
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


def decode_smart_grid(grid: SmartGrid, numbers: Sequence[int]) -> dict[str, float]:
    """Return the state that the two inputs in the calculations *numbers* stand for. Pure."""
    levels = "".join(str(numbers[each]) for each in grid.inputs if each < len(numbers))
    state = grid.states.get(levels)
    return {} if state is None else {grid.quantity: float(state)}


def version(firmware: str) -> tuple[int, ...]:
    """Return the numbers of a version such as ``V3.92.1``; none where there are none. Pure."""
    return tuple(int(each) for each in re.findall("[0-9]{1,9}", firmware))


def decode_firmware(numbers: Sequence[int]) -> str:
    """Return the version of the firmware such as ``V1.80``, or nothing. Pure."""
    return "".join(chr(number) for number in numbers[FIRMWARE] if number in PRINTABLE)
