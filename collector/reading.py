"""A reading is what one device said at one instant: kind, device, UTC time, a number per quantity.

On disk and on the wire a reading is one line of InfluxDB line protocol, without its line end:

    electricity,device=mains voltage=230.1,active_power=-412 1763654400000

The kind of device is the measurement, the time is in milliseconds since 1970 UTC, and every
value is a float (written without ``i``). Kinds, device and quantity names are plain words
(``NAME``), so that nothing ever needs escaping.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")  # some become names of files
LATEST_MS = 10**13  # the year 2286: more digits than the name of a segment has
NAME_RULE = "up to 200 letters, digits, '_', '-' and '.', beginning with a letter or digit"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device said at one instant; *at_ms* is UTC in milliseconds since 1970."""

    kind: str
    device: str
    at_ms: int
    values: Mapping[str, float]


def encode(reading: Reading) -> bytes:
    """Write *reading* as one line of line protocol.

    Raise ValueError where it has no value, a value that is no finite number, or a kind or device
    that is no plain word: none can be stored, and one line that is none would end every output.
    """
    if not reading.values:
        msg = f"a reading of {reading.device} has no values"
        raise ValueError(msg)
    if not all(map(math.isfinite, reading.values.values())):
        name, value = next(each for each in reading.values.items() if not math.isfinite(each[1]))
        msg = f"{name} of {reading.device} is {value}"
        raise ValueError(msg)
    fields = ",".join([f"{quantity}={value!r}" for quantity, value in reading.values.items()])
    return f"{head_of(reading.kind, reading.device)} {fields} {reading.at_ms:d}".encode("ascii")


@lru_cache(4096)
def head_of(kind: str, device: str) -> str:
    """Return how a line begins. Raise ValueError."""
    for what, name in (("kind", kind), ("device", device)):
        if not NAME.fullmatch(name):
            raise ValueError(f"{name[:200]!r} is not the name of a {what}: {NAME_RULE}")
    return f"{kind},device={device}"


def decode(line: bytes) -> Reading:
    """Read a line that ``encode`` wrote. Raise ValueError for anything else."""
    head, fields, at_ms = line.decode("ascii").split(" ")
    kind, device = head.split(",device=")
    values = {}
    for field in fields.split(","):
        quantity, value = field.split("=")
        values[quantity] = float(value)
    return Reading(kind, device, int(at_ms), values)


@lru_cache(1024)
def decoded(line: bytes) -> Reading:
    """Decode a line that several look at within a short time: each derivation, and the ledger."""
    return decode(line)


def check_line(line: str) -> bytes:
    """Return *line* encoded, if it is one that ``encode`` could have written. Raise ValueError."""
    try:
        reading = decode(line.encode("ascii"))
        names = [reading.kind, reading.device, *reading.values]
        if not 0 < reading.at_ms < LATEST_MS or not all(NAME.fullmatch(name) for name in names):
            raise ValueError  # noqa: TRY301  said below
        return encode(reading)
    except ValueError:
        raise ValueError(f"not a reading as the journal writes it: {line[:200]!r}") from None


def kind_of(line: bytes) -> str:
    """Return only the kind of device of an encoded reading."""
    return line[: line.index(b",")].decode("ascii")


def time_ms(line: bytes) -> int:
    """Return only the time of an encoded reading, in milliseconds since 1970 UTC."""
    return int(line[line.rindex(b" ") + 1 :])
