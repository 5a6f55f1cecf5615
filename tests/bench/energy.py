"""What the derivation of energy and the ledger cost per reading of a meter of 30 quantities."""

import random
import time

from collector.ledger.book import Book
from collector.quantity import catalogue
from collector.reading import Reading, decode, encode, kind_of
from tests.unit.derive.energy.house import BEGIN_MS, derivation

SECONDS = 50_000
BOUND_US = 100  # 30 days of 1 Hz in 260 s
COUNTERS = ("active_energy_import", "active_energy_export", "active_energy")
MOST_AT_ONCE = 1000


def readings():
    chance = random.Random(1)
    gauges = [
        name
        for name, each in catalogue().items()
        if each.kind == "gauge" and name.startswith(("voltage", "current", "active_power"))
    ][: 30 - len(COUNTERS)]
    energy = 123456.0
    for number in range(SECONDS):
        energy = round(energy + chance.random(), 2)
        values = {name: round(chance.uniform(0, 400), 2) for name in gauges}
        values |= dict.fromkeys(COUNTERS, energy)
        yield encode(Reading("electricity", "mains", BEGIN_MS + 1000 * number, values))


def measure():
    lines = list(readings())
    it, book, made = derivation(), Book(), []
    began = time.perf_counter()
    for first in range(0, SECONDS, MOST_AT_ONCE):
        batch = lines[first : first + MOST_AT_ONCE]
        heard = [decode(line) for line in batch if kind_of(line) in it.hears]
        made += [encode(each) for each in it.derive(heard)]
    derived = time.perf_counter()
    for line in [*lines, *made]:
        book.take(line)
    booked = time.perf_counter()
    deriving, booking = ((derived - began) / SECONDS * 1e6, (booked - derived) / SECONDS * 1e6)
    yield "energy, us to derive from a reading of 30 quantities", f"{deriving:.1f}", "", True
    yield "energy, us to keep it in the ledger", f"{booking:.1f}", "", True
    both = deriving + booking
    yield "energy, us for both", f"{both:.1f}", f"at most {BOUND_US}", both <= BOUND_US
