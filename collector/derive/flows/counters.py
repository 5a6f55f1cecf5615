"""What flowed in the house as counters that never fall, for outputs that keep no ledger.

A quarter of an hour is closed as soon as every meter was read after it, and counts what
``energy-monitor flows`` has of it. Where a meter is silent it is closed later, without it, and
counts nothing: it is no quarter that anyone knows.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from collector.contract.counters import ENERGY
from collector.contract.roles import FLOWS_ENERGY, Plan
from collector.derive.flows import meters
from collector.derive.flows.balance import NUMBERS, Flow, parts_of
from collector.derive.flows.energy import ASLEEP_MICRO, NIGHT_MICRO, Counted, Meter, flow_of
from collector.ledger.book import Book
from collector.ledger.database import Gap
from collector.ledger.days import MICRO, QUARTER_MS, Amount
from collector.reading import Reading

LATE_MS = 600_000  # after the end of a quarter its energies have come, or are missing
FIGURES = {
    "house": "house_energy",
    "imported": "grid_import_energy",
    "exported": "grid_export_energy",
    "solar": "solar_energy",
    "used": "self_use_energy",
    "charged": "battery_charge_energy",
    "discharged": "battery_discharge_energy",
    "from_grid": "house_grid_energy",
    "from_solar": "house_solar_energy",
    "from_battery": "house_battery_energy",
    "rest": "rest_energy",
}
PART = "part_energy"
Key = tuple[str, str]  # device and counter


class Energies:
    """Adds up the quarters of a house; *due* is the next one that will be closed."""

    def __init__(self, house: str, plan: Plan) -> None:
        self.house, self.plan = house, plan
        self.roles = {
            device: role for role, devices in plan.devices.items() for device in devices
        } | dict.fromkeys(plan.parts, "part")
        self.book = Book()
        self.first: dict[Key, tuple[int, int]] = {}  # of each counter first quarter and value
        self.total = Flow()
        self.due = 0
        self.told_ms = 0

    def take(self, reading: Reading) -> list[Reading]:
        """Take energies of a device; return the counters after each quarter that is over."""
        if reading.kind != ENERGY or reading.device not in self.roles:
            return []
        self.book.take_energy(reading)
        for key, began_ms in self.book.began_ms.items():
            self.first[key] = began_ms // QUARTER_MS, self.book.counters[key][1]
        self.book.began_ms = {}
        self.due = self.due or reading.at_ms // QUARTER_MS
        if reading.at_ms < (self.due + 1) * QUARTER_MS:
            return []
        return list(self.closed(min(self.newest(device) for device in self.awaited())))

    def tick(self, now_ms: int) -> list[Reading]:
        """Close what is late; forget what came with a time that is still to come."""
        if max((at for at, _ in self.book.counters.values()), default=0) > now_ms + LATE_MS:
            self.book, self.first, self.due = Book(), {}, 0
        return list(self.closed(now_ms - LATE_MS))

    def newest(self, device: str) -> int:
        return max(
            (at for (each, _), (at, _) in self.book.counters.items() if each == device), default=0
        )

    def awaited(self) -> Collection[str]:
        """Return the devices that a quarter waits for: all but the panels that sleep."""
        awake = {
            device
            for device, role in self.roles.items()
            if role != "solar" or not self.sleeps(device)
        }
        return awake or self.roles

    def sleeps(self, device: str) -> bool:
        """Tell whether panels gave little in the last quarter that they were read in."""
        side = self.given(device)
        last = max(side.quarters, default=0)
        return bool(last) and last < self.due and side.quarters[last].micro <= ASLEEP_MICRO

    def closed(self, until_ms: int) -> Iterator[Reading]:
        while self.due and (self.due + 1) * QUARTER_MS <= until_ms:
            newest = self.newest_quarter()
            if newest < self.due:  # nobody was read: the next quarter that is known is waited for
                self.due = until_ms // QUARTER_MS
                return
            yield from self.close(self.due)
            self.due += 1
            self.forget()

    def newest_quarter(self) -> int:
        return max((max(each, default=0) for each in self.book.added.values()), default=0)

    def close(self, quarter: int) -> Iterator[Reading]:
        begin_ms = quarter * QUARTER_MS
        if self.told_ms != begin_ms:
            yield from self.readings(begin_ms)
        flow = flow_of(self.found(quarter), self.plan, quarter)
        if flow is not None:
            self.total.add(flow)
        self.told_ms = begin_ms + QUARTER_MS
        yield from self.readings(self.told_ms)

    def readings(self, at_ms: int) -> Iterator[Reading]:
        values = {name: getattr(self.total, each) / MICRO for each, name in FIGURES.items()}
        yield Reading(FLOWS_ENERGY, self.house, at_ms, values)
        for part in self.plan.parts:
            yield Reading(FLOWS_ENERGY, part, at_ms, {PART: self.alone(part) / MICRO})

    def alone(self, part: str) -> int:
        """Return what a part drew without its own parts: then all of them and the rest add up."""
        drawn = self.total.parts
        return drawn.get(part, 0) - sum(drawn.get(each, 0) for each in parts_of(part, self.plan))

    def found(self, quarter: int) -> dict[str, Meter]:
        found = {}
        for device, role in self.roles.items():
            known = self.known(device)
            if not known:
                continue
            drawn, given = meters.directions(role, known)
            meter = Meter(self.counted(device, drawn), self.counted(device, given))
            meter.is_reversed = role == "solar" and self.rose(device, drawn) > self.rose(
                device, given
            )
            found[device] = meter
            if role == "solar" and self.sleeps(device):
                side = meter.drawn if meter.is_reversed else meter.given
                side.quarters[quarter] = replace(
                    side.quarters.get(quarter, Amount()), measured_ms=QUARTER_MS
                )
        return found

    def known(self, device: str) -> set[str]:
        return {quantity for each, quantity in self.book.counters if each == device}

    def given(self, device: str) -> Counted:
        """Return what panels gave, whichever way round their meter is built in."""
        drawn, given = meters.directions("solar", self.known(device))
        if self.rose(device, drawn) > self.rose(device, given):
            return self.counted(device, drawn)
        return self.counted(device, given)

    def counted(self, device: str, lines: meters.Lines) -> Counted:
        """Return what the open quarters have of one direction of a device."""
        made = Counted()
        names = meters.counters(self.known(device), lines)
        rows = [self.book.added.get((device, name, "counter"), {}) for name in names]
        for quarter in set.intersection(*map(set, rows)) if rows else ():
            each = [row[quarter] for row in rows]
            made.quarters[quarter] = Amount(
                sum(one.micro for one in each), min(one.measured_ms for one in each)
            )
        made.gaps = [
            gap for name in names for gap in self.book.gaps.get((device, name, "counter"), [])
        ]
        made.fill(NIGHT_MICRO if self.roles[device] == "solar" else 0)
        if names:
            made.first = min(self.first[device, name][0] for name in names)
        return made

    def rose(self, device: str, lines: meters.Lines) -> int:
        """Return how much one direction of a device was counted since it is there."""
        names = meters.counters(self.known(device), lines)
        return sum(
            self.book.counters[device, name][1] - self.first[device, name][1] for name in names
        )

    def forget(self) -> None:
        """Forget the quarters that are closed, but for the last of each counter."""
        for amounts in self.book.added.values():
            last = max(amounts, default=0)
            for quarter in [each for each in amounts if each < self.due and each != last]:
                del amounts[quarter]
        for key, gaps in self.book.gaps.items():
            self.book.gaps[key] = [gap for gap in gaps if gap.to_ms > self.due * QUARTER_MS]

    def state(self) -> Any:
        return {
            "book": self.book.state(),
            "added": [
                [*key, [[quarter, each.micro, each.measured_ms] for quarter, each in rows.items()]]
                for key, rows in self.book.added.items()
            ],
            "gaps": [
                [*key, [[gap.from_ms, gap.to_ms, gap.micro] for gap in gaps]]
                for key, gaps in self.book.gaps.items()
            ],
            "first": [[*key, *each] for key, each in self.first.items()],
            "total": [{name: getattr(self.total, name) for name in NUMBERS}, self.total.parts],
            "due": [self.due, self.told_ms],
        }

    def restore(self, state: Any) -> None:
        """Take up a state. Raise AttributeError, LookupError, TypeError, ValueError."""
        self.book = Book(state["book"])
        for device, quantity, kind, rows in state["added"]:
            self.book.added[device, quantity, kind] = {
                quarter: Amount(micro, measured_ms) for quarter, micro, measured_ms in rows
            }
        for device, quantity, kind, gaps in state["gaps"]:
            self.book.gaps[device, quantity, kind] = [Gap(*each) for each in gaps]
        self.first = {
            (device, quantity): (quarter, value)
            for device, quantity, quarter, value in state["first"]
        }
        numbers, parts = state["total"]
        self.total = Flow(**numbers, parts=dict(parts))
        self.due, self.told_ms = state["due"]
