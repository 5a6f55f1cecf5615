"""Numbers out of documents that others write: which field is which quantity, and in what unit.

A path names a field: ``ENERGY.Power``, ``Voltage.0`` for the first of a list, ``.`` for all there
is. A field that is missing, or holds no number, is absent, never 0.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from collector.contract import BadOption
from collector.contract.documents import parsed
from collector.decode.exact import meant
from collector.options import option
from collector.quantity import Quantity, catalogue
from collector.reading import NAME, NAME_RULE
from collector.scalars import did_you_mean

WHOLE = "."
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
LONGEST_NUMBER = 64
CUT = 180  # of a name that is too long: its digest follows
DEEPEST = 20  # a path has no more parts
SWITCHED = {"on": 1.0, "true": 1.0, "off": 0.0, "false": 0.0}
PRODUCING = "producing"
PREFIXES = {"m": Fraction(1, 1000), "k": Fraction(1000), "M": Fraction(10**6)}
PREFIXED = {"A", "Ah", "Hz", "V", "VA", "VAh", "W", "W/m²", "Wh", "bytes", "var", "varh"}
# Unit of the catalogue -> other unit -> (factor, what is added then).
OTHERS: dict[str, dict[str, tuple[Fraction | int, Fraction | int]]] = {
    "Wh": {"Wmin": (Fraction(1, 60), 0), "Ws": (Fraction(1, 3600), 0), "J": (Fraction(1, 3600), 0)},
    "°C": {"°F": (Fraction(5, 9), Fraction(-160, 9)), "K": (1, Fraction("-273.15"))},
    "s": {"ms": (Fraction(1, 1000), 0), "min": (60, 0), "h": (3600, 0), "d": (86400, 0)},
    "hPa": {"Pa": (Fraction(1, 100), 0), "kPa": (10, 0), "mbar": (1, 0)},
    "m/s": {"km/h": (Fraction(5, 18), 0)},
    "": {"%": (Fraction(1, 100), 0)},
}


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """Which field of a document is which quantity."""

    kind: str = option(
        "kind of device, the measurement in which its readings are stored",
        example="electricity",
        default="electricity",
        pattern="[a-z]+",
    )
    quantities: dict[str, str] = option(
        "field of each quantity: 'ENERGY.Power' is the field Power in ENERGY, 'Voltage.0' the "
        "first of a list, '.' the whole message",
        example={"active_power": "ENERGY.Power", "active_energy": "ENERGY.Total"},
        default={},
    )
    units: dict[str, str] = option(
        "units that differ from the catalogue, each with a factor if needed",
        example={"active_energy": "kWh", "voltage": "0.1 V"},
        default={},
    )


@dataclass(frozen=True)
class Field:
    """Where a quantity stands. Its value is the number there times *factor* plus *offset*.

    One that *is_switch* may also be true, false, on or off. Where the field at *exporting* says
    'producing', the value flows out and is not above 0.
    """

    quantity: str
    path: str
    factor: Fraction
    offset: Fraction
    is_switch: bool
    exporting: str = ""


def check_names(names: Iterable[str]) -> None:
    """Raise BadOption where one of the *names* of ``devices`` cannot be stored."""
    for name in names:
        if not NAME.fullmatch(name):
            raise BadOption(f"devices.{name}", f"{name!r} is not a valid name: {NAME_RULE}")


def fields_of(mapped: Mapped, at: str) -> tuple[Field, ...]:
    """Check a mapping that stands at the option *at*. Raise BadOption."""
    known = catalogue()
    for quantity in mapped.units.keys() - mapped.quantities.keys():
        raise BadOption(f"{at}.units.{quantity}", f"{quantity!r} is not among the quantities")
    fields = []
    for name, path in mapped.quantities.items():
        if name not in known:
            hint = did_you_mean(name, known) or "; see docs/reference.md"
            raise BadOption(f"{at}.quantities.{name}", f"{name!r} is not in the catalogue{hint}")
        try:
            factor, offset = conversion(mapped.units.get(name, known[name].unit), known[name].unit)
        except ValueError as error:
            raise BadOption(f"{at}.units.{name}", f"{name} is in {error}") from None
        fields.append(Field(name, path, factor, offset, is_switch(known[name])))
    return tuple(fields)


def is_switch(quantity: Quantity) -> bool:
    return quantity.kind == "state" and (quantity.low, quantity.high) == (0, 1)


def conversion(text: str, unit: str) -> tuple[Fraction, Fraction]:
    """Return factor and offset from what *text* says, such as 'kWh' or '0.1 V', to *unit*.

    Raise ValueError, whose text says what is accepted.
    """
    others = {**OTHERS.get(unit, {}), unit: (1, 0)}
    if unit in PREFIXED:
        others |= {prefix + unit: (factor, 0) for prefix, factor in PREFIXES.items()}
    number = NUMBER.match(text)
    times = Fraction(number[0]) if number and len(number[0]) < LONGEST_NUMBER else Fraction(1)
    other = text[number.end() :].strip() if number else text.strip()
    if other not in others or not 1e-12 <= abs(times) <= 1e12:  # noqa: PLR2004  beyond any meter
        names = ", ".join(each for each in others if each)
        accepted = f"; accepted: {names}, perhaps with a factor such as '0.1 {unit}'"
        raise ValueError(f"{unit or 'no unit'}, not in {text!r}{accepted}")
    factor, offset = others[other]
    return times * factor, Fraction(offset)


def parse(payload: bytes) -> Any:
    """Return what *payload* says: what is in it as JSON, else its text. Pure, never raises."""
    text = payload.decode("utf-8", errors="replace")
    try:
        return parsed(text, parse_constant=lambda _: None)
    except ValueError:
        return text


def pick(document: Any, path: str) -> Any:
    """Return the field at *path*, None where there is none. A key may hold dots itself. Pure."""
    if path == WHOLE:
        return document
    parts = path.split(WHOLE, DEEPEST)
    for number, part in enumerate(parts):
        if isinstance(document, Mapping):
            rest = WHOLE.join(parts[number:])
            if rest in document:
                return document[rest]
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and len(part) < LONGEST_NUMBER:
            document = document[int(part)] if int(part) < len(document) else None
        else:
            return None
    return document


def number_in(raw: Any) -> float | None:
    """Return the finite number that *raw* is, or says in plain digits; else None. Pure."""
    if isinstance(raw, str):
        text = raw.strip()
        if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(text):
            return None
        raw = float(text)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    try:
        value = float(raw)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def value_of(field: Field, document: Any) -> float | None:
    """Return what *field* says in *document*, in its quantity's unit; None where nothing. Pure."""
    raw = pick(document, field.path)
    if field.is_switch and isinstance(raw, bool | str):
        switched = SWITCHED.get(str(raw).strip().lower())
        if switched is not None:
            return switched
    number = number_in(raw)
    if number is not None and field.exporting and pick(document, field.exporting) == PRODUCING:
        number = -abs(number)
    if number is None or (field.factor == 1 and not field.offset):
        return number
    try:
        return float(meant(number) * field.factor + field.offset)
    except OverflowError:
        return None


def decode(fields: Iterable[Field], document: Any) -> dict[str, float]:
    """Return the value of every quantity that *document* tells. Pure."""
    values = {field.quantity: value_of(field, document) for field in fields}
    return {quantity: value for quantity, value in values.items() if value is not None}


def leaves(document: Any, path: str = "") -> dict[str, Any]:
    """Return every field that holds no others, by its path. Pure."""
    if isinstance(document, Mapping):
        inner = document.items()
    elif isinstance(document, list):
        inner = {str(number): each for number, each in enumerate(document)}.items()
    else:
        return {path or WHOLE: document}
    found: dict[str, Any] = {}
    if path.count(WHOLE) < DEEPEST:
        for key, each in inner:
            found |= leaves(each, f"{path}{WHOLE}{key}" if path else str(key))
    return found


def raw_rows(
    label: str, fields: Iterable[Field], document: Any, meaning: str
) -> list[dict[str, Any]]:
    """Return every field of *document* as a row of ``read --raw``, named *label* and its path."""
    rows = []
    told = {field.path: field for field in fields}
    for path, raw in leaves(document).items():
        field = told.get(path)
        rows.append(
            {
                "label": f"{label} {path}",
                "text": raw if isinstance(raw, str) else json.dumps(raw),
                "quantity": field.quantity if field else "",
                "value": value_of(field, document) if field else None,
                "meaning": meaning,
            }
        )
    return rows


def device_name(entry: str, words: Iterable[str]) -> str:
    """Return the device that *entry* is, or that *words* tell from others. Pure.

    What is longer than a name can be ends in its digest, so that it stays one of its own.
    """
    name = ".".join([entry, *(re.sub("[^A-Za-z0-9]", "_", word) for word in words)])
    if NAME.fullmatch(name):
        return name
    return f"{name[:CUT]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"
