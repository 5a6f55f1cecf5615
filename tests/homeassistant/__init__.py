"""What Home Assistant makes of our messages, by the tables of a release (``freeze``)."""

import json
from pathlib import Path

import jinja2

TABLES = json.loads(Path(__file__).with_name("tables.json").read_text())
KEYS = {part: set(keys) for part, keys in TABLES["keys"].items()}
ALL = KEYS["common"] | KEYS["read_only"] | KEYS["base"] | KEYS["availability"]


def long(fields, table="abbreviations"):
    """Return *fields* under their full names."""
    return {TABLES[table].get(name, name): value for name, value in fields.items()}


def components(config):
    """Check the discovery message *config* and return its entities under their full names."""
    config = long(config)
    assert set(config) <= KEYS["discovery"] | KEYS["availability"], config.keys()
    device, origin = long(config["device"], "device_abbreviations"), config["origin"]
    assert set(device) <= KEYS["device"]
    assert device["identifiers"]
    assert set(long(origin, "origin_abbreviations")) <= KEYS["origin"]
    assert origin["name"]
    for each in config["availability"]:
        assert set(long(each)) <= KEYS["availability"]
    found = {name: long(fields) for name, fields in config["components"].items()}
    for fields in found.values():
        check(fields)
    return found


def check(fields):
    """Fail where Home Assistant refuses an entity, or accepts it and computes nothing."""
    platform = fields["platform"]
    if len(fields) == 1:
        return  # it is removed
    assert set(fields) - {"platform"} <= KEYS[platform] | ALL, fields
    assert fields["unique_id"]
    assert fields["default_entity_id"].startswith(f"{platform}.")
    device_class, unit = fields.get("device_class"), fields.get("unit_of_measurement")
    state_class = fields.get("state_class")
    if platform == "binary_sensor":
        assert device_class is None or device_class in TABLES["binary_classes"], fields
        return
    assert device_class is None or device_class in TABLES["sensor_classes"], fields
    assert state_class is None or state_class in TABLES["all_state_classes"], fields
    if device_class in TABLES["units"]:
        assert unit in TABLES["units"][device_class], fields
    if device_class in TABLES["state_classes"]:
        allowed = TABLES["state_classes"][device_class]
        assert (state_class in allowed) if allowed else state_class is None, fields
    if state_class in TABLES["units_of_state_classes"]:
        assert unit in TABLES["units_of_state_classes"][state_class], fields
    assert ("options" in fields) == (device_class == "enum"), fields
    assert not (unit and state_class is None and device_class != "timestamp"), fields


def shown(fields, state):
    """Return what an entity shows after a message *state*; None where it is unknown, '' as before.

    Home Assistant's filters ``default`` and ``int`` are Jinja's, but for an error without default.
    """
    text = (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(fields["value_template"])
        .render(value_json=json.loads(state))
    )
    return None if text == "None" else text


def statistics(values):
    """Return the energy that Home Assistant books for a counter that showed *values*, in order."""
    total, before = 0.0, None
    for value in values:
        if before is not None:
            is_reset = value < 0.9 * before
            total += value if is_reset else value - before
        before = value
    return total
