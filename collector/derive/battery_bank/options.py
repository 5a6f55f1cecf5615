"""What a bank is, and the defaults of each chemistry."""

import itertools
from dataclasses import dataclass
from typing import Literal

from collector.contract import BadOption, DerivationOptions
from collector.derive.battery_bank.capacity import RATED_HOURS, BadTable, Row, check
from collector.options import option
from collector.scalars import Device, Seconds

Chemistry = Literal["flooded", "gel", "agm", "lifepo4"]


@dataclass(frozen=True)
class Defaults:
    """What holds for a chemistry unless an option says otherwise."""

    cells: int
    exponent: float
    charge_efficiency: float
    tail_current: float
    temperature_coefficient: float
    charged: float  # V per cell
    cell_range: tuple[float, float]  # in which the charged voltage of a cell lies


LEAD = Defaults(6, 1.25, 95, 4, 0.5, 2.2, (2.1, 2.6))
DEFAULTS: dict[str, Defaults] = {
    "flooded": LEAD,
    "gel": LEAD,
    "agm": LEAD,
    "lifepo4": Defaults(4, 1.05, 99, 2, 0, 3.5, (3.3, 3.65)),
}


@dataclass(frozen=True, kw_only=True)
class CapacityRow:
    """One row of a data sheet."""

    hours: float = option("hours of discharge", example=20, low=0.05, high=1000)
    capacity: float = option("Ah until empty", example=225, low=0.1, high=100_000)


@dataclass(frozen=True, kw_only=True)
class RestVoltage:
    """One row of a table of rest voltages."""

    voltage: float = option("V of one battery at rest", example=12.3, low=0.5, high=1000)
    state_of_charge: float = option("how full it is then, in %", example=60, low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class BatteryBankOptions(DerivationOptions):
    """State of charge, time to go, cycles and health of a bank, counted from current and voltage.

    How it counts, and what each option does to it: [docs/batteries.md](batteries.md).
    """

    device: Device = option(
        "device that measures voltage and current of the bank", example="battery"
    )
    temperature: Device | None = option(
        "device that measures the temperature, where that is another", example="shed", default=None
    )
    chemistry: Chemistry = option("what the batteries are", example="agm")
    capacity: float | None = option(
        "Ah of one battery when discharged in 20 h; or give 'capacity_table'",
        example=225, default=None, low=0.1, high=100_000,
    )  # fmt: skip
    capacity_table: tuple[CapacityRow, ...] = option(
        "Ah of one battery by hours of discharge, as its data sheet has them, shortest first",
        example=[{"hours": 5, "capacity": 185}, {"hours": 20, "capacity": 225}],
        default=(),
    )
    exponent: float | None = option(
        "Peukert exponent, where the capacity is a single figure; 1 switches it off (default: "
        "1.25, lifepo4 1.05)",
        example=1.25, default=None, high=2,
    )  # fmt: skip
    in_parallel: int = option("strings side by side", example=2, default=1, low=1, high=1000)
    in_series: int = option("batteries in each string", example=2, default=1, low=1, high=1000)
    cells: int | None = option(
        "cells of one battery (default: 6, lifepo4 4)", example=6, default=None, low=1, high=1000
    )
    charged_voltage: float | None = option(
        "V of one battery above which it may be full; 0.2 to 0.3 V below the float voltage of a "
        "12 V battery (default: 2.2 V a cell, lifepo4 3.5)",
        example=13.2, default=None, low=0.5, high=1000,
    )  # fmt: skip
    tail_current: float | None = option(
        "it is full when the charge current is below this, in % of the capacity (default: 4, "
        "lifepo4 2)",
        example=4, default=None, low=0.1, high=50,
    )  # fmt: skip
    charged_time: Seconds = option(
        "and has been so for this long", example="3m", default=Seconds(180), low=1, high=3600
    )
    charge_efficiency: float | None = option(
        "part of the charge that stays in the battery, in % (default: 95, lifepo4 99)",
        example=95, default=None, low=30, high=100,
    )  # fmt: skip
    current_threshold: float = option(
        "a current below this counts as 0, in A", example=0.1, default=0.1, low=0, high=10
    )
    temperature_coefficient: float | None = option(
        "capacity lost per degree below 20 °C, in % (default: 0.5, lifepo4 0)",
        example=0.5, default=None, low=0, high=2,
    )  # fmt: skip
    averaging: Seconds = option(
        "the time to go is that at the mean current of this time",
        example="3m", default=Seconds(180), low=0, high=720,
    )  # fmt: skip
    discharge_floor: float = option(
        "state of charge in % at which the time to go ends", example=50, default=0.0, low=0, high=99
    )
    rest_voltages: tuple[RestVoltage, ...] = option(
        "how full one battery is by its voltage at rest, emptiest first; with it the capacity of "
        "lead-acid batteries is estimated after long discharges",
        example=[
            {"voltage": 11.8, "state_of_charge": 10},
            {"voltage": 12.7, "state_of_charge": 100},
        ],
        default=(),
    )
    cutoff_voltage: float | None = option(
        "V of one battery at which the BMS of a lifepo4 cuts off; with it the capacity is "
        "estimated from full to there",
        example=10.0, default=None, low=0.5, high=1000,
    )  # fmt: skip
    mid_point_limit: float = option(
        "deviation of the mid-point that is worth a warning, in %",
        example=2, default=2.0, low=0.1, high=50,
    )  # fmt: skip


def rows_of(options: BatteryBankOptions) -> list[Row]:
    """Return the table of one battery. Raise BadOption."""
    if options.capacity_table and options.capacity is not None:
        raise BadOption("capacity", "contradicts 'capacity_table': give one of them")
    if options.exponent is not None and options.exponent < 1:
        raise BadOption(
            "exponent",
            f"{options.exponent:g} is not a Peukert exponent: below 1 a battery would give more at "
            "a larger current; 1 to 2, and 1 switches it off",
        )
    if len(options.capacity_table) > 1 and options.exponent is not None:
        raise BadOption("exponent", "contradicts 'capacity_table', which says more: leave it out")
    if not options.capacity_table and options.capacity is None:
        raise BadOption("capacity_table", "give 'capacity: 225' or a table: Ah are needed to count")
    if options.capacity is not None:
        return [(RATED_HOURS, options.capacity)]
    rows = [(each.hours, each.capacity) for each in options.capacity_table]
    try:
        check(rows)
    except BadTable as error:
        raise BadOption(f"capacity_table.{error.row}", str(error)) from error
    return rows


def check_options(options: BatteryBankOptions) -> None:
    """Raise BadOption for options that do not go together."""
    defaults = DEFAULTS[options.chemistry]
    cells = options.cells or defaults.cells
    if options.charged_voltage is not None:
        cell, (low, high) = options.charged_voltage / cells, defaults.cell_range
        if not low <= cell <= high:
            raise BadOption(
                "charged_voltage",
                f"{options.charged_voltage:g} V over {cells} cells is {cell:.2f} V a cell, which "
                f"does not fit {options.chemistry} ({low:g} to {high:g}): mend it, 'cells' or "
                "'chemistry'",
            )
    if options.chemistry == "lifepo4" and options.rest_voltages:
        raise BadOption(
            "rest_voltages",
            "lifepo4 has nearly the same voltage from 20 to 90 %, so a table says nothing; "
            "'cutoff_voltage' is what shows its capacity",
        )
    if options.chemistry != "lifepo4" and options.cutoff_voltage is not None:
        raise BadOption(
            "cutoff_voltage",
            f"is for lifepo4, whose BMS cuts off; for {options.chemistry} give 'rest_voltages'",
        )
    table = options.rest_voltages
    for number, (lower, upper) in enumerate(itertools.pairwise(table), 1):
        if upper.voltage <= lower.voltage or upper.state_of_charge <= lower.state_of_charge:
            raise BadOption(
                f"rest_voltages.{number}", "voltage and state of charge must rise from row to row"
            )
    if len(table) == 1:
        raise BadOption("rest_voltages", "one row is not a table: give at least two")
