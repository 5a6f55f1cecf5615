"""Which devices a heat pump's figures come from, and what they include."""

from dataclasses import dataclass
from typing import Literal

from collector.contract import BadOption, DerivationOptions
from collector.options import option
from collector.scalars import Device

Boundary = Literal["H1", "H2", "H3", "H4"]


@dataclass(frozen=True, kw_only=True)
class HeatPumpOptions(DerivationOptions):
    """Performance, runs and defrosts of a heat pump, and its electricity by degree day.

    How it counts, and what each figure includes: [docs/heat-pumps.md](heat-pumps.md).
    """

    device: Device = option("the heat pump", example="heatpump")
    meter: Device | None = option(
        "electricity meter of the heat pump (default: what the heat pump itself counts)",
        example="heatpump_meter",
        default=None,
    )
    boundary: Boundary = option(
        "what the electricity includes: H1 the compressor, H2 also the pump or fan of the source, "
        "H3 also the heater rod, H4 also the heating pumps",
        example="H3",
    )
    outside: Device | None = option(
        "device that measures the temperature outside (default: the heat pump)",
        example="weather",
        default=None,
    )
    base_temperature: float = option(
        "temperature in °C outside below which a house is heated; degree days count from it",
        example=18,
        default=18.0,
        low=0,
        high=30,
    )


def check_options(options: HeatPumpOptions) -> None:
    """Raise BadOption for options that do not go together."""
    if options.meter == options.device:
        raise BadOption(
            "meter",
            f"{options.meter!r} is the heat pump itself: name its electricity meter, or leave "
            "'meter' out, and what the heat pump counts is used",
        )
    if options.outside is not None and options.outside == options.meter:
        raise BadOption("outside", f"{options.outside!r} is the electricity meter, no thermometer")
