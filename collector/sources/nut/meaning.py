"""What the variables of Network UPS Tools mean, after NUT's document nut-names.txt.

A UPS measures what it gives away (``output``), a PDU what it takes (``input``). With three phases
a variable stands for each of them, and for all together only where the device itself says so: no
sum is made here. Outlets are devices of their own.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

LONGEST_NUMBER = 20
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")  # as the protocol has it: neither comma nor exponent
OUTLET = re.compile(r"outlet(?:\.(group\.)?([0-9]{1,3}))?\.([a-z]+)")
MOST_OUTLETS = 100

Names = Mapping[str, tuple[str, ...]]


def by_phase(end: str, quantity: str, beside: str = "") -> dict[str, tuple[str, ...]]:
    """Return the variables of each phase, such as ``output.L1-N.voltage``, by quantity. Pure."""
    domain, _, spec = end.partition(".")
    return {
        f"{quantity}_l{phase}": tuple(
            f"{domain}.L{phase}{each}.{spec}" for each in ([beside] if beside else []) + [""]
        )
        for phase in (1, 2, 3)
    }


def between_phases(domain: str) -> dict[str, tuple[str, ...]]:
    pairs = (("1", "2"), ("2", "3"), ("3", "1"))
    return {
        f"{domain}_voltage_l{one}_l{other}": (f"{domain}.L{one}-L{other}.voltage",)
        for one, other in pairs
    }


# By quantity the variables that say it, the best first.
COMMON: Names = {
    "nominal_power": ("ups.realpower.nominal",),
    "temperature": ("ups.temperature",),
    "state_of_charge": ("battery.charge",),
    "time_to_go": ("battery.runtime",),
    "battery_voltage": ("battery.voltage",),
    "battery_current": ("battery.current",),
    "battery_temperature": ("battery.temperature",),
    "input_voltage": ("input.voltage",),
    **by_phase("input.voltage", "input_voltage", "-N"),
    **between_phases("input"),
    "input_current": ("input.current",),
    **by_phase("input.current", "input_current"),
    "input_frequency": ("input.frequency",),
    "output_voltage": ("output.voltage",),
    **by_phase("output.voltage", "output_voltage", "-N"),
    **between_phases("output"),
    "output_current": ("output.current",),
    **by_phase("output.current", "output_current"),
    "output_frequency": ("output.frequency",),
}
UPS: Names = {
    **COMMON,
    "active_power": ("ups.realpower", "output.realpower"),
    **by_phase("output.realpower", "active_power"),
    "apparent_power": ("ups.power", "output.power"),
    **by_phase("output.power", "apparent_power"),
    "power_factor": ("output.powerfactor",),
    **by_phase("output.powerfactor", "power_factor"),
    "input_power": ("input.realpower",),
    **by_phase("input.realpower", "input_power"),
    "load": ("ups.load",),
    **by_phase("output.power.percent", "load"),
}
PDU: Names = {
    **COMMON,
    "active_power": ("input.realpower", "ups.realpower"),
    **by_phase("input.realpower", "active_power"),
    "apparent_power": ("input.power", "ups.power"),
    **by_phase("input.power", "apparent_power"),
    "power_factor": ("input.powerfactor",),
    **by_phase("input.powerfactor", "power_factor"),
    "load": ("input.load", "ups.load"),
    **by_phase("input.load", "load"),
}
OUTLETS = {
    "realpower": "active_power",
    "power": "apparent_power",
    "current": "current",
    "voltage": "voltage",
    "powerfactor": "power_factor",
}
SWITCHED = {"on": 1.0, "off": 0.0}
# Words of ups.status; the place of each is its bit in the quantity ups_status.
FLAGS = (
    *("OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS"),
    *("CAL", "OFF", "OVER", "TRIM", "BOOST", "FSD", "ALARM"),
)
STATES = {
    "on_battery": "OB",
    "battery_low": "LB",
    "replace_battery": "RB",
    "overload": "OVER",
    "alarm": "ALARM",
}
ALL = tuple(
    dict.fromkeys(
        (*UPS, *PDU, "estimated_power", "ups_status", *STATES, *OUTLETS.values(), "relay")
    )
)


def decode(said: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return value by quantity of a device, and of each of its outlets, by what follows its name.

    That is '' for the device, and ``.outlet1`` for its first outlet. Pure.
    """
    found = {"": decode_values(said), **decode_outlets(said)}
    return {device: values for device, values in found.items() if values}


def names(said: Mapping[str, str]) -> Names:
    return PDU if said.get("device.type") == "pdu" else UPS


def number(said: Mapping[str, str], variables: Iterable[str]) -> float | None:
    """Return the first of *variables* that is a number. Pure."""
    for each in variables:
        text = said.get(each, "")
        if len(text) <= LONGEST_NUMBER and NUMBER.fullmatch(text):
            return float(text)
    return None


def decode_values(said: Mapping[str, str]) -> dict[str, float]:
    """Return value by quantity from a device's variables; what has no number is absent. Pure.

    Where a UPS measures no power, that is estimated as load of nominal power.
    """
    values = {
        quantity: value
        for quantity, variables in names(said).items()
        if (value := number(said, variables)) is not None
    }
    is_measured = any(quantity.startswith("active_power") for quantity in values)
    if not is_measured and {"load", "nominal_power"} <= values.keys():
        values["estimated_power"] = round(values["load"] * values["nominal_power"] / 100, 1)
    return values | decode_status(said.get("ups.status", ""))


def decode_outlets(said: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return value by quantity of each outlet, and group of outlets, that says any. Pure."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for variable, text in said.items():
        match = OUTLET.fullmatch(variable)
        if not match or (len(found) >= MOST_OUTLETS and outlet(match) not in found):
            continue
        quantity = "relay" if match[3] == "status" else OUTLETS.get(match[3], "")
        value = SWITCHED.get(text) if quantity == "relay" else number(said, [variable])
        if quantity and value is not None:
            found[outlet(match)][quantity] = value
    return dict(found)


def outlet(match: re.Match[str]) -> str:
    return f".{'group' if match[1] else 'outlet'}{int(match[2]) if match[2] else ''}"


def quantity_of(variable: str, said: Mapping[str, str]) -> tuple[str, float | None]:
    """Return quantity and value of one of the variables that are *said*, if it has any. Pure."""
    if variable == "ups.status":
        return "ups_status", decode_status(said[variable]).get("ups_status")
    if OUTLET.fullmatch(variable):
        (values, *_) = (*decode_outlets({variable: said[variable]}).values(), {})
        return next(iter(values.items()), ("", None))
    for quantity, variables in names(said).items():
        if variable in variables and number(said, variables) == number(said, [variable]):
            return quantity, number(said, [variable])
    return "", None


def decode_status(status: str) -> dict[str, float]:
    """Return the states in words such as 'OB LB'; none where no word of it is known. Pure."""
    flags = set(status.split()) & set(FLAGS)
    if not flags:  # WAIT, for instance, while the driver starts
        return {}
    bits = sum(1 << bit for bit, flag in enumerate(FLAGS) if flag in flags)
    return {"ups_status": float(bits)} | {
        quantity: float(flag in flags) for quantity, flag in STATES.items()
    }
