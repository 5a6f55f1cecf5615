"""Readings through the derivation into a ledger, as in a house."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from collector.contract import Context
from collector.derive.energy.derivation import Energy, EnergyOptions
from collector.ledger.book import Book, micro
from collector.ledger.database import create
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.reading import Reading, encode

BEGIN_MS = 1_763_654_400_000 // 900_000 * 900_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
QUANTITY = "active_energy_import"
CONTEXT = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"), ZoneInfo("UTC"))


def derivation(**options):
    faults = Faults()
    node: Any = yaml.compose(yaml.safe_dump({"type": "energy", **options}))
    read = read_options(EnergyOptions, node, Place("c.yaml", ""), faults)
    assert faults.found == []
    return Energy("energy", read, CONTEXT)


def counter(at_ms, value, quantity=QUANTITY, device="mains"):
    return Reading("electricity", device, BEGIN_MS + at_ms, {quantity: float(value)})


def series(*values):
    """Return readings of (time after the beginning, value)."""
    return [counter(at, value) for at, value in values]


def replaced(said_at, final, first, when, device="mains"):
    values = {
        QUANTITY: float(first),
        "meter_final": float(final),
        "meter_time": (BEGIN_MS + when) / 1000,
    }
    return Reading("meter_replaced", device, BEGIN_MS + said_at, values)


def undo(said_at, number, device="mains"):
    return Reading("meter_undo", device, BEGIN_MS + said_at, {"undo_event": float(number)})


def in_ledger(made, quantity=QUANTITY, device="mains"):
    """Return what a ledger has of a counter, in micro-Wh: in quarters and in gaps."""
    book = Book()
    for each in made:
        book.take(encode(each))
    with TemporaryDirectory() as folder, closing(create(Path(folder) / "it.sqlite")) as ledger:
        with ledger.transaction():
            book.write(ledger)
            known = ledger.series(device, quantity, "counter")
        rows: Any = [row for _, row in ledger.quarters(known, 0, 1 << 40)]
        gaps = [gap.micro for gap in ledger.gaps(known, 0, 1 << 60)]
        return sum(row.micro for row in rows), sum(gaps)


def counted(made, **where):
    """Return the energy in Wh that a ledger books."""
    return sum(in_ledger(made, **where)) / 1_000_000


def events(made):
    return [each.values for each in made if each.kind == "counter_event"]


def codes(made):
    return [each["event"] for each in events(made)]


def exact(value):
    return micro(value)
