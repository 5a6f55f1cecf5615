"""What the intervals in a Green Button file mean.

Times are seconds since 1970 UTC, costs hundred-thousandths. How a value is to be read stands in a
ReadingType, to which an entry's links lead by way of a MeterReading, anywhere in the file: so it is
read twice, and only the intervals that are at hand are kept.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import BinaryIO

from collector.decode.exact import scaled
from collector.decode.intervals import CUBIC_FOOT_M3, THERM_WH, Interval
from collector.errors import DeviceRefused, FrameDamaged
from collector.reading import LATEST_MS
from collector.sources.green_button.espi import Entry, Numbers, walk

MOST_ENTRIES = 100_000
LONGEST_S = 400 * 86_400  # a bill of a year
LARGEST_POWER_OF_TEN = 12

COMMODITIES = {1: "electricity", 2: "electricity", 7: "gas", 9: "water"}
SERVICES = {0: "electricity", 1: "gas", 2: "water"}
# uom: what it is an amount of, and how much of our unit
UNITS = {
    31: ("energy", Fraction(1, 3600)),  # J
    72: ("energy", Fraction(1)),  # Wh
    132: ("energy", Fraction("0.29307107")),  # BTU
    169: ("energy", THERM_WH),
    42: ("volume", Fraction(1)),  # m³
    119: ("volume", CUBIC_FOOT_M3),
    128: ("volume", Fraction("0.003785411784")),  # US gallon
    130: ("volume", Fraction("0.00454609")),  # imperial gallon
    134: ("volume", Fraction("0.001")),  # l
}
DELTA = 4  # accumulationBehaviour: how much in the interval, not what a counter shows
FLOWS = {1: "_import", 19: "_export"}
PROJECTED = 12  # quality: a forecast
COST = Fraction(1, 100_000)


class NoIntervals(FrameDamaged):
    """A file holds nothing of a meter, as the cover of several does not."""


class NoUsagePoint(DeviceRefused):
    """A file is about other usage points than the one that is wanted."""


@dataclass(frozen=True)
class Series:
    """What the intervals of a MeterReading are of, and how their numbers are to be read."""

    usage_point: str
    kind: str
    amount: str
    factor: Fraction
    flow: str = ""
    length_s: float = 0
    currency: int = 0
    quality: float | None = None


@dataclass
class Extent:
    """Of which times the intervals of a MeterReading are, and how long the shortest is."""

    first_s: float = float("inf")
    last_s: float = float("-inf")
    shortest_s: float = float("inf")
    count: int = 0

    def add(self, numbers: Numbers) -> None:
        start_s = numbers.get("start", 0)
        self.first_s, self.last_s = min(self.first_s, start_s), max(self.last_s, start_s)
        self.shortest_s = min(self.shortest_s, numbers.get("duration", float("inf")))
        self.count += 1

    def join(self, other: "Extent") -> None:
        self.first_s = min(self.first_s, other.first_s)
        self.last_s = max(self.last_s, other.last_s)
        self.shortest_s = min(self.shortest_s, other.shortest_s)
        self.count += other.count

    @property
    def has_lengths(self) -> bool:
        return self.shortest_s < float("inf")

    @property
    def text(self) -> str:
        """Say from which day to which it is, as far as these are days."""
        days = [
            f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d}" if 0 <= each < LATEST_MS / 1000 else "?"
            for each in (self.first_s, self.last_s)
        ]
        return " to ".join(days)

    def overlaps(self, other: "Extent") -> bool:
        return self.first_s <= other.last_s and other.first_s <= self.last_s


@dataclass
class Survey:
    """What a file holds, by MeterReading: the extent of all, the meaning of those that are read.

    *blocks* has the MeterReading of each entry that holds intervals, in their order; what holds
    intervals and is no entry comes last. *left_out* says what is not read, and why.
    """

    blocks: list[str] = field(default_factory=list)
    extents: dict[str, Extent] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def survey(file: BinaryIO, usage_point: str = "") -> Survey:
    """Find out what the intervals in *file* mean, those of the usage point that ends so.

    Raise FrameDamaged where it is no whole Green Button file, DeviceRefused where it has several
    usage points of a kind.
    """
    found = Survey()
    entries: list[Entry] = []
    extent = Extent()
    for event in walk(file):
        if not isinstance(event, Entry):
            extent.add(event.numbers)
        elif event.content == "IntervalBlock":
            note_block(found, meter_of(event), extent)
            extent = Extent()
        elif event.content:
            entries.append(event)
        if len(entries) > MOST_ENTRIES or len(found.blocks) > MOST_ENTRIES:
            raise FrameDamaged(f"it has more than {MOST_ENTRIES:,} entries")
    note_block(found, "", extent)
    if not any(each.count for each in found.extents.values()):
        raise NoIntervals("it contains no interval readings: is it a Green Button file?")
    resolve(found, entries, usage_point)
    return found


def note_block(found: Survey, meter: str, extent: Extent) -> None:
    found.extents.setdefault(meter, Extent()).join(extent)
    found.blocks.append(sys.intern(meter))  # thousands of blocks have the same


def meter_of(block: Entry) -> str:
    """Return the address of the MeterReading whose IntervalBlocks *block* belongs to. Pure."""
    up = block.links.get("up") or block.links.get("self", "").rpartition("/")[0]
    return up.removesuffix("/IntervalBlock")


def resolve(found: Survey, entries: Iterable[Entry], usage_point: str) -> None:
    """Find the series of each MeterReading by the links of *entries*. Raise DeviceRefused."""
    by_content: dict[str, dict[str, Entry]] = {}
    for each in entries:
        by_content.setdefault(each.content, {})[each.links.get("self", "")] = each
    types, points = by_content.get("ReadingType", {}), by_content.get("UsagePoint", {})
    meters = by_content.get("MeterReading", {})
    known: dict[str, Series] = {}
    for name in found.extents:
        meter = meters.get(name, Entry())
        linked = [types[each] for each in meter.related if each in types] or list(types.values())
        if not found.extents[name].count:
            continue
        if len(linked) != 1:
            found.left_out.append(f"{found.extents[name].count} intervals without a ReadingType")
            continue
        place = meter.links.get("up", "").removesuffix("/MeterReading") or only(points)
        service = points.get(place, Entry()).numbers.get("kind", -1)
        meaning = series_of(linked[0].numbers, service, place)
        if isinstance(meaning, Series):
            known[name] = meaning
        else:
            found.left_out.append(meaning)
    choose(found, of_usage_point(known, usage_point))


def only(entries: Mapping[str, Entry]) -> str:
    return next(iter(entries), "") if len(entries) == 1 else ""


def series_of(reading_type: Numbers, service: float, usage_point: str) -> Series | str:
    """Return what a ReadingType means, or why it is not read. Pure."""
    uom = int(reading_type.get("uom", -1))
    power = int(reading_type.get("powerOfTenMultiplier", 0))
    behaviour = int(reading_type.get("accumulationBehaviour", DELTA))
    kind = COMMODITIES.get(int(reading_type.get("commodity", -1)), SERVICES.get(int(service), ""))
    if uom not in UNITS or not kind:
        return f"readings of unit {uom}, which is none of energy, gas or water"
    if behaviour != DELTA:
        return f"readings that are no amounts of an interval (accumulationBehaviour {behaviour})"
    if abs(power) > LARGEST_POWER_OF_TEN:
        return f"readings with the multiplier 10^{power}"
    amount, factor = UNITS[uom]
    return Series(
        usage_point,
        kind,
        amount,
        factor * Fraction(10) ** power,
        FLOWS.get(int(reading_type.get("flowDirection", 0)), "") if kind == "electricity" else "",
        reading_type.get("intervalLength", 0),
        int(reading_type.get("currency", 0)),
        reading_type.get("defaultQuality"),
    )


def of_usage_point(known: Mapping[str, Series], ending: str) -> dict[str, Series]:
    """Return the series of the usage point that ends so, at most one of a kind.

    Raise DeviceRefused. Pure.
    """
    found = {name: each for name, each in known.items() if each.usage_point.endswith(ending)}
    check_points(found.values())
    if known and not found:
        raise NoUsagePoint(f"it contains no usage point that ends with {ending!r}")
    return found


def check_points(series: Iterable[Series]) -> None:
    """Raise DeviceRefused where *series* are of several usage points of a kind. Pure."""
    points = {(each.kind, each.usage_point) for each in series}
    told = ", ".join(sorted(f"{kind} …{point[-12:]}" for kind, point in points))
    if len(points) > len({kind for kind, _ in points}):
        raise DeviceRefused(
            f"it contains several usage points of one kind; choose one with 'usage_point': {told}"
        )


def choose(found: Survey, known: Mapping[str, Series]) -> None:
    """Of series that tell the same at the same time keep that of the shortest intervals."""
    kept: dict[tuple[str, str, str], list[Extent]] = {}
    for name in sorted(known, key=lambda name: found.extents[name].shortest_s):
        each, extent = known[name], found.extents[name]
        length_s = min(extent.shortest_s, LONGEST_S) if extent.has_lengths else each.length_s
        span = Interval(each.kind, 0, round(1000 * length_s), {}).span
        rivals = kept.setdefault((each.kind, each.amount + each.flow, span), [])
        if any(extent.overlaps(other) for other in rivals):
            found.left_out.append(f"{extent.count} intervals that stand in the file already")
        else:
            rivals.append(extent)
            found.series[name] = each


def intervals(file: BinaryIO, known: Survey) -> Iterator[tuple[int, Series, Interval]]:
    """Yield the intervals in *file*, as they stand there, with the number of their block.

    Raise FrameDamaged.
    """
    block = 0
    for event in walk(file):
        if isinstance(event, Entry):
            block += event.content == "IntervalBlock"
        elif block < len(known.blocks) and (series := known.series.get(known.blocks[block])):
            interval = decode(event.numbers, series)
            if interval:
                yield block, series, interval


def decode(numbers: Numbers, series: Series) -> Interval | None:
    """Return an interval reading in our units; None where it tells nothing. Pure."""
    length_s = numbers.get("duration", series.length_s)
    begin_s = numbers.get("start", 0)
    quality = numbers.get("quality", series.quality)
    amounts = {}
    if "value" in numbers:
        amounts[series.amount + series.flow] = scaled(numbers["value"], series.factor)
    if "cost" in numbers:
        amounts["cost" + series.flow] = scaled(numbers["cost"], COST)
    if not amounts or quality == PROJECTED or length_s > LONGEST_S:
        return None
    if quality is not None:
        amounts["quality"] = quality
    begin_ms, end_ms = round(1000 * begin_s), round(1000 * (begin_s + length_s))
    found = Interval(series.kind, begin_ms, end_ms, amounts, series.currency)
    return found if found.can_be else None
