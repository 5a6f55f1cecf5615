"""What the labels of VE.Direct mean: quantities, states, and products by their id.

All of it stands in ``devices/vedirect/fields.yaml`` and ``products.yaml``, each with its sources.
What is not known is absent: ``---``, a number too long, a text where a number should be.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from collector.decode.exact import ratio
from collector.errors import ConfigFault
from collector.options import Faults, Place, option, parse, read_options

NUMBER = re.compile(r"-?[0-9]{1,15}|0x[0-9A-Fa-f]{1,8}")
LABEL = re.compile(r"[A-Za-z0-9_#]{1,9}")
WORDS = {"OFF": 0, "ON": 1}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A label: the quantity in its own unit is the number on the wire times *scale*."""

    quantity: str = option("quantity of the catalogue", example="battery_voltage")
    scale: float = option("what the number counts, in the quantity's unit", default=1.0)
    absent: tuple[int, ...] = option("numbers that say that there is no value", default=())
    states: dict[str, str] = option("meaning of each number", default={})
    bits: dict[str, str] = option("meaning of each bit", default={})

    def value(self, text: str) -> float | None:
        """Return the value that *text* stands for; None where there is none."""
        sent = number(text)
        if sent is None or sent in self.absent:
            return None
        times, over = ratio(self.scale)
        return sent * times / over

    def meaning(self, text: str) -> str:
        """Say what the number in *text* stands for; nothing where it is a number and no more."""
        sent = number(text)
        if sent is None:
            return ""
        if self.bits:
            return ", ".join(word for bit, word in self.bits.items() if sent & int(bit, 0))
        return self.states.get(str(sent), "")


@dataclass(frozen=True, kw_only=True)
class FieldsFile:
    """What stands in ``fields.yaml``."""

    texts: tuple[str, ...] = option("labels of texts, which are no quantities")
    fields: dict[str, Field] = option("what each label means")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The products that give one kind of reading."""

    blocks: int = option("a reading comes in so many blocks (0: differs)", default=0, low=0, high=4)
    labels: tuple[str, ...] = option("labels by which an unknown product is of this kind")
    products: dict[str, str] = option("name by product id")


@dataclass(frozen=True, kw_only=True)
class ProductsFile:
    """What stands in ``products.yaml``."""

    battery: Kind = option("battery monitors")
    solar: Kind = option("solar chargers")
    inverter: Kind = option("inverters")
    charger: Kind = option("chargers, from the mains or another battery")


@functools.cache
def table() -> FieldsFile:
    """Return what each label means. Raise ConfigFault naming every fault in the file."""
    loaded: FieldsFile = load("fields.yaml", FieldsFile)
    return loaded


@functools.cache
def products() -> Mapping[int, tuple[str, str]]:
    """Return (kind, name) of each product by its id. Raise ConfigFault."""
    return {
        int(pid, 16): (kind, name)
        for kind, each in kinds().items()
        for pid, name in each.products.items()
    }


@functools.cache
def kinds() -> Mapping[str, Kind]:
    loaded: ProductsFile = load("products.yaml", ProductsFile)
    return vars(loaded)


def load(name: str, form: type) -> Any:
    faults = Faults()
    root = parse(files("collector").joinpath("devices", "vedirect", name), faults)
    content = read_options(form, root, Place(name, ""), faults) if root is not None else None
    if faults.found:
        raise ConfigFault(faults.found)
    return content


def number(text: str) -> int | None:
    """Return the whole number in *text*, decimal, hexadecimal, ON or OFF; None where none is."""
    if NUMBER.fullmatch(text):
        return int(text, 16 if text.startswith("0x") else 10)
    return WORDS.get(text.upper())


def values(said: Mapping[str, str]) -> dict[str, float]:
    """Return the value of each quantity in what a device said. Any texts will do."""
    found = {}
    for label, text in said.items():
        known = table().fields.get(label)
        value = known.value(text) if known else None
        if known and value is not None:
            found[known.quantity] = value
    return found


def raw_values(said: Mapping[str, str]) -> dict[str, float]:
    """Return the number under each label that is not known."""
    known = table()
    return {
        label: float(sent)
        for label, text in said.items()
        if label not in known.fields and label not in known.texts and LABEL.fullmatch(label)
        if (sent := number(text)) is not None
    }


def kind_of(said: Mapping[str, str]) -> str:
    """Return the kind of reading that a device gives, by its product id, else by its labels."""
    kind, _ = products().get(number(said.get("PID", "")) or 0, ("", ""))
    by_label = (
        name for name, each in kinds().items() if any(label in said for label in each.labels)
    )
    return kind or next(by_label, "battery")


def usual_blocks(pid: str) -> int:
    """Return in how many blocks a reading of the product *pid* comes; 0 where that differs."""
    kind, _ = products().get(number(pid) or 0, ("", ""))
    return kinds()[kind].blocks if kind else 0


def product_name(said: Mapping[str, str]) -> str:
    _, name = products().get(number(said.get("PID", "")) or 0, ("", "unknown product"))
    return name


def identity(said: Mapping[str, str]) -> str:
    """Say which device it is: ``BMV-702 (0x204), firmware 3.08, serial number HQ1411MYIKN``."""
    parts = [f"{product_name(said)} (PID {said.get('PID', '?')})"]
    if version := firmware(said):
        parts.append(f"firmware {version}")
    if serial := said.get("SER#"):
        parts.append(f"serial number {serial}")
    return ", ".join(parts)


def firmware(said: Mapping[str, str]) -> str:
    """Return the version as Victron writes it, from FW (``0308``) or FWE (``0419FF``)."""
    if match := re.fullmatch(r"([A-Z]?)0*([0-9]+)([0-9]{2})", said.get("FW", "")):
        candidate = f" candidate {match[1]}" if match[1] else ""
        return f"{match[2]}.{match[3]}{candidate}"
    if match := re.fullmatch(r"0*([0-9A-F]+)([0-9A-F]{2})([0-9A-F]{2})", said.get("FWE", "")):
        beta = "" if match[3] == "FF" else f" beta {int(match[3], 16)}"
        return f"{match[1]}.{match[2]}{beta}"
    return ""


def unexpected(expect: Mapping[str, str], said: Mapping[str, str]) -> str:
    """Say what of *expect* does not hold of what a device said; nothing where all of it does.

    *expect* gives for a label the text or number that it must have; ``*`` stands for anything.
    """
    for label, wanted in expect.items():
        if label not in said:
            return f"it does not send {label}"
        if not fits(wanted, said[label]):
            return f"its {label} is {said[label]}, not {wanted}"
    return ""


def fits(wanted: str, text: str) -> bool:
    if number(wanted) is not None:
        return number(wanted) == number(text)
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), text) is not None
