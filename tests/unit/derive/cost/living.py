"""A house that lives: a meter with its follies, a market, a ledger that lags, and the costs."""

import json
import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from collector.contract import Context
from collector.contract.common import HouseFiles
from collector.derive.cost.derivation import Cost, CostOptions
from collector.ledger.book import Book
from collector.ledger.database import create
from collector.lines.serial import Lines
from collector.reading import Reading, encode
from tests.unit.derive.energy.house import derivation

ROME = ZoneInfo("Europe/Rome")
MINUTE, QUARTER = 60_000, 900_000
STEPS = {1: 60_000, 5: 300_000}


class Living:
    """What happens is journalled in *lines*; *made* has what the derivation made of it."""

    def __init__(self, folder, tariffs, begin, zone=ROME, roles=None):
        self.files = HouseFiles(
            folder / "tariffs.yaml", folder / "ledger" / "it.sqlite", folder / "holidays.json"
        )
        self.files.tariffs.write_text(tariffs)
        self.folder, self.zone, self.roles = folder, zone, roles or {}
        self.energy = derivation()
        self.cost = self.new()
        self.ledger, self.book = create(self.files.ledger), Book()
        self.truth, self.all = create(folder / "truth.sqlite"), Book()
        for each in (self.ledger, self.truth):
            each.connection.execute("PRAGMA synchronous = OFF")
        self.at = round(begin.replace(tzinfo=zone).timestamp() * 1000)
        self.written = self.at // QUARTER
        self.chance = random.Random(1)
        self.counters = {"active_energy_import": 9_000_000, "active_energy_export": 400_000}
        self.heard = []
        self.made = []
        self.compare = lambda _: None
        self.is_silent = False
        self.is_wrong = 0

    def new(self):
        context = Context(
            *("home", Lines(), self.folder, self.folder, self.zone),
            roles=self.roles,
            files=self.files,
        )
        return Cost("cost", CostOptions(type="cost"), context)

    def close(self):
        self.ledger.close()
        self.truth.close()

    def journal(self, readings):
        """Give readings to all that hear them."""
        for reading in readings:
            self.heard.append(reading)
            for book in (self.book, self.all):
                book.take(encode(reading))
            if reading.kind in self.cost.hears:
                self.take(self.cost.derive([reading]))

    def take(self, made):
        for each in made:
            self.made.append(each)
            self.compare(each)

    def meter(self, values):
        self.journal(self.energy.derive([Reading("electricity", "mains", self.at, values)]))

    def pass_to(self, end, step=5 * MINUTE):
        """Let time pass: the meter is read, the ledger written half a minute after a quarter."""
        end_ms = round(end.replace(tzinfo=self.zone).timestamp() * 1000)
        while self.at < end_ms:
            self.at += step
            hour = datetime.fromtimestamp(self.at / 1000, UTC).hour
            self.counters["active_energy_import"] += self.chance.randrange(step // 600)
            if hour in range(8, 16):
                self.counters["active_energy_export"] += self.chance.randrange(step // 900)
            if not self.is_silent:
                wrong = dict.fromkeys(self.counters, 0.0) if self.is_wrong else {}
                self.meter({name: each / 10 for name, each in self.counters.items()} | wrong)
                self.is_wrong = max(self.is_wrong - 1, 0)
            self.take(self.cost.tick(self.at + 5000))
            quarter = (self.at - 30_000) // QUARTER
            if quarter > self.written:
                self.write(self.ledger, self.book)
                self.written = quarter

    def write(self, ledger, book):
        with ledger.transaction():
            book.write(ledger)
        book.written()

    def price(self, at, value, quarters=4):
        values = {"price": value, "price_length": quarters * 900.0, "currency": 978.0}
        self.journal([Reading("price", "spot", at, values)])

    def prices_of(self, day):
        """Give the prices of a local day, hour by hour."""
        begin = day.replace(tzinfo=self.zone)
        end = (day + timedelta(days=1)).replace(tzinfo=self.zone)
        for at in range(round(begin.timestamp()), round(end.timestamp()), 3600):
            self.price(at * 1000, round(self.chance.uniform(-0.05, 0.4), 5))

    def restart(self):
        """Go on with a state as the disk has it."""
        state = json.loads(json.dumps(self.cost.state(), allow_nan=False))
        self.cost = self.new()
        self.cost.restore(state)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


__all__ = ["Living", "closing"]
