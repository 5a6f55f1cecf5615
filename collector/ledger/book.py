"""From readings to quarter hours: what a counter added, what a gauge showed, what a portal said.

Counters come from the derivation ``energy`` as readings of the kind ``energy``: they never fall.
What lies between two of their readings belongs to the quarter of both, is shared by time where they
stand close together, and otherwise is a gap. A gauge holds its value until the next reading, for a
minute at most. What a portal says of an interval replaces what it said before, and so does what a
market says of its prices; their currency stands beside them. A decision about a counter that is
corrected later is a gap of its own, at the time that it belongs to.

The same readings in the same order give the same quarters, however they are cut into batches.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

from collector.contract.counters import DECISION, ENERGY
from collector.ledger.database import Database, Event, Gap, Kind, Series
from collector.ledger.days import MICRO, PER_DAY, QUARTER_MS, Amount, Row, Shown
from collector.reading import Reading, decoded

PRICE = "price"
PRICES = ("price", "currency")
HELD_MS = 60_000
CLOSE_MS = 180_000  # readings of energy stand a minute apart
FROM_POWER = "from_power"  # of a reading of energy: 1 where it was computed from power
# What is kept of each kind of device beside its energies.
GAUGES = frozenset(
    {
        *("active_power", "estimated_power", "panel_power", "battery_power", "heat_output"),
        *("battery_voltage", "battery_current", "state_of_charge", "load"),
        *("temperature", "outside_temperature", "room_temperature", "hot_water_temperature"),
        *("flow_temperature", "return_temperature", "humidity", "coefficient_of_performance"),
    }
)
SPANS = ("interval", "daily")
LONGEST_MS = 25 * 3_600_000  # of a day on which clocks are changed
Key = tuple[str, str, Kind]  # device, quantity, kind of series


@lru_cache(1024)  # most counters show for minutes what they showed
def micro(value: float) -> int:
    """Return *value* in whole micro-units, as its decimal digits say, not its binary ones."""
    return int((Decimal(repr(value)) * MICRO).to_integral_value(ROUND_HALF_EVEN))


def shares(begin: int, end: int, used: int) -> Iterator[tuple[int, int, int]]:
    """Share *used* evenly over a time; yield each quarter, its part and its length in ms.

    The parts add up to *used* exactly.
    """
    at = begin
    while at < end:
        until = min((at // QUARTER_MS + 1) * QUARTER_MS, end)
        part = used if until == end else used * (until - at) // (end - at)
        yield at // QUARTER_MS, part, until - at
        used, at = used - part, until


class Gauge:
    """One gauge in the quarter that is open, and what it showed last."""

    __slots__ = ("at_ms", "high", "low", "measured_ms", "quarter", "total", "value")

    def __init__(self, at_ms: int, value: float) -> None:
        self.at_ms, self.value = at_ms, value
        self.begin(at_ms // QUARTER_MS)

    def begin(self, quarter: int) -> None:
        self.quarter, self.total, self.measured_ms = quarter, 0.0, 0
        self.low = self.high = self.value

    def hold(self, until_ms: int) -> None:
        """Hold the value, from where it stands, until a time of the open quarter."""
        self.total += self.value * (until_ms - self.at_ms)
        self.measured_ms += until_ms - self.at_ms
        self.at_ms = until_ms

    def shown(self) -> Shown:
        return Shown(self.total / self.measured_ms, self.low, self.high, self.measured_ms)


class Book:
    """What readings add to the ledger, until it is written."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        """Go on from a ``state`` of before. Raise ValueError where it is none."""
        state = state or {"counters": [], "gauges": []}
        try:
            self.counters = {(each[0], each[1]): (each[2], each[3]) for each in state["counters"]}
            self.gauges = {(each[0], each[1]): restored(each[2]) for each in state["gauges"]}
        except (LookupError, TypeError) as error:
            raise ValueError(f"this is no state of the ledger: {error!r}") from error
        self.added: dict[Key, dict[int, Amount]] = {}
        self.put: dict[Key, dict[int, Row]] = {}
        self.gaps: dict[Key, list[Gap]] = {}
        self.events: list[Event] = []
        self.newest_ms = 0
        self.began_ms: dict[tuple[str, str], int] = {}  # of series that no state knew

    def state(self) -> dict[str, Any]:
        """Return what a book goes on from, once what it has is written."""
        counters = [[*key, *last] for key, last in self.counters.items()]
        gauges = [
            [*key, [getattr(each, name) for name in Gauge.__slots__]]
            for key, each in self.gauges.items()
        ]
        return {"counters": counters, "gauges": gauges}

    def take(self, line: bytes) -> None:
        """Take an encoded reading."""
        reading = decoded(line)
        self.newest_ms = max(self.newest_ms, reading.at_ms)
        if reading.kind == ENERGY:
            self.take_energy(reading)
        elif reading.kind == DECISION:
            self.take_decision(reading)
        elif reading.kind == PRICE:
            self.take_prices(reading)
        else:
            for quantity, value in reading.values.items():
                if quantity in GAUGES:
                    self.take_gauge((reading.device, quantity), reading.at_ms, value)
            self.take_intervals(reading)

    def take_energy(self, reading: Reading) -> None:
        is_estimated = reading.values.get(FROM_POWER, 0) == 1
        for quantity, value in reading.values.items():
            if quantity == FROM_POWER:
                continue
            key, new = (reading.device, quantity), micro(value)
            if key not in self.counters:
                self.began_ms[key] = reading.at_ms
            last_ms, last = self.counters.get(key, (reading.at_ms, new))
            if reading.at_ms < last_ms:
                continue  # it was said already
            self.counters[key] = reading.at_ms, new
            if reading.at_ms > last_ms:
                amounts = self.added.setdefault((*key, "counter"), {})
                self.share(amounts, key, (last_ms, reading.at_ms), new - last, is_estimated)

    def share(
        self,
        amounts: dict[int, Amount],
        key: tuple[str, str],
        span: tuple[int, int],
        used: int,
        is_estimated: bool,
    ) -> None:
        """Book what was *used* in *span* to its quarters, or to a gap."""
        begin, end = span
        if end - begin > CLOSE_MS and begin // QUARTER_MS != (end - 1) // QUARTER_MS:
            self.gaps.setdefault((*key, "counter"), []).append(Gap(begin, end, used))
            return
        for quarter, part, length_ms in shares(begin, end, used):
            amount = amounts.setdefault(quarter, Amount())
            amount.micro += part
            amount.measured_ms += length_ms
            amount.estimated_micro += part if is_estimated else 0

    def take_decision(self, reading: Reading) -> None:
        values = dict(reading.values)
        code = int(values.pop("event", 0))
        quantity = next((name for name in values if not name.startswith("event_")), "")
        self.events.append(Event(reading.at_ms, reading.device, quantity, str(code), values))

    def take_prices(self, reading: Reading) -> None:
        """Put a price, and its currency, into each quarter that it holds for as a whole."""
        length_ms = min(round(reading.values.get("price_length", 0) * 1000), LONGEST_MS)
        first = -(-reading.at_ms // QUARTER_MS)
        last = (reading.at_ms + length_ms) // QUARTER_MS
        for quantity in PRICES:
            if quantity in reading.values:
                amount = Amount(micro(reading.values[quantity]), QUARTER_MS)
                rows = self.put.setdefault((reading.device, quantity, "price"), {})
                rows.update(dict.fromkeys(range(first, last), amount))

    def take_gauge(self, key: tuple[str, str], at_ms: int, value: float) -> None:
        gauge = self.gauges.get(key)
        if gauge is None:
            self.gauges[key] = Gauge(at_ms, value)
            self.began_ms[key] = at_ms
            return
        if at_ms <= gauge.at_ms:
            return
        held_until = min(at_ms, gauge.at_ms + HELD_MS)
        while (end := (gauge.quarter + 1) * QUARTER_MS) <= at_ms:
            if held_until > gauge.at_ms:
                gauge.hold(min(end, held_until))
            self.close(key, gauge)
            gauge.begin(gauge.quarter + 1 if held_until > end else at_ms // QUARTER_MS)
        if held_until > gauge.at_ms:
            gauge.hold(held_until)
        gauge.at_ms, gauge.value = at_ms, value
        gauge.low = min(gauge.low, value) if gauge.measured_ms else value
        gauge.high = max(gauge.high, value) if gauge.measured_ms else value

    def close(self, key: tuple[str, str], gauge: Gauge) -> None:
        if gauge.measured_ms:
            self.put.setdefault((*key, "gauge"), {})[gauge.quarter] = gauge.shown()

    def take_intervals(self, reading: Reading) -> None:
        for span in SPANS:
            length_ms = round(reading.values.get(f"{span}_length", 0) * 1000)
            end = reading.at_ms + min(length_ms, LONGEST_MS)
            for quantity, value in reading.values.items() if length_ms else ():
                if not quantity.startswith((f"{span}_energy", f"{span}_volume")):
                    continue
                parts = shares(reading.at_ms, end, micro(value))
                amounts = {
                    quarter: Amount(part, took_ms, part if length_ms > QUARTER_MS else 0)
                    for quarter, part, took_ms in parts
                }
                self.put.setdefault((reading.device, quantity, "interval"), {}).update(amounts)

    def write(self, database: Database) -> None:
        """Write everything, within a transaction; ``written`` forgets it afterwards."""
        for key, amounts in self.added.items():
            series = database.series(*key)
            for day, slots in by_day(amounts).items():
                known = database.day(series, day)
                for slot, amount in slots.items():
                    old = known.get(slot, Amount())
                    assert isinstance(old, Amount)
                    known[slot] = Amount(
                        old.micro + amount.micro,
                        old.measured_ms + amount.measured_ms,
                        old.estimated_micro + amount.estimated_micro,
                    )
                database.put_day(series, day, known)
        for key, rows in self.put.items():
            put_rows(database, database.series(*key), rows)
        for (device, quantity), gauge in self.gauges.items():
            if gauge.measured_ms:
                series = database.series(device, quantity, "gauge")
                put_rows(database, series, {gauge.quarter: gauge.shown()})
        for key, gaps in self.gaps.items():
            for gap in gaps:
                database.put_gap(database.series(*key), gap)
        for event in self.events:
            put_new(database, event)

    def written(self) -> None:
        """Forget what ``write`` has written for good."""
        self.added, self.put, self.gaps, self.events = {}, {}, {}, []


def put_new(database: Database, event: Event) -> None:
    """Write an event that is not known yet, and what it corrects."""
    if not database.has_event(event):
        correct(database, event)
        database.put_event(event)


def correct(database: Database, event: Event) -> None:
    """Book by how much an earlier decision was wrong, to the time between its two readings."""
    if "event_correction" in event.more:
        series = database.series(event.device, event.quantity, "counter")
        begin, end = (round(event.more[f"event_{name}"] * 1000) for name in ("begin", "end"))
        database.add_to_gap(series, Gap(begin, end, micro(event.more["event_correction"])))


def put_rows(database: Database, series: Series, rows: Mapping[int, Row]) -> None:
    for day, slots in by_day(rows).items():
        database.put_day(series, day, database.day(series, day) | slots)


def by_day(rows: Mapping[int, Any]) -> dict[int, dict[int, Any]]:
    days: dict[int, dict[int, Any]] = {}
    for quarter, row in rows.items():
        days.setdefault(quarter // PER_DAY, {})[quarter % PER_DAY] = row
    return days


def restored(values: list[Any]) -> Gauge:
    gauge = Gauge(0, 0.0)
    for name, value in zip(Gauge.__slots__, values, strict=True):
        setattr(gauge, name, value)
    return gauge
