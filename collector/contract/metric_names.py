"""The catalogue in Prometheus: each quantity's name, type and base unit.

A name is ``energy_monitor_``, the quantity, its base unit in plural, and ``_total`` for counters.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from collector.quantity import Quantity, catalogue

PREFIX = "energy_monitor_"
# The suffix of each unit; a value is multiplied by the first number and divided by the second.
UNITS: Mapping[str, tuple[str, int, int]] = {
    "": ("", 1, 1),
    "V": ("volts", 1, 1),
    "A": ("amperes", 1, 1),
    "W": ("watts", 1, 1),
    "VA": ("voltamperes", 1, 1),
    "var": ("vars", 1, 1),
    "Wh": ("joules", 3600, 1),
    "varh": ("varseconds", 3600, 1),
    "VAh": ("voltampereseconds", 3600, 1),
    "Ah": ("coulombs", 3600, 1),
    "Hz": ("hertz", 1, 1),
    "rpm": ("revolutions_per_minute", 1, 1),
    "%": ("ratio", 1, 100),
    "s": ("seconds", 1, 1),
    "°": ("degrees", 1, 1),
    "°C": ("celsius", 1, 1),
    "K": ("kelvin", 1, 1),
    "K·d": ("kelvin_seconds", 86_400, 1),
    "Wh/(K·d)": ("watts_per_kelvin", 1, 24),
    "bar": ("pascals", 100_000, 1),
    "hPa": ("pascals", 100, 1),
    "m/s": ("meters_per_second", 1, 1),
    "W/m²": ("watts_per_square_meter", 1, 1),
    "l/h": ("cubic_meters_per_second", 1, 3_600_000),
    "m³": ("cubic_meters", 1, 1),
    "mm": ("meters", 1, 1000),
    "bytes": ("bytes", 1, 1),
}
# '_count' is a histogram's, and a time that something happened at is a timestamp.
EXCEPTIONS = {
    "error_count": "errors",
    "error_time": "error_timestamp_seconds",
    "switch_off_time": "switch_off_timestamp_seconds",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric family; a value of the quantity is multiplied and divided on its way there."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    times: int = 1
    by: int = 1

    def value(self, value: float) -> float:
        """Return *value* in the unit of the metric."""
        return value if self.times == self.by else product(value, self.times, self.by)


@functools.lru_cache(2048)  # 0.3 MB; most are counters, which stay the same for some scrapes
def product(value: float, times: int, by: int) -> float:
    """Return *value* times *times* divided by *by*, rounded once: 230.1 Wh are 828360.0 J."""
    return float(Decimal(repr(value)) * times / by)


@functools.cache
def metrics() -> Mapping[str, Metric]:
    """Return the metric of each quantity of now, in the catalogue's order.

    What is about the past has none: a scrape would tell it as of now.
    """
    now = (each for each in catalogue().values() if not each.past)
    return MappingProxyType({each.name: metric_of(each) for each in now})


def metric_of(quantity: Quantity) -> Metric:
    suffix, times, by = UNITS[quantity.unit]
    name = EXCEPTIONS.get(quantity.name)
    is_counter = quantity.kind == "counter"
    if name is None:
        plain = quantity.name.removesuffix("_time") if is_counter else quantity.name
        name = "_".join(filter(None, (plain, suffix, "total" if is_counter else "")))
    return Metric(f"{PREFIX}{name}", "counter" if is_counter else "gauge", quantity.help, times, by)
