"""A ledger with a year of meters: each day its own 96 quarter hours."""

from datetime import UTC, date, datetime

from collector.ledger.database import Gap, create
from collector.ledger.days import QUARTER_MS, Amount

PER_QUARTER = 100_000_000  # micro-Wh: 400 W


def write(file, meters, year=2026, days=365):
    """Write *file*; each quarter hour differs from its neighbours, as those of houses do."""
    ledger = create(file)
    first = (date(year, 1, 1) - date(1970, 1, 1)).days
    with ledger.transaction():
        for number, meter in enumerate(meters):
            series = ledger.series(meter, "active_energy_import", "counter")
            for day in range(days):
                rows = {
                    slot: Amount(
                        PER_QUARTER + 1_000_003 * ((slot * 7 + day + number) % 97), QUARTER_MS
                    )
                    for slot in range(96)
                }
                ledger.put_day(series, first + day, rows)
    ledger.close()
    return file


def add_gap(file, meter, begin, end, micro):
    """Take the quarter hours from *begin* to before *end* (UTC) away, and put a gap there."""
    ledger = create(file)
    begin_ms, end_ms = (round(each.replace(tzinfo=UTC).timestamp() * 1000) for each in (begin, end))
    with ledger.transaction():
        series = ledger.series(meter, "active_energy_import", "counter")
        for at in range(begin_ms // QUARTER_MS, end_ms // QUARTER_MS):
            day = ledger.day(series, at // 96)
            day.pop(at % 96, None)
            ledger.put_day(series, at // 96, day)
        ledger.put_gap(series, Gap(begin_ms, end_ms, micro))
    ledger.close()


__all__ = ["add_gap", "datetime", "write"]
