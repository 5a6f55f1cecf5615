"""The reference page, the JSON Schemas and the example, made from the options in the code.

``python -m collector.cli.reference`` writes them, ``--check`` says whether they are current.
"""

import dataclasses
import inspect
import json
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from collector.cli.schemas import (
    has_notation,
    is_required,
    map_schema,
    plain,
    plugins,
    schema,
    tariff_schema,
)
from collector.config import COMMON
from collector.contract import registry
from collector.contract.house import MainOptions
from collector.derive.cost import notation, tariffs
from collector.quantity import catalogue
from collector.scalars import (
    Bytes,
    Device,
    FilePath,
    InputPath,
    Label,
    Role,
    Seconds,
)
from collector.secrets import Secret
from collector.syntax import spelled

ROOT = Path(__file__).parents[2]
EXAMPLES = {"sources": {"mains": "modbus", "pi": "host"}, "outputs": {"history": "influxdb"}}
EXAMPLE_HEAD = """\
# Energy Monitor: an example with every option. Copy what you need to
# /etc/energy-monitor/config.yaml, then run 'sudo energy-monitor reload'.
# '##' says what an option means; a line behind a single '#' may be left out.
"""
BLOCKS = {
    "standing": tariffs.StandingOptions,
    "export": tariffs.ExportOptions,
    "peak": tariffs.PeakOptions,
    "a price of a market": notation.MarketOptions,
}
WORDS = {
    str: "text", FilePath: "path", InputPath: "path", Label: "text", Device: "device",
    Role: "text",
    bool: "true or false", int: "whole number", float: "number",
    Seconds: "duration", Bytes: "size", Secret: "`!secret` name",
    Decimal: "number", date: "day",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write the generated files, or with --check compare them; return an exit status."""
    made = {
        ROOT / "docs" / "reference.md": reference(),
        ROOT / "docs" / "config.schema.json": json.dumps(schema(), indent=2) + "\n",
        ROOT / "docs" / "device-map.schema.json": json.dumps(map_schema(), indent=2) + "\n",
        ROOT / "docs" / "tariffs.schema.json": json.dumps(tariff_schema(), indent=2) + "\n",
        ROOT / "config.example.yaml": example(),
    }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} is not current: run python -m collector.cli.reference")  # noqa: T201  a script
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
    return 0


def reference() -> str:
    """Return the reference page."""
    return "\n".join(pages()) + "\n"


def pages() -> Iterator[str]:
    yield "# Reference\n"
    yield "Made from the code by `python -m collector.cli.reference`; do not edit.\n"
    yield "Durations are written with their unit (`500ms`, `10s`, `5m`, `1h`, `7d`), sizes likewise"
    yield "(`100 MB`, `2 GB`), and secrets by name (`!secret influxdb-token`). A relative path"
    yield "counts from the configuration file that it stands in.\n"
    yield "## Top of the file\n"
    yield from option_table(MainOptions)
    for group, common in COMMON.items():
        if not registry.names(group):
            continue
        yield f"## {group.capitalize()}\n"
        yield f"{inspect.getdoc(common)}\n"
        yield from option_table(common)
        for name, options in plugins(group):
            yield f"### {name}\n"
            yield f"{inspect.getdoc(options)}\n"
            yield from option_table(options, besides=common)
    yield "## Contracts\n"
    yield "In the file that `tariffs` names; [tariffs.md](tariffs.md) has examples.\n"
    yield from option_table(tariffs.TariffOptions)
    for name, block in BLOCKS.items():
        yield f"### {name}\n"
        yield f"{inspect.getdoc(block)}\n"
        yield from option_table(block)
    yield "## Quantities\n"
    yield "| quantity | unit | kind | sane from | to | meaning |"
    yield "|---|---|---|---|---|---|"
    for each in catalogue().values():
        yield (
            f"| `{each.name}` | {each.unit} | {each.kind} "
            f"| {each.low:g} | {each.high:g} | {each.help} |"
        )


def own_fields(options: type, besides: type | None) -> list[dataclasses.Field[Any]]:
    """Return the options of a class, without those that it has from *besides* as they are."""
    known = {each.name: each.metadata for each in dataclasses.fields(besides)} if besides else {}
    return [each for each in dataclasses.fields(options) if known.get(each.name) != each.metadata]


def option_table(options: type, path: str = "", besides: type | None = None) -> Iterator[str]:
    """Yield a table of options; those of a nested block under their whole path."""
    fields = own_fields(options, besides)
    if not fields:
        return
    if not path:
        yield "| option | accepts | default | meaning | example |"
        yield "|---|---|---|---|---|"
    hints = typing.get_type_hints(options)
    for each in fields:
        hint = hints[each.name]
        kinds = {tuple: (0, "[]"), dict: (1, ".NAME")}
        place, mark = kinds.get(get_origin(hint), (None, ""))
        inner = hint if place is None else get_args(hint)[place]
        if dataclasses.is_dataclass(inner) and inner is not Secret and not has_notation(inner):
            yield from option_table(typing.cast("type", inner), f"{path}{each.name}{mark}.")
            continue
        example = each.metadata.get("example")
        yield (
            f"| `{path}{spelled(each)}` | {words(hint)} | {shown_default(each)} | "
            f"{each.metadata['help']} | {f'`{as_yaml(example)}`' if example is not None else ''} |"
        )
    if not path:
        yield ""


def example() -> str:
    """Return the example configuration: every option, those with a default as comments."""
    lines = [EXAMPLE_HEAD, *example_options(MainOptions, "")]
    for group, chosen in EXAMPLES.items():
        lines.append(f"\n{group}:")
        for name, kind in chosen.items():
            options = registry.find(group, kind).Options
            lines += [f"  {name}:", *example_options(options, "    ", type=kind)]
    return "\n".join(lines) + "\n"


def example_options(options: type, indent: str, **given: str) -> Iterator[str]:
    """Yield each option below its help; what may be left out as a comment with its default."""
    hints = typing.get_type_hints(options)
    for each in dataclasses.fields(options):
        hint = hints[each.name]
        yield from textwrap.wrap(
            each.metadata["help"], 96 - len(indent), initial_indent=f"{indent}## ",
            subsequent_indent=f"{indent}## ",
        )  # fmt: skip
        if dataclasses.is_dataclass(hint) and hint is not Secret:
            yield f"{indent}# {each.name}:"
            for line in example_options(typing.cast("type", hint), ""):
                yield f"{indent}#   {line.removeprefix('# ')}"
            continue
        value = given.get(each.name, each.metadata["example"])
        mark = "" if is_required(each) else "# "
        yield f"{indent}{mark}{each.name}: {as_yaml(value)}"


def words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return words(plain(hint))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in get_args(hint))
    if origin is tuple:
        return f"list of {words(get_args(hint)[0])}"
    return "names" if origin is dict else hint.words if has_notation(hint) else WORDS[hint]


def shown_default(each: dataclasses.Field[Any]) -> str:
    if is_required(each):
        return "**required**"
    default = each.default if each.default is not dataclasses.MISSING else None
    if has_notation(type(default)):
        return ""
    if isinstance(default, Seconds | Bytes):
        return f"`{in_unit(default)}`"
    return "" if default in (None, (), "") else f"`{as_yaml(default)}`"


def in_unit(value: float) -> str:
    """Write a duration or size in the largest unit that leaves a whole number; 0 has none."""
    if not value:
        return "0"
    scales = {"d": 86400, "h": 3600, "m": 60, "s": 1} if isinstance(value, Seconds) else {
        " GB": 1000**3, " MB": 1000**2, " kB": 1000, " B": 1,
    }  # fmt: skip
    unit = next((unit for unit, size in scales.items() if value % size == 0), None)
    return f"{value * 1000:g}ms" if unit is None else f"{value / scales[unit]:g}{unit}"


def as_yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_yaml(each) for each in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
