"""What energy costs, and bills."""

from dataclasses import dataclass
from typing import Literal

RowKind = Literal["energy", "charge", "standing", "peak", "export", "minimum"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a time cost, tax included, and the energy drawn from the grid in it."""

    amount: str
    wh: float
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class BillRow:
    """A line of a bill; negative where the owner is paid."""

    contract: str
    kind: RowKind
    name: str
    quantity: str
    unit: str
    price: str | None
    amount: str
    vat_percent: str = "0"
    gap_kwh: str = "0"


@dataclass(frozen=True, kw_only=True)
class PartCost:
    """What a part of the house cost: its share of what was drawn from the grid, hour by hour."""

    name: str
    label: str
    wh: float
    amount: str


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The highest mean power of a quarter hour."""

    power: float
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class CostView:
    """What energy costs; *forecast* is of the whole billing month, by its days so far.

    *by_window* has the rows of the month's bill. Base load is what the house never goes below, and
    *base_load_per_year* what that costs a year at the mean price of the month.
    """

    at_ms: int
    currency: str = ""
    today: Cost | None = None
    yesterday: Cost | None = None
    month: Cost | None = None
    month_before: Cost | None = None
    forecast: Cost | None = None
    by_window: tuple[BillRow, ...] = ()
    by_part: tuple[PartCost, ...] = ()
    base_load_w: float | None = None
    base_load_per_year: str | None = None
    peak_quarter: Peak | None = None
    self_use: float | None = None
    autarky: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Vat:
    """A tax: so many percent of a sum."""

    percent: str
    of: str
    amount: str


@dataclass(frozen=True, kw_only=True)
class MeterBill:
    """What one meter's days from *first* to *last* (YYYY-MM-DD) cost."""

    meter: str
    label: str
    first: str
    last: str
    currency: str
    rows: tuple[BillRow, ...]
    net: str
    vat: tuple[Vat, ...]
    total: str
    measured: float
    gap_s: int = 0
    gap_kwh: str = "0"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BillView:
    """The bills of a month, one for each meter; *month* and *months* are YYYY-MM."""

    site: str
    label: str
    month: str
    months: tuple[str, ...]
    bills: tuple[MeterBill, ...]
    warnings: tuple[str, ...] = ()
