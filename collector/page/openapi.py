"""The API as an OpenAPI 3.1 document, generated from the table of routes and the views."""

import dataclasses
import inspect
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args, get_origin

from collector.contract.views import ErrorView
from collector.page.request import Parameter
from collector.status import hints_of

LICENCE = "GPL-3.0-or-later"
SCHEMAS = "#/components/schemas/"
PLAIN_TYPES: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}
REFUSALS = {
    "400": "a parameter is not accepted; the sentence says which and why",
    "401": "the password of the page is needed (HTTP Basic, any user name)",
    "404": "there is no such device or quantity",
    "421": "asked by a name that is not of this computer",
    "429": "too many at once, or too many wrong passwords; Retry-After says when to come again",
    "503": "what it is read from is not there yet, or cannot be read",
}
DESCRIPTION = (
    "Powers are W, energies Wh, durations seconds, times (..._ms) UTC in milliseconds since 1970. "
    "Money is a decimal number as a string. null is what is not known. Everything is read-only."
)


class Described(Protocol):
    """A route as the document tells of it."""

    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def view(self) -> Any: ...
    @property
    def parameters(self) -> Sequence[Parameter]: ...


def document(version: str, routes: Sequence[Described]) -> dict[str, Any]:
    """Return the whole document."""
    schemas: dict[str, Any] = {}
    paths = {each.path: {"get": operation(each, schemas)} for each in routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Energy Monitor",
            "version": version or "0",
            "description": DESCRIPTION,
            "license": {"name": "GNU General Public License 3", "identifier": LICENCE},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"password": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"password": {"type": "http", "scheme": "basic"}},
        },
    }


def operation(route: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(route.view, schemas)}}
    if any(each.name == "format" for each in route.parameters):
        content["text/csv"] = {"schema": {"type": "string"}}
    made: dict[str, Any] = {
        "operationId": route.path.rpartition("/")[2],
        "summary": route.summary,
        "parameters": [
            {
                "name": each.name,
                "in": "query",
                "required": each.required,
                "description": each.help,
                "schema": dict(each.schema),
            }
            for each in route.parameters
        ],
        "responses": {
            "200": {"description": route.summary, "content": content},
            "304": {"description": "the same as what has the ETag of If-None-Match"},
        },
    }
    failure = {"application/json": {"schema": schema_of(ErrorView, schemas)}}
    for status, text in REFUSALS.items():
        made["responses"][status] = {"description": text, "content": failure}
    return made


def schema_of(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; dataclasses are put into *schemas* and referred to."""
    if hint in PLAIN_TYPES:
        return dict(PLAIN_TYPES[hint])
    if dataclasses.is_dataclass(hint):
        name = getattr(hint, "__name__", "")
        if name not in schemas:
            schemas[name] = {}  # for those that hold themselves
            schemas[name] = of_dataclass(hint, schemas)
        return {"$ref": f"{SCHEMAS}{name}"}
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin is types.UnionType:
        return {"anyOf": [schema_of(each, schemas) for each in args]}
    if origin is tuple:
        return of_tuple(args, schemas)
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schema_of(args[1], schemas)}
    raise TypeError(f"no schema for {hint}")


def of_tuple(args: tuple[Any, ...], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list, or of some values in order.

    Tools that read ``prefixItems`` as OpenAPI 3.0 does take it for an error; so it is not used.
    """
    if args[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(args[0], schemas)}
    inner = [schema_of(each, schemas) for each in dict.fromkeys(args)]
    items = inner[0] if len(inner) == 1 else {"anyOf": inner}
    return {"type": "array", "items": items, "minItems": len(args), "maxItems": len(args)}


def of_dataclass(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    hints = hints_of(hint)
    return {
        "type": "object",
        "description": inspect.cleandoc(hint.__doc__ or ""),
        "properties": {name: schema_of(each, schemas) for name, each in hints.items()},
        "required": list(hints),
        "additionalProperties": False,
    }
