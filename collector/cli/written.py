"""Changes of the configuration that commands write for the owner; all else in the file stays."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from collector import config, files
from collector.errors import ConfigFault, EnergyMonitorError, Fault
from collector.run import wiring
from collector.syntax import compose

Change = Callable[[str], str]  # of the text of a configuration


def write(file: Path, change: Change) -> config.Config:
    """Put the changed text into *file*, unless it has a mistake then; return what it says.

    Raise ConfigFault, EnergyMonitorError, OSError.
    """
    text = change(file.read_text(encoding="utf-8"))
    about = file.stat()
    trial = file.with_name(f".{file.name}.trial")
    try:
        files.replace(trial, text.encode(), mode=0o600, durable=False)
        loaded = config.load(trial)
        wiring.build(loaded, wiring.new_health(loaded))
    except ConfigFault as error:
        raise ConfigFault(
            [Fault(str(file), 0, each.path, each.message) for each in error.faults]
        ) from error
    finally:
        trial.unlink(missing_ok=True)
    with files.replacing(file, mode=about.st_mode & 0o777) as opened:
        os.fchmod(opened.fileno(), about.st_mode & 0o777)
        if os.geteuid() == 0:
            os.fchown(opened.fileno(), about.st_uid, about.st_gid)
        opened.write(text.encode())
    return loaded


def root_of(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return what stands at the top of *text*, key and value. Raise EnergyMonitorError."""
    root = compose(text)
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise EnergyMonitorError("the configuration is not a block of 'key: value' lines")
    return root.value if root else []


def with_entry(text: str, group: str, entry: list[str]) -> str:
    """Return *text* with the lines of *entry* as the first in *group*; comments stay.

    Raise EnergyMonitorError where the group stands in braces.
    """
    found = [pair for pair in root_of(text) if pair[0].value == group]
    lines = text.splitlines()
    if not found:
        return "\n".join([*lines, f"{group}:", *(f"  {each}" for each in entry)]) + "\n"
    key, entries = found[0]
    indent = 2
    if isinstance(entries, yaml.MappingNode) and entries.value:
        indent = entries.value[0][0].start_mark.column
    in_braces = isinstance(entries, yaml.MappingNode) and entries.flow_style
    if in_braces or lines[key.start_mark.line].partition(":")[2].partition("#")[0].strip():
        raise EnergyMonitorError(
            f"line {key.start_mark.line + 1} has the {group} in braces: write the lines above there"
        )
    at = key.start_mark.line + 1
    new = [" " * indent + each for each in entry]
    return "\n".join([*lines[:at], *new, *lines[at:]]) + "\n"


def with_options(text: str, section: str, options: Mapping[str, str]) -> str:
    """Return *text* with these *options* in a *section*, in place of those of the same names.

    Raise EnergyMonitorError where the section has no options.
    """
    found = [pair for pair in root_of(text) if pair[0].value == section]
    written = [f"{name}: {value}" for name, value in options.items()]
    if not found:
        return "\n".join(
            [*text.splitlines(), f"{section}:", *("  " + each for each in written), ""]
        )
    key, there = found[0]
    if not isinstance(there, yaml.MappingNode) or not there.value:
        raise EnergyMonitorError(
            f"line {key.start_mark.line + 1} has no options of {section!r}: remove it"
        )
    values = {each.value: value for each, value in there.value}
    first = there.value[0][0].start_mark
    between = ", " if there.flow_style else "\n" + " " * first.column
    new = "".join(
        each + between for name, each in zip(options, written, strict=True) if name not in values
    )
    edits = [(first.index, first.index, new)] + [
        (values[name].start_mark.index, values[name].end_mark.index, value)
        for name, value in options.items()
        if name in values
    ]
    for begin, end, replacement in sorted(edits, reverse=True):
        text = text[:begin] + replacement + text[end:]
    return text
