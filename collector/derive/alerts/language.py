"""The language of conditions: read by hand, strictly, and never executed.

    condition  = every { "or" every }
    every      = part { "and" part }
    part       = "(" condition ")" | NAME SIGN LIMIT | "age of" DEVICE SIGN DURATION
               | DEVICE "missing" | NAME "falls"
    NAME       = [KIND "/"] DEVICE "." QUANTITY     '*' stands for anything, once in each
    SIGN       = ">" | ">=" | "<" | "<=" | "=" | "!="
    LIMIT      = NUMBER [UNIT] | NUMBER "%" "of" WORD | WORD
    WORD       = a quantity of the same device, or a setting: contract, discharge_floor

``mains.active_power > 95 % of contract and age of inverter < 1min``
"""

import math
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from collector.derive.alerts.condition import (
    Age,
    Comparison,
    Condition,
    Either,
    Every,
    Falls,
    Limit,
    Name,
)
from collector.derive.alerts.figures import FIGURES
from collector.quantity import Quantity, QuantityNotKnown, catalogue, matching
from collector.scalars import NotAccepted, did_you_mean, seconds_of

LONGEST = 500
KEPT = 200  # conditions of a house: each is read several times at a start
MOST_PARTS = 50
DEEPEST = 10
MISSING_S = 600.0
SIGNS = (">=", "<=", "!=", ">", "<", "=")
RESERVED = {"and", "or", "age", "of", "missing", "falls"}
SETTINGS = {"contract": "W", "discharge_floor": "%"}
TOKEN = re.compile(r"\s*([()]|>=|<=|!=|[<>=]|[^\s()<>=!]+)")
NUMBER = re.compile(r"([+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}))(.*)")
DEVICE = re.compile(r"(?=.)[A-Za-z0-9_.-]*\*?[A-Za-z0-9_.-]*")
PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3}
EXAMPLE = "such as 'mains.active_power > 5 kW'"


class NoCondition(NotAccepted):
    """The text is no condition; the message says where, and what is expected."""


@lru_cache(KEPT)
def parse(text: str) -> Condition:
    """Read a condition. Raise NoCondition."""
    words = split(text)
    reader = Words(words)
    condition = either(reader, 0)
    if reader.left:
        raise NoCondition(f"{reader.next()!r} is not expected: 'and' or 'or' joins conditions")
    return condition


def parse_limit(text: str, quantities: Collection[str], unit: str) -> Limit:
    """Read what stands behind a sign. Raise NoCondition."""
    reader = Words(split(text))
    found = limit(reader, quantities, unit)
    if reader.left:
        raise NoCondition(f"{reader.next()!r} is not expected behind a limit")
    return found


def split(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise NoCondition(f"a condition has at most {LONGEST} characters, not {len(text)}")
    words, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise NoCondition(f"{text[at : at + 20]!r} is not understood: expected {EXAMPLE}")
        words.append(found[1])
        at = found.end()
    if not words:
        raise NoCondition(f"a condition is empty: expected one {EXAMPLE}")
    return words


class Words:
    """The words of a text, one after the other."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0
        self.parts = 0

    @property
    def left(self) -> bool:
        return self.at < len(self.words)

    def next(self, expected: str = "") -> str:
        """Take a word. Raise NoCondition where there is none."""
        if not self.left:
            raise NoCondition(f"it ends too early: expected {expected}")
        self.at += 1
        return self.words[self.at - 1]

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.words[at] if at < len(self.words) else ""

    def took(self, *words: str) -> bool:
        """Take *words* if they come next."""
        if all(self.peek(ahead) == word for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False


def either(reader: Words, depth: int) -> Condition:
    parts = [every(reader, depth)]
    while reader.took("or"):
        parts.append(every(reader, depth))
    return parts[0] if len(parts) == 1 else Either(tuple(parts))


def every(reader: Words, depth: int) -> Condition:
    parts = [part(reader, depth)]
    while reader.took("and"):
        parts.append(part(reader, depth))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def part(reader: Words, depth: int) -> Condition:
    reader.parts += 1
    if reader.parts > MOST_PARTS:
        raise NoCondition(f"a condition has at most {MOST_PARTS} parts")
    if reader.took("("):
        if depth >= DEEPEST:
            raise NoCondition(f"parentheses stand at most {DEEPEST} deep")
        inner = either(reader, depth + 1)
        if not reader.took(")"):
            raise NoCondition("a ')' is missing")
        return inner
    if reader.took("age", "of"):
        name = device(reader.next("a device"))
        return Age(name, sign(reader), Limit(duration(reader)))
    word = reader.next(f"a condition {EXAMPLE}")
    if reader.took("missing"):
        return Age(device(word), ">", Limit(MISSING_S))
    name, quantities = quantity(word)
    known = known_of(quantities)
    if reader.took("falls"):
        counters = frozenset(each.name for each in known if each.kind == "counter")
        if not counters:
            raise NoCondition(f"{word!r} is not a counter: only counters fall without a reason")
        return Falls(name, counters, unit=known[0].unit)
    unit = unit_of(word, known)
    has_margins = all(each.kind == "gauge" for each in known)
    return Comparison(
        name, quantities, sign(reader), limit(reader, quantities, unit), unit, has_margins
    )


def sign(reader: Words) -> str:
    word = reader.next(f"one of {' '.join(SIGNS)}")
    if word not in SIGNS:
        raise NoCondition(f"{word!r} is not expected: one of {' '.join(SIGNS)}, 'missing', 'falls'")
    return word


def device(word: str) -> Name:
    """Read KIND/DEVICE. Raise NoCondition."""
    kind, name = word.split("/", 1) if "/" in word else ("*", word)
    for each in (kind, name):
        if not DEVICE.fullmatch(each):
            raise NoCondition(
                f"{word!r} is not a device: expected NAME or KIND/NAME, each with one '*' at most"
            )
    if word in RESERVED:
        raise NoCondition(f"{word!r} is not expected here: expected a condition {EXAMPLE}")
    return Name(kind, name)


@lru_cache(KEPT)
def quantity(word: str) -> tuple[Name, frozenset[str]]:
    """Read DEVICE.QUANTITY; return the device, and the quantities. Raise NoCondition."""
    name, point, pattern = word.rpartition(".")
    if not point or not name or not pattern:
        raise NoCondition(
            f"{word!r} is not expected: expected DEVICE.QUANTITY, as in a condition {EXAMPLE}"
        )
    names = [*catalogue(), *FIGURES]
    try:
        found = matching([pattern], names)
    except QuantityNotKnown:
        hint = did_you_mean(pattern.strip("*"), names)
        raise NoCondition(f"{pattern!r} is not a quantity of the catalogue{hint}") from None
    return device(name), frozenset(found)


def known_of(quantities: Iterable[str]) -> list[Quantity]:
    return [FIGURES.get(each) or catalogue()[each] for each in sorted(quantities)]


def unit_of(word: str, known: Iterable[Quantity]) -> str:
    units = {each.unit for each in known}
    if len(units) > 1:
        raise NoCondition(f"{word!r} names quantities in {', '.join(sorted(units))}: name one unit")
    return units.pop()


def limit(reader: Words, quantities: Collection[str], unit: str) -> Limit:
    """Read what stands behind a sign. Raise NoCondition."""
    word = reader.next("a value to compare with")
    found = NUMBER.fullmatch(word)
    if not found:
        return Limit(1.0, other(word, unit))
    number, given = float(found[1]), found[2]
    following = reader.peek()
    if not given and following and following not in {"and", "or", ")"}:
        given = reader.next()
    if given == "%" and reader.took("of"):
        return Limit(number / 100, other(reader.next("what it is a part of"), unit))
    return Limit(in_unit(number, given, unit, min(quantities)))


def other(word: str, unit: str) -> str:
    """Return a quantity or setting that has the unit *unit*. Raise NoCondition."""
    known = {each.name: each.unit for each in (*catalogue().values(), *FIGURES.values())} | SETTINGS
    if word not in known:
        hint = did_you_mean(word, known) or ": expected a number with its unit, or a quantity"
        raise NoCondition(f"{word!r} is neither a number nor a quantity{hint}")
    if known[word] != unit:
        raise NoCondition(f"{word!r} is in {known[word] or 'no unit'}, not in {unit or 'no unit'}")
    return word


def in_unit(number: float, given: str, unit: str, quantity: str) -> float:
    """Return a number in the unit of its quantity. Raise NoCondition."""
    if unit == "s" and given:
        try:
            return math.copysign(seconds_of(f"{abs(number):g}{given}"), number)
        except NotAccepted as error:
            raise NoCondition(str(error)) from None
    name = "B" if unit == "bytes" else unit
    for prefix, times in PREFIXES.items():
        if given in {"", f"{prefix}{name}"} and (unit not in {"", "%", "°C"} or not prefix):
            return number * (times if given else 1.0)
    raise NoCondition(
        f"{given!r} is not a unit of {quantity!r}: "
        + (f"expected {name}, or k{name}" if name not in {"", "%", "°C"} else f"expected {name!r}")
    )


def duration(reader: Words) -> float:
    number = reader.next("a duration such as 10min")
    if number.isdecimal() and reader.left:
        number += reader.next()
    try:
        return seconds_of(number)
    except NotAccepted as error:
        raise NoCondition(str(error)) from None
