"""What the demo's house did before anybody looked, written at once into ledger and journal.

The ledger gets sixty days of quarter hours, which follow from the house's exact energies and not
from readings. They end where the journal begins, with some hours of readings: what derives and
keeps the ledger takes these as it takes live ones, so both go on without a step. A folder that was
left for some time is filled up in the same way.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from collector.clock import boot_id
from collector.demo import heatpump
from collector.demo.household import METERS, Household, counters
from collector.demo.shed import CAPACITY_WH, voltage
from collector.journal.journal import Journal
from collector.journal.reader import Reader
from collector.ledger import database, rebuilt
from collector.ledger.book import Book
from collector.ledger.database import Database
from collector.ledger.days import MICRO, QUARTER_MS, Amount, Shown
from collector.reading import encode, time_ms

DAYS = 60
QUARTER_S = QUARTER_MS / 1000
JOURNAL_S = 6 * 3600  # each hour of it costs the first figure 0.1 s
EVERY_S = 60  # a gauge holds for so long in the ledger
# The newest minutes are closer, so that a chart of ten minutes has a line.
NEWEST_S, NEWEST_EVERY_S = 900, 10
WRITTEN_AT_ONCE = 10 * 96  # quarter hours: bounds the memory
APPENDED_AT_ONCE = 1000
WHOLE = "demo"  # what the ledger keeps once it has its history


class Gauge(NamedTuple):
    """What a gauge showed in a quarter hour."""

    device: str
    quantity: str
    mean: float
    low: float
    high: float


def first_reading(now: float) -> float:
    """Return where the journal of a new house begins, and so its history in the ledger ends."""
    return (now - JOURNAL_S) // QUARTER_S * QUARTER_S


def write_readings(folder: Path, household: Household, now: float) -> None:
    """Append to the journal what nobody has read; where that is long, only the end of it.

    What is left out is in the ledger then. Raise JournalFault, LedgerDamaged, OSError.
    """
    journal = Journal(folder / "journal", boot_id())
    journal.open()
    try:
        begin = max(first_reading(now), newest_s(journal) + EVERY_S)
        if is_written(folder):
            with closing(database.create(file_in(folder))) as ledger:
                write_quarters(ledger, household, begin)
        append(journal, household, max(begin, household.begin), now)
    finally:
        journal.close()


def write_ledger(folder: Path, household: Household, until: float) -> None:
    """Write all quarter hours to *until* into a ledger that takes the place of the one in use.

    So nobody waits for it. Raise LedgerDamaged, OSError.
    """
    with closing(rebuilt.begin(file_in(folder))) as made:
        write_quarters(made, household, until)
        made.keep(WHOLE, value=True)
        rebuilt.end(file_in(folder), made)


def file_in(folder: Path) -> Path:
    return folder / "ledger" / "ledger.sqlite"


def take(folder: Path) -> None:
    """Take a ledger into use that is ready, where no collector runs that would. Raise OSError."""
    if rebuilt.is_ready(file_in(folder)):
        rebuilt.take(file_in(folder))


def is_written(folder: Path) -> bool:
    """Return whether the ledger has its history. Raise LedgerDamaged, OSError."""
    file = file_in(folder)
    if not file.exists():
        return False
    with closing(database.open_to_read(file)) as ledger:
        return ledger.kept(WHOLE) is not None


def write_quarters(ledger: Database, household: Household, until: float) -> None:
    """Write each quarter hour from where *ledger* ends to *until*."""
    book = Book(ledger.kept("book"))
    known_ms = max((at_ms for at_ms, _ in book.counters.values()), default=0)
    at = max(household.begin, known_ms / 1000)
    if at >= until:
        return
    before = household.energies(at)
    count(book, at, before)
    with ledger.transaction():
        for number, edge in enumerate(edges(at, until), 1):
            after = household.energies(edge)
            count(book, edge, after)
            for gauge in gauges(household, (at, edge), before, after):
                show(book, edge, gauge)
            at, before = edge, after
            if number % WRITTEN_AT_ONCE == 0:
                book.write(ledger)
                book.written()
        book.write(ledger)
        ledger.keep("book", book.state())


def edges(begin: float, end: float) -> Iterator[float]:
    """Yield each full quarter hour after *begin* to *end*."""
    at = (begin // QUARTER_S + 1) * QUARTER_S
    while at <= end:
        yield at
        at += QUARTER_S


def count(book: Book, t: float, energies: Mapping[str, float]) -> None:
    """Let *book* count up to what every counter shows at *t*, the end of a quarter hour."""
    at_ms = round(t * 1000)
    for each in counters():
        key, new = (each.device, each.quantity), round(each.value(energies) * MICRO)
        last_ms, last = book.counters.get(key, (at_ms, new))
        book.counters[key] = at_ms, new
        if last_ms < at_ms:
            amounts = book.added.setdefault((*key, "counter"), {})
            amounts[last_ms // QUARTER_MS] = Amount(new - last, at_ms - last_ms)


def show(book: Book, edge: float, gauge: Gauge) -> None:
    """Put what a gauge showed into the quarter hour before *edge*."""
    rows = book.put.setdefault((gauge.device, gauge.quantity, "gauge"), {})
    rows[round(edge / QUARTER_S) - 1] = Shown(gauge.mean, gauge.low, gauge.high, QUARTER_MS)


def gauges(
    household: Household,
    span: tuple[float, float],
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> Iterator[Gauge]:
    """Yield what each gauge showed in *span*, whose energies at both ends are known."""
    hours = (span[1] - span[0]) / 3600
    mean = {name: (after[name] - before[name]) / hours for name in after}
    mean["net"] = mean["import"] - mean["export"]
    seen = household.house.extremes(*span)
    for meter in METERS:
        low, high = (sum(seen[each][side] for each in meter.parts) for side in (0, 1))
        gauge = Gauge(
            meter.name, "active_power", sum(mean[each] for each in meter.parts), low, high
        )
        if meter.role == "solar":
            gauge = gauge._replace(mean=-gauge.mean, low=-high, high=-low)
        yield gauge
        if meter.role == "heat_pump":
            yield gauge._replace(device="heatpump")
        if meter.parts == ("lights",):
            yield gauge._replace(device="lights", quantity="estimated_power")
    mean_c, warmth = heatpump.outside(household.house, sum(span) / 2)
    yield steady("heatpump", "outside_temperature", mean_c + heatpump.SWING_C * warmth)
    power = mean["charged"] - mean["discharged"]
    lacks = [each["discharged"] - each["charged"] for each in (before, after)]
    volts = voltage(power, sum(lacks) / 2)
    yield steady("battery", "battery_power", power)
    yield steady("battery", "battery_voltage", volts)
    yield steady("battery", "battery_current", power / volts)
    yield steady("sun", "panel_power", mean["panels"])
    full = sorted(min(100 * (1 - each / CAPACITY_WH), 100) for each in lacks)
    for device in ("battery", "bank"):
        yield Gauge(device, "state_of_charge", sum(full) / 2, *full)


def steady(device: str, quantity: str, value: float) -> Gauge:
    return Gauge(device, quantity, value, value, value)


def append(journal: Journal, household: Household, begin: float, now: float) -> None:
    lines: list[bytes] = []
    for t in instants(begin, now):
        lines += map(encode, household.readings(t))
        if len(lines) >= APPENDED_AT_ONCE:
            journal.append(lines, hold=False)
            lines = []
    if lines:
        journal.append(lines, hold=False)
    journal.sync()


def newest_s(journal: Journal) -> float:
    """Return the time of the newest record; 0 where there is none."""
    last = Reader(journal.log, journal.log.next_number - 1).take(1)
    return time_ms(last[0][1]) / 1000 if last else 0.0


def instants(begin: float, now: float) -> Iterator[float]:
    """Yield the instants to be read from *begin* to before *now*: full minutes, then closer."""
    t = -(-begin // EVERY_S) * EVERY_S
    newest = (now - NEWEST_S) // EVERY_S * EVERY_S
    while t < now:
        yield t
        t += EVERY_S if t < newest else NEWEST_EVERY_S
