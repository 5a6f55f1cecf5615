"""Every dashboard, by the name of its file."""

from typing import Any

from collector.dashboards.appliance import APPLIANCE
from collector.dashboards.cost import COST
from collector.dashboards.heat_pump import HEAT_PUMP
from collector.dashboards.home import HOME
from collector.dashboards.lighting import LIGHTING
from collector.dashboards.long_term import LONG_TERM
from collector.dashboards.solar_and_battery import SOLAR_AND_BATTERY

BOARDS: dict[str, dict[str, Any]] = {
    "home": HOME,
    "long-term": LONG_TERM,
    "solar-and-battery": SOLAR_AND_BATTERY,
    "heat-pump": HEAT_PUMP,
    "lighting": LIGHTING,
    "cost": COST,
    "appliance": APPLIANCE,
}
