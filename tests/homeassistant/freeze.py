"""Writes ``tables.json``: what Home Assistant accepts, taken from the source of a release.

    pip download --no-deps --ignore-requires-python homeassistant   # then unpack the wheel
    python tests/homeassistant/freeze.py FOLDER-OF-THE-UNPACKED-WHEEL

Its code is not run as a whole, since it wants a newer Python: only the constants, the enumerations
and the tables made of them are.
"""

import ast
import json
import sys
from contextlib import suppress
from enum import EnumType, StrEnum
from pathlib import Path

FILES = (
    "const.py",
    "components/sensor/const.py",
    "components/binary_sensor/__init__.py",
    "components/binary_sensor/const.py",
    "components/mqtt/const.py",
    "components/mqtt/abbreviations.py",
)
KEYS = {
    "sensor": ("components/mqtt/sensor.py", "_PLATFORM_SCHEMA_BASE"),
    "binary_sensor": ("components/mqtt/binary_sensor.py", "PLATFORM_SCHEMA_MODERN"),
    "read_only": ("components/mqtt/config.py", "MQTT_RO_SCHEMA"),
    "base": ("components/mqtt/config.py", "SCHEMA_BASE"),
    "common": ("components/mqtt/schemas.py", "MQTT_ENTITY_COMMON_SCHEMA"),
    "availability": ("components/mqtt/schemas.py", "_MQTT_AVAILABILITY_LIST_SCHEMA"),
    "device": ("components/mqtt/schemas.py", "_MQTT_DEVICE_INFO_SCHEMA_BASE"),
    "origin": ("components/mqtt/schemas.py", "MQTT_ORIGIN_INFO_SCHEMA"),
    "discovery": ("components/mqtt/schemas.py", "DEVICE_DISCOVERY_SCHEMA"),
}


def constants(folder):
    """Return every constant, enumeration and table of ``FILES`` by its name."""
    names = {"StrEnum": StrEnum, "Final": object}
    for file in FILES:
        if not (folder / file).exists():
            continue
        for node in ast.parse((folder / file).read_text()).body:
            if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(b) for b in node.bases):
                run(ast.unparse(plain_enum(node)), names)
            elif isinstance(node, ast.AnnAssign) and node.value:
                run(f"{ast.unparse(node.target)} = {ast.unparse(node.value)}", names)
            elif isinstance(node, ast.Assign):
                run(ast.unparse(node), names)
    return names


def plain_enum(node):
    """Return an enumeration without its methods."""
    node.body = [each for each in node.body if isinstance(each, ast.Assign)] or [ast.Pass()]
    node.bases, node.keywords, node.decorator_list = [ast.Name("StrEnum")], [], []
    return node


def run(text, names):
    with suppress(Exception):  # what needs the rest of Home Assistant is none of these tables
        exec(compile(text, "homeassistant", "exec"), names)


def keys(folder, names):
    found = {}
    for part, (file, schema) in KEYS.items():
        for node in ast.parse((folder / file).read_text()).body:
            target = getattr(node, "target", None) or (getattr(node, "targets", None) or [None])[0]
            if not isinstance(target, ast.Name) or target.id != schema:
                continue
            used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            found[part] = sorted(str(names[each]) for each in used if each.startswith("CONF_"))
    return found


def texts(values):
    """Return the members of a set of units or classes: of enumerations all, in order."""
    found = set()
    for each in values:
        members = list(each) if isinstance(each, EnumType) else [each]
        found |= {None if member is None else str(member) for member in members}
    return sorted(found, key=str)


def main():
    folder = Path(sys.argv[1]) / "homeassistant"
    names = constants(folder)
    release = f"{names['MAJOR_VERSION']}.{names['MINOR_VERSION']}.{names['PATCH_VERSION']}"
    tables = {
        "release": release,
        "units": {str(k): texts(v) for k, v in names["DEVICE_CLASS_UNITS"].items()},
        "state_classes": {str(k): texts(v) for k, v in names["DEVICE_CLASS_STATE_CLASSES"].items()},
        "units_of_state_classes": {str(k): texts(v) for k, v in names["STATE_CLASS_UNITS"].items()},
        "sensor_classes": texts(names["SensorDeviceClass"]),
        "binary_classes": texts(names["BinarySensorDeviceClass"]),
        "all_state_classes": texts(names["SensorStateClass"]),
        "abbreviations": names["ABBREVIATIONS"],
        "device_abbreviations": names["DEVICE_ABBREVIATIONS"],
        "origin_abbreviations": names["ORIGIN_ABBREVIATIONS"],
        "keys": keys(folder, names),
    }
    text = json.dumps(tables, indent=1, ensure_ascii=False, sort_keys=True)
    Path(__file__).with_name("tables.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
