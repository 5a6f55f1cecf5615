"""What there was: a quantity over a time, and energy by period."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

By = Literal["quarter", "hour", "day", "month"]
Point = tuple[int, float | None, float | None, float | None]  # time, mean, lowest, highest


@dataclass(frozen=True, kw_only=True)
class KnownQuantity:
    """A quantity of a device; a counter is shown by what was used, not by what it stands at."""

    quantity: str
    label: str
    unit: str
    counter: bool = False
    kept: bool = False  # for years, in the ledger


@dataclass(frozen=True, kw_only=True)
class KnownDevice:
    """A device and all that there is a history of; *role* is what it is in the house, or ''."""

    device: str
    kind: str
    label: str
    source: str
    role: str
    at_ms: int
    quantities: tuple[KnownQuantity, ...]


@dataclass(frozen=True, kw_only=True)
class DevicesView:
    """Every device that is read, or was."""

    at_ms: int
    devices: tuple[KnownDevice, ...]


@dataclass(frozen=True, kw_only=True)
class HistoryView:
    """A quantity over a time, at most 2,000 points; one whose mean is None is a gap.

    *shows* is ``level`` for what was measured, with the lowest and the highest value of each step,
    and ``used`` for what a counter added in each step. One that is *thinned* has not looked at
    every reading, and may lack the highest. *before* is the period before, where it was asked for,
    and *change* by which share the mean or the sum differs from the same time of it.
    """

    device: str
    label: str
    quantity: str
    unit: str
    begin_ms: int
    end_ms: int
    step_ms: int
    source: Literal["journal", "ledger"]
    shows: Literal["level", "used"] = "level"
    points: tuple[Point, ...] = ()
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    total: float | None = None
    thinned: bool = False
    before: tuple[Point, ...] = ()
    change: float | None = None


@dataclass(frozen=True, kw_only=True)
class EnergyPeriod:
    """What flowed in a period. *known* is the share of its quarter hours that is in it.

    ``from_grid``, ``from_solar`` and ``from_battery`` add up to *house*, and so do the parts of the
    house with *rest*. What gaps cost is in no period: *gaps* has it by device.
    """

    begin_ms: int
    end_ms: int
    house: float = 0.0
    imported: float = 0.0
    exported: float = 0.0
    solar: float = 0.0
    battery_in: float = 0.0
    battery_out: float = 0.0
    from_grid: float = 0.0
    from_solar: float = 0.0
    from_battery: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    rest: float = 0.0
    self_use: float | None = None
    autarky: float | None = None
    known: float = 0.0
    gaps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EnergyView:
    """Energy by period, in Wh; *labels* names the parts, *change* is that of the house."""

    by: By
    unit: str
    begin_ms: int
    end_ms: int
    periods: tuple[EnergyPeriod, ...]
    total: EnergyPeriod
    before: EnergyPeriod | None = None
    change: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
