"""Heat pumps with a Luxtronik 2 controller, read over its own port; nothing is ever written.

The calculations are asked for at every read, and the parameters, which hold the electric energy of
newer firmware, once a minute. One connection is kept, for some firmware falls over when it is
called too often.

``coefficient_of_performance`` is the heat counted for heating, hot water and pool over the electric
energy counted for the same, in the last three hours or as long as there are counters. It is absent
until the heat comes to 2 kWh: heat is counted in steps of 0.1 kWh, so it is right to 5 %.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from collector.contract import BadOption, Context, Manner, SourceOptions
from collector.decode.once import Once
from collector.lines.tcp import CONNECT_S, TcpLine
from collector.options import option
from collector.reading import Reading
from collector.scalars import Seconds
from collector.sources.luxtronik import discover, protocol
from collector.sources.luxtronik import meaning as luxtronik_map
from collector.sources.luxtronik.meaning import Entry
from collector.sources.luxtronik.protocol import CALCULATIONS, PARAMETERS, VISIBILITIES

log = logging.getLogger(__name__)

PERFORMANCE = "coefficient_of_performance"
PURPOSES = ("heating", "hot_water", "pool")
WINDOW_MS = 3 * 3_600_000
LEAST_HEAT_WH = 2000
PARAMETERS_EVERY_MS = 60_000

Counted = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class LuxtronikOptions(SourceOptions):
    """A heat pump with a Luxtronik 2 controller (Alpha Innotec, Novelan …), read every 10 s."""

    line: str = option(
        "tcp://HOST:PORT of the controller; its port is 8889, or 8888 with old firmware",
        example="tcp://192.168.2.5:8889",
    )
    every: Seconds = option(
        "polling interval, aligned to the clock",
        example="10s",
        default=Seconds(10),
        low=1,
        high=3600,
    )


class Luxtronik:
    """Reads one heat pump."""

    Options: ClassVar[type] = LuxtronikOptions
    manner = Manner("asks", ("tcp:",), discover.PORTS)
    discover = staticmethod(discover.discover)
    patience_s = CONNECT_S + 2 * protocol.ANSWER_S

    def __init__(self, name: str, options: LuxtronikOptions, context: Context) -> None:  # noqa: ARG002  the contract hands it over
        self.name = name
        self.line = options.line
        try:
            self.tcp = TcpLine(options.line)
        except ValueError as error:
            raise BadOption("line", f"{error}, where PORT is 8889 or, with old, 8888") from error
        self.map = luxtronik_map.load()
        self.states: dict[str, dict[float | None, str]] = {
            quantity: {float(number): words for number, words in table.items()}
            for quantity, table in self.map.states.items()
        }
        self.quantities = (*self.map.quantities, PERFORMANCE)
        self.slow = {entry.quantity for entry in self.map.parameters}
        self.slow |= {PERFORMANCE, self.map.smart_grid.quantity}
        self.has_smart_grid = False
        self.known: set[str] = set()
        self.window: deque[tuple[int, Counted]] = deque()
        self.slow_read_ms = -PARAMETERS_EVERY_MS
        self.once = Once(log)

    def open(self) -> None:
        self.tcp.open()

    def close(self) -> None:
        self.tcp.close()

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:
        """Read what is due. Raise ReadFault; the next read then begins with a new connection."""
        self.tcp.open()
        numbers = protocol.ask(self.tcp, CALCULATIONS)
        values = luxtronik_map.decode(self.map.calculations, numbers, self.known)
        values |= luxtronik_map.decode_memories(self.map.memories, numbers)
        firmware = luxtronik_map.decode_firmware(numbers)
        if self.slow & quantities and abs(at_ms - self.slow_read_ms) >= PARAMETERS_EVERY_MS:
            parameters = protocol.ask(self.tcp, PARAMETERS)
            self.slow_read_ms = at_ms
            entries = [entry for entry in self.map.parameters if entry.is_of(firmware)]
            values |= luxtronik_map.decode(entries, parameters, self.known)
            place = self.map.smart_grid.enabled
            self.has_smart_grid = list(parameters[place : place + 1]) == [1]
            values |= self.performance(at_ms, values)
        if self.has_smart_grid:
            values |= luxtronik_map.decode_smart_grid(self.map.smart_grid, numbers)
        self.known |= {quantity for quantity, value in values.items() if value}
        self.tell(firmware, values)
        return [Reading(self.map.kind, self.name, at_ms, values)] if values else []

    def read_raw(self) -> list[dict[str, Any]]:
        """Return every number of the three tables, and what it means where that is known."""
        self.tcp.open()
        known = {CALCULATIONS: self.map.calculations, PARAMETERS: self.map.parameters}
        rows = []
        firmware = ""
        for table in (CALCULATIONS, PARAMETERS, VISIBILITIES):
            numbers = protocol.ask(self.tcp, table)
            firmware = firmware or luxtronik_map.decode_firmware(numbers)
            holds = [entry for entry in known.get(table, ()) if entry.is_of(firmware)]
            entries = {entry.index: entry for entry in holds}
            for index, number in enumerate(numbers):
                row = {"label": f"{table.name} {index}", "text": str(number)}
                rows.append(row | self.meaning(entries.get(index), numbers))
        return rows

    def meaning(self, entry: Entry | None, numbers: Sequence[int]) -> dict[str, Any]:
        if entry is None:
            return {"quantity": "", "value": None, "meaning": ""}
        quantity = entry.quantity
        value = luxtronik_map.decode([entry], numbers, {quantity}).get(quantity)
        words = self.states.get(quantity, {}).get(value, entry.name)
        return {"quantity": quantity, "value": value, "meaning": words}

    def performance(self, at_ms: int, values: Mapping[str, float]) -> dict[str, float]:
        """Return the performance over the window that ends with *values*, where it is known."""
        now = counted(values)
        if self.window and not follows(now, at_ms, *self.window[-1]):
            self.window.clear()
        self.window.append((at_ms, now))
        while self.window[0][0] < at_ms - WINDOW_MS:
            self.window.popleft()
        known = performance(self.window[0][1], now)
        return {} if known is None else {PERFORMANCE: known}

    def tell(self, firmware: str, values: Mapping[str, float]) -> None:
        """Log what it is and its latest error, each when it has changed."""
        code = values.get("heat_pump_model", -1.0)
        model = self.states["heat_pump_model"].get(code, f"model {code:.0f}")
        self.once.info("model", f"{self.name}: {model}, firmware {firmware or 'unknown'}")
        if "error_code" in values:
            at = datetime.fromtimestamp(values["error_time"], UTC)
            error = f"latest error {values['error_code']:.0f}"
            words = f"{error} at {at:%Y-%m-%d %H:%M} by its own clock"
            self.once.info("error", f"{self.name}: {words}")


def counted(values: Mapping[str, float]) -> Counted:
    """Return heat and electric energy in Wh by purpose, where both are counted. Pure."""
    pairs = {each: (f"heat_energy_{each}", f"active_energy_{each}") for each in PURPOSES}
    return {
        purpose: (values[heat], values[electric])
        for purpose, (heat, electric) in pairs.items()
        if heat in values and electric in values
    }


def follows(now: Counted, now_ms: int, before_ms: int, before: Counted) -> bool:
    """Can *now* come after *before*: is it later, and has no counter begun anew? Pure."""
    both = now.keys() & before.keys()
    return now_ms > before_ms and all(
        now[each][0] >= before[each][0] and now[each][1] >= before[each][1] for each in both
    )


def performance(before: Counted, now: Counted) -> float | None:
    """Return heat over electric energy from *before* to *now*; None where too little. Pure."""
    both = now.keys() & before.keys()
    heat = sum(now[each][0] - before[each][0] for each in both)
    electric = sum(now[each][1] - before[each][1] for each in both)
    return heat / electric if heat >= LEAST_HEAT_WH and electric > 0 else None
