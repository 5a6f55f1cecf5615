"""What the page shows: the words between what the service knows and what is drawn or sent as JSON.

Powers are W, energies Wh, durations seconds, times (``…_ms``) UTC in milliseconds since 1970. Money
is a decimal number as text, with its currency beside it. None is what is not known; a share is 0
to 1. Texts are English sentences; states and verdicts are codes, which the page translates.
"""

from collector.contract.views.cost import (
    BillRow,
    BillView,
    Cost,
    CostView,
    MeterBill,
    PartCost,
    Peak,
    RowKind,
    Vat,
)
from collector.contract.views.health import (
    BackupAge,
    Disk,
    ErrorView,
    EventKind,
    EventsView,
    EventView,
    HealthView,
    OutputHealth,
    SourceHealth,
)
from collector.contract.views.history import (
    By,
    DevicesView,
    EnergyPeriod,
    EnergyView,
    HistoryView,
    KnownDevice,
    KnownQuantity,
    Point,
)
from collector.contract.views.now import (
    CostState,
    DeviceView,
    Figure,
    Flow,
    House,
    Measured,
    NowView,
    Part,
    Problem,
    State,
    Today,
    Verdict,
)

__all__ = [
    "BackupAge",
    "BillRow",
    "BillView",
    "By",
    "Cost",
    "CostState",
    "CostView",
    "DeviceView",
    "DevicesView",
    "Disk",
    "EnergyPeriod",
    "EnergyView",
    "ErrorView",
    "EventKind",
    "EventView",
    "EventsView",
    "Figure",
    "Flow",
    "HealthView",
    "HistoryView",
    "House",
    "KnownDevice",
    "KnownQuantity",
    "Measured",
    "MeterBill",
    "NowView",
    "OutputHealth",
    "Part",
    "PartCost",
    "Peak",
    "Point",
    "Problem",
    "RowKind",
    "SourceHealth",
    "State",
    "Today",
    "Vat",
    "Verdict",
]
