"""What was used in each quarter hour, and what a market asked for it: out of the ledger.

What lies in a gap is shared over it by time: its cost is then that at the mean price of the windows
that the gap covers. It is marked, and no peak is looked for in it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from collector.contract.roles import GRID
from collector.ledger.book import Key, shares
from collector.ledger.database import Gap, Kind, Series
from collector.ledger.days import QUARTER_MS, Amount, Row

PRICE, CURRENCY = "price", "currency"
FOREVER = 1 << 40
# The total of what is drawn from the grid: the first of these that a meter has.
IMPORTS: tuple[tuple[str, Kind], ...] = (
    ("active_energy_import", "counter"),
    ("active_energy", "counter"),
    ("interval_energy_import", "interval"),
    ("interval_energy", "interval"),
)
EXPORTS: tuple[tuple[str, Kind], ...] = (
    ("active_energy_export", "counter"),
    ("interval_energy_export", "interval"),
)


@dataclass
class Use:
    """What was used by quarter hour, in micro-Wh: as measured, and the shares of gaps."""

    measured: dict[int, int] = field(default_factory=dict)
    gaps: dict[int, int] = field(default_factory=dict)
    measured_ms: int = 0
    gap_ms: int = 0


@dataclass
class Market:
    """Prices per kWh by quarter hour, in millionths of the currency with that ISO number."""

    prices: Mapping[int, int] = field(default_factory=dict)
    currencies: frozenset[int] = frozenset()


class Quarters(Protocol):
    """What of a ledger a bill is made from: an open one, or what a derivation remembers of it."""

    @property
    def known(self) -> Mapping[Key, Series]: ...

    def quarters(self, series: Series, begin: int, end: int) -> Iterator[tuple[int, Row]]: ...

    def gaps(self, series: Series, begin_ms: int, end_ms: int) -> list[Gap]: ...


class Flows(Protocol):
    """What a bill is made from; *flow* is ``import`` or ``export``, perhaps with a register."""

    def use(self, flow: str, begin: int, end: int) -> Use:
        """Return what was used from one quarter hour to before another."""

    def market(self, source: str, begin: int, end: int) -> Market: ...


class FromLedger:
    """The flows of one meter in a ledger, before the quarter *until*; what was read is kept."""

    def __init__(self, database: Quarters, meter: str, until: int = FOREVER) -> None:
        self.database = database
        self.meter = meter
        self.until = until
        self.known: dict[tuple[str, int, int], Use] = {}

    def series(self, flow: str) -> Series | None:
        direction, _, register = flow.partition("_")
        names = IMPORTS if direction == "import" else EXPORTS
        ending = f"_{register}" if register else ""
        found = (
            self.database.known.get((self.meter, f"{name}{ending}", kind)) for name, kind in names
        )
        return next(filter(None, found), None)

    def use(self, flow: str, begin: int, end: int) -> Use:
        key = flow, begin, end
        if key not in self.known:
            self.known[key] = self.read(flow, begin, end)
        return self.known[key]

    def read(self, flow: str, begin: int, end: int) -> Use:
        use, series, end = Use(), self.series(flow), min(end, self.until)
        if series is None or begin >= end:
            return use
        for quarter, row in self.database.quarters(series, begin, end):
            assert isinstance(row, Amount)
            use.measured[quarter] = row.micro
            use.measured_ms += row.measured_ms
        begin_ms, end_ms = begin * QUARTER_MS, end * QUARTER_MS
        for gap in self.database.gaps(series, begin_ms, end_ms):
            use.gap_ms += min(gap.to_ms, end_ms) - max(gap.from_ms, begin_ms)
            for quarter, part, _ in shares(gap.from_ms, gap.to_ms, gap.micro):
                if begin <= quarter < end:
                    use.gaps[quarter] = use.gaps.get(quarter, 0) + part
        return use

    def market(self, source: str, begin: int, end: int) -> Market:
        known = self.database.known
        prices, currency = (
            known.get((source, PRICE, "price")),
            known.get((source, CURRENCY, "price")),
        )
        if prices is None:
            return Market()
        rows = {at: each.micro for at, each in self.amounts(prices, begin, end)}
        numbers = {each.micro // 1_000_000 for _, each in self.amounts(currency, begin, end)}
        return Market(rows, frozenset(numbers))

    def amounts(self, series: Series | None, begin: int, end: int) -> "list[tuple[int, Amount]]":
        if series is None:
            return []
        found = self.database.quarters(series, begin, end)
        return [(at, row) for at, row in found if isinstance(row, Amount)]


def meters(database: Quarters) -> list[str]:
    """Return the devices that have a total of what is drawn from the grid."""
    names = set(IMPORTS)
    return sorted(
        {device for device, quantity, kind in database.known if (quantity, kind) in names}
    )


def billed(known: Collection[str], roles: Mapping[str, str]) -> list[str]:
    """Return which of the *known* meters a contract may be of that names none.

    That is the meter at the grid, or else every one that has no other role.
    """
    at_grid = [each for each in known if roles.get(each) == GRID]
    return at_grid or [each for each in known if not roles.get(each)]
