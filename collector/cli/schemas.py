"""The JSON Schemas of the configuration, of device maps and of contracts, out of the options."""

import dataclasses
import types
import typing
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from collector.config import COMMON
from collector.contract import registry
from collector.contract.house import MainOptions
from collector.derive.cost import tariffs
from collector.quantity import catalogue
from collector.scalars import (
    PART_OF,
    ROLES,
    Bytes,
    Device,
    FilePath,
    InputPath,
    Label,
    Role,
    Seconds,
)
from collector.secrets import Secret
from collector.sources.modbus.devicemap import MapFile
from collector.syntax import spelled

PATTERN_OF_SECONDS = r"^[0-9.]+ *(ms|s|m|min|h|d|w)$"
PATTERN_OF_BYTES = r"^[0-9.]+ *[kKMGT]?[bB]$"


SCHEMAS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    FilePath: {"type": "string", "minLength": 1},
    InputPath: {"type": "string", "minLength": 1},
    Device: {"type": "string", "minLength": 1},
    Label: {"type": "string", "minLength": 1, "maxLength": 60},
    Role: {"type": "string", "pattern": f"^(?:{'|'.join(ROLES)}|{PART_OF}[A-Za-z0-9_.-]+)$"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {"type": "number"},
    date: {"type": "string", "format": "date"},
    Seconds: {"anyOf": [{"type": "string", "pattern": PATTERN_OF_SECONDS}, {"const": 0}]},
    Bytes: {"anyOf": [{"type": "string", "pattern": PATTERN_OF_BYTES}, {"const": 0}]},
    # An editor sees the name behind the tag !secret.
    Secret: {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,99}$"},
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration, for editors."""
    top = object_schema(MainOptions)
    for group in COMMON:
        kinds: list[Any] = [
            {"if": {"properties": {"type": {"const": name}}}, "then": object_schema(options)}
            for name, options in plugins(group)
        ]
        names = [name for name, _ in plugins(group)]
        each = {"type": "object", "required": ["type"], "properties": {"type": {"enum": names}}}
        top["properties"][group] = {
            "type": "object",
            "additionalProperties": each | {"allOf": kinds} if kinds else True,
        }
    top["properties"]["import"] = {"type": "array", "items": {"type": "string"}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top}


def map_schema() -> dict[str, Any]:
    """Return the JSON Schema of a device map, for editors. What proofs hold is checked by us."""
    made = object_schema(MapFile)
    register = made["properties"]["registers"]["items"]["properties"]
    register["quantity"]["enum"] = list(catalogue())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def tariff_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of contracts, for editors."""
    made = object_schema(tariffs.TariffOptions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def object_schema(options: type) -> dict[str, Any]:
    hints = typing.get_type_hints(options)
    fields = dataclasses.fields(options)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [spelled(each) for each in fields if is_required(each)],
        "properties": {spelled(each): field_schema(hints[each.name], each) for each in fields},
    }


def field_schema(hint: Any, each: dataclasses.Field[Any]) -> dict[str, Any]:
    made = type_schema(hint)
    if (help_text := each.metadata.get("help")) is not None:
        made = made | {"description": help_text}
    if made.get("type") in ("integer", "number"):
        limits = {"minimum": each.metadata.get("low"), "maximum": each.metadata.get("high")}
        made |= {key: value for key, value in limits.items() if value is not None}
    if made.get("type") == "string" and each.metadata.get("pattern"):
        made |= {"pattern": f"^(?:{each.metadata['pattern']})$"}
    return made


def type_schema(hint: Any) -> dict[str, Any]:
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return type_schema(plain(hint))
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return {"type": "array", "items": type_schema(get_args(hint)[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": type_schema(get_args(hint)[1])}
    if has_notation(hint):
        return {}
    return dict(SCHEMAS[hint]) if hint in SCHEMAS else object_schema(hint)


def has_notation(hint: Any) -> bool:
    """Tell whether a type reads itself, in a notation of its own."""
    return hasattr(hint, "from_yaml")


def plain(hint: Any) -> Any:
    """Return the type in ``type | None``."""
    return next(each for each in get_args(hint) if each is not type(None))


def is_required(each: dataclasses.Field[Any]) -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


def plugins(group: str) -> list[tuple[str, type]]:
    """Return name and options of every source or output of this project."""
    return [(name, registry.find(group, name).Options) for name in registry.names(group)]
