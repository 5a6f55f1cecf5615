"""How much a utility's meter counted from one time to another; a reading stands where it begins.

The quantities ``interval_…`` are of less than a day, ``daily_…`` of a day, which where clocks are
changed may have 23 or 25 hours, and ``billing_…`` of anything longer. What is told by the hour and
by the day is the same energy twice, so the three are never to be added up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from collector.reading import LATEST_MS, Reading

# What is metered: what its device is called after the name of the source.
KINDS = {"electricity": "", "gas": "-gas", "water": "-water"}
SHORTEST_DAY_MS = 23 * 3_600_000
LONGEST_DAY_MS = 25 * 3_600_000
THERM_WH = Fraction(105_480_400, 3600)  # a US therm in joules
CUBIC_FOOT_M3 = Fraction("0.028316846592")

SPANS = ("interval", "daily", "billing")
AMOUNTS = (
    *("energy", "energy_import", "energy_export", "volume"),
    *("cost", "cost_import", "cost_export", "length", "quality"),
)
QUANTITIES = (*(f"{span}_{amount}" for span in SPANS for amount in AMOUNTS), "currency")


@dataclass(frozen=True, slots=True)
class Interval:
    """What was counted of one of ``KINDS``, in milliseconds since 1970 UTC.

    *amounts* are some of ``AMOUNTS``: Wh, m³, and money in *currency*, a number of ISO 4217 (0 if
    untold).
    """

    kind: str
    begin_ms: int
    end_ms: int
    amounts: Mapping[str, float]
    currency: int = 0

    @property
    def span(self) -> str:
        """Return which of ``SPANS`` it is by its length."""
        length_ms = self.end_ms - self.begin_ms
        if length_ms < SHORTEST_DAY_MS:
            return "interval"
        return "daily" if length_ms <= LONGEST_DAY_MS else "billing"

    @property
    def can_be(self) -> bool:
        """Is it a time, and not none, that can be told?"""
        return 0 < self.begin_ms < self.end_ms < LATEST_MS


def values(interval: Interval) -> dict[str, float]:
    """Return what is told of *interval*, by quantity. Pure."""
    told = dict(interval.amounts)
    told["length"] = (interval.end_ms - interval.begin_ms) / 1000
    found = {f"{interval.span}_{name}": value for name, value in told.items()}
    has_cost = any(name.startswith("cost") for name in interval.amounts)
    return found | (
        {"currency": float(interval.currency)} if has_cost and interval.currency else {}
    )


def reading(source: str, interval: Interval) -> Reading:
    """Return *interval* as a reading of the source *source*. Pure."""
    device = source + KINDS[interval.kind]
    return Reading(interval.kind, device, interval.begin_ms, values(interval))
