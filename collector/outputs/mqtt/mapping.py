"""What a quantity of the catalogue is in Home Assistant: device class, unit, state class.

Home Assistant accepts wrong pairs silently and then computes nothing from them; a test checks each
quantity against its tables. What is about the past is not published: it would be booked as now.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from collector.contract.currencies import CODES
from collector.quantity import Quantity, catalogue

# Our unit → device class, unit as Home Assistant writes it, digits shown after the point.
UNITS: dict[str, tuple[str | None, str | None, int | None]] = {
    "V": ("voltage", "V", 1),
    "A": ("current", "A", 2),
    "W": ("power", "W", 0),
    "VA": ("apparent_power", "VA", 0),
    "var": ("reactive_power", "var", 0),
    "Hz": ("frequency", "Hz", 2),
    "Wh": ("energy", "Wh", 0),
    "varh": ("reactive_energy", "varh", 0),
    "VAh": (None, "VAh", 0),  # refused as energy
    "Ah": (None, "Ah", 1),
    "°C": ("temperature", "°C", 1),
    "K": ("temperature_delta", "K", 1),
    "K·d": (None, "K·d", 1),
    "Wh/(K·d)": (None, "Wh/(K·d)", 0),
    "%": (None, "%", 1),
    "s": ("duration", "s", 0),
    "l/h": ("volume_flow_rate", "L/h", 0),
    "m³": (None, "m³", 3),  # gas or water: the unit does not say which
    "bytes": ("data_size", "B", 0),
    "bar": ("pressure", "bar", 2),
    "hPa": ("atmospheric_pressure", "hPa", 1),
    "m/s": ("wind_speed", "m/s", 1),
    "W/m²": ("irradiance", "W/m²", 0),
    "°": (None, "°", 0),
    "mm": ("precipitation", "mm", 1),
    "rpm": (None, "rpm", 0),
    "": (None, None, None),
}
# What the name says beyond the unit.
CLASSES = {
    "power_factor*": "power_factor",
    "state_of_charge": "battery",
    "humidity": "humidity",
    "wind_direction": "wind_direction",
    "error_time": "timestamp",
    "cost_today_since": "timestamp",
    "cost_month_since": "timestamp",
    "switch_off_time": "timestamp",
}
STATE_CLASSES = {
    "active_energy_net": "total",  # it falls where more is exported
    "yield_today": "total_increasing",  # it falls to 0 each day, which is a reset
}
# A device says these now, but they are about yesterday, or about a price that is beside them.
UNPUBLISHED = {"currency", "yield_yesterday", "panel_power_max_yesterday"}
# Sums of money, each with the quantity that says when it began again; prices are per kWh.
COSTS = {"cost_today": "cost_today_since", "cost_month": "cost_month_since"}
PRICES = ("import_price", "export_price")
# A state of two values, and what it is when it is on.
PROBLEMS = (
    "alarm",
    "*_alarm",
    "*_warning",
    "on_battery",
    "overload",
    "replace_battery",
    "phase_sequence",
    "under_voltage*",
    "frequency_capped*",
    "temperature_limited*",
    "throttled*",
)
BINARY_CLASSES = {
    **dict.fromkeys(PROBLEMS, "problem"),
    "battery_low": "battery",
    "relay": "power",
    "load_on": "power",
    "defrost_valve_on": "opening",
    "*_on": "running",
}
ENUM = re.compile(r"-?[0-9]+ [a-z][a-z ]*[a-z](?: -?[0-9]+ [a-z][a-z ]*[a-z])+")
OTHER = "other"  # a value without a text: catalogues of makers grow
OWN_KINDS = {"collector", "host", "backup"}
WORDS = {"thd": "THD", "l1": "L1", "l2": "L2", "l3": "L3", "ln": "L-N", "ll": "L-L"}
WORDS |= {"t1": "T1", "t2": "T2", "t3": "T3", "t4": "T4", "sg": "SG", "ups": "UPS", "dc": "DC"}
WORDS |= {"ac": "AC", "cpu": "CPU", "led": "LED"}
# A gauge that is missing is unknown; a counter keeps what it last showed. Home Assistant takes
# 'None' as unknown and an empty text as no news.
MISSING = {"gauge": "'None'", "counter": "''"}


@dataclass(frozen=True)
class Entity:
    """What a quantity is: *platform*, and the *fields* of its component but for its names."""

    platform: str
    fields: Mapping[str, Any]


@lru_cache(maxsize=1024)
def entity(quantity: str) -> Entity | None:
    """Return what *quantity* is in Home Assistant; None where it is not published. Pure."""
    row = catalogue().get(quantity)
    if row is None or row.past or quantity in UNPUBLISHED:
        return None
    if row.kind == "state":
        return state(row)
    if is_timestamp(quantity):
        return Entity("sensor", {"dev_cla": "timestamp", "val_tpl": template(row)})
    device_class, unit, digits = UNITS[row.unit]
    fields = {
        "dev_cla": named(quantity, CLASSES) or device_class,
        "unit_of_meas": unit,
        "stat_cla": state_class(row),
        "sug_dsp_prc": digits,
        "val_tpl": template(row),
    }
    return Entity("sensor", {name: value for name, value in fields.items() if value is not None})


def money(quantity: str, currency: str) -> dict[str, str]:
    """Return what makes costs and prices of *quantity* in Home Assistant, if it is one. Pure.

    *currency* is its number in the journal's text, which no catalogue knows.
    """
    code = CODES.get(int(float(currency)), "")
    if code and quantity in PRICES:
        return {"unit_of_meas": f"{code}/kWh"}
    if code and quantity in COSTS:
        began = f"{{{{value_json.{COSTS[quantity]}|default('')}}}}"
        return {
            "dev_cla": "monetary",
            "unit_of_meas": code,
            "stat_cla": "total",
            "lrst_val_tpl": began,
        }
    return {}


def state(row: Quantity) -> Entity:
    """Return what a state is: on and off, one of some texts, or a number (a code, or bits)."""
    number = f"value_json.{row.name}|default('None')|int('None')"
    if row.high - row.low == 1:
        on, off = (-1, 0) if row.low < 0 else (1, 0)
        fields: dict[str, Any] = {
            "pl_on": str(on),
            "pl_off": str(off),
            "val_tpl": f"{{{{{number}}}}}",
        }
        if device_class := named(row.name, BINARY_CLASSES):
            fields["dev_cla"] = device_class
        return Entity("binary_sensor", fields)
    if texts := texts_of(row):
        known = ",".join(f"{value}:{json.dumps(text)}" for value, text in texts.items())
        chosen = f"{{{{'None' if v=='None' else {{{known}}}.get(v,'{OTHER}')}}}}"
        options = [*dict.fromkeys(texts.values()), OTHER]
        fields = {"ops": options, "val_tpl": f"{{%set v={number}%}}{chosen}"}
        return Entity("sensor", {"dev_cla": "enum", **fields})
    return Entity("sensor", {"val_tpl": f"{{{{{number}}}}}"})


def texts_of(row: Quantity) -> dict[int, str]:
    """Return the text of each value that the catalogue's help explains at its end. Pure."""
    text = row.help.rpartition(";")[2].strip()
    if not ENUM.fullmatch(text):
        return {}
    words = re.split(r" ?(-?[0-9]+) ", f" {text}")[1:]
    return {int(value): word for value, word in zip(words[::2], words[1::2], strict=True)}


def template(row: Quantity) -> str:
    kind = "counter" if counts_up(row.name) else "gauge"
    return f"{{{{value_json.{row.name}|default({MISSING[kind]})}}}}"


def state_class(row: Quantity) -> str:
    if row.name in STATE_CLASSES:
        return STATE_CLASSES[row.name]
    if row.kind == "counter":
        return "total_increasing"
    return "measurement_angle" if row.unit == "°" else "measurement"


def counts_up(quantity: str) -> bool:
    """Does Home Assistant take a lower value of *quantity* as a new meter? Pure."""
    row = catalogue().get(quantity)
    return row is not None and row.kind != "state" and state_class(row) == "total_increasing"


def is_timestamp(quantity: str) -> bool:
    return CLASSES.get(quantity) == "timestamp"


def named(quantity: str, table: Mapping[str, str]) -> str | None:
    return next((each for shape, each in table.items() if fnmatchcase(quantity, shape)), None)


def words(quantity: str) -> str:
    """Return the name of *quantity* for people: 'Active energy import L1'. Pure."""
    text = " ".join(WORDS.get(word, word) for word in quantity.split("_"))
    return text[0].upper() + text[1:]


def is_enabled(kind: str, quantity: str) -> bool:
    """Return whether *quantity* is shown from the start: no tariff of a phase, nothing of us."""
    return kind != "collector" and not re.search(r"_l[123]_t[1-4]$", quantity)
