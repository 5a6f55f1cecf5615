"""A simulated month of a house whose meters do everything that meters do; the truth is known.

What a gap makes unknowable is known too: what a meter counted before a reset that nobody saw, and
which nobody told of. All else must be in the ledger to the last micro-Wh.
"""

import json
import random

import pytest

from collector.ledger.decisions import Code
from collector.reading import Reading
from tests.unit.derive.energy.house import (
    BEGIN_MS,
    DAY,
    HOUR,
    MINUTE,
    QUANTITY,
    SECOND,
    codes,
    derivation,
    in_ledger,
    replaced,
)

MODULUS = 10_000_000  # in units of 0.1 Wh
ALWAYS = ["false_zeros", "spike", "jitter", "gap", "late_and_twice"]
RESET = ["reset", "reset_in_gap", "replace_told", "replace_untold", "jump"]
ROLLING = ["roll_over"]


class Meter:
    """A meter in units of 0.1 Wh, read every *every_ms*; *truth* is what it has ever counted.

    One with an even seed is reset now and then, one with an odd seed rolls over instead: which of
    both it was can't be told after hours.
    """

    def __init__(self, seed, every_ms):
        self.modulus = MODULUS if seed % 2 else 1 << 60
        self.happenings = [*ALWAYS, *(ROLLING if seed % 2 else RESET)]
        self.chance = random.Random(seed)
        self.every_ms, self.at = every_ms, 0
        self.shown = self.chance.randrange(9_500_000, 9_900_000)
        self.truth = self.lost = 0
        self.readings = []
        self.is_silent = False
        self.load = 0.0

    def use(self):
        """Let the house use something between two readings: up to 8 kW, in whole units."""
        if self.chance.random() < 0.02:
            self.load = self.chance.choice([0.0, 0.1, 0.4, 1.0]) * 8000
        used = int(self.load * self.every_ms / 360_000 * self.chance.uniform(0.5, 1))
        self.at += self.every_ms
        self.truth += used
        self.shown = (self.shown + used) % self.modulus
        return used

    def read(self, shown=None):
        value = (self.shown if shown is None else shown) / 10
        self.readings.append(Reading("electricity", "mains", BEGIN_MS + self.at, {QUANTITY: value}))

    def run(self, duration):
        for _ in range(duration // self.every_ms):
            self.use()
            self.read()

    def calm(self):
        """Use something for sure, so that what was pending is decided."""
        self.load = 4000.0
        for _ in range(max(8, 3 * MINUTE // self.every_ms)):
            self.use()
            self.read()

    def false_zeros(self):
        for _ in range(self.chance.randrange(1, 4)):
            self.use()
            self.read(0)
        self.calm()

    def spike(self):
        self.use()
        self.read(9_999_999_999)
        self.calm()

    def jitter(self):
        if self.shown > 2:
            self.at += self.every_ms
            self.read(self.shown - self.chance.randrange(3))
        self.calm()

    def gap(self):
        for _ in range(self.chance.randrange(20, 400)):
            self.use()
        self.calm()

    def reset(self):
        """Begin again at 0 between two readings; what was used before in that time is lost."""
        self.lost += self.use()
        self.shown = 0
        self.calm()

    def reset_in_gap(self):
        if self.shown < 200_000:
            return  # it could be back at its old value before anything is read
        self.load = 500.0
        for _ in range(self.chance.randrange(20, 100)):
            self.lost += self.use()
        self.shown = 0
        self.gap_after()

    def gap_after(self):
        for _ in range(self.chance.randrange(1, 20)):
            self.use()
        self.calm()

    def replace_told(self):
        """Let a new meter go on; the owner tells it before, while or after it is decided."""
        self.use()
        final, first, when = self.shown, self.chance.randrange(5), self.at
        self.shown = first
        count = len(self.readings)
        for _ in range(self.chance.randrange(3)):
            self.use()
        self.calm()
        said = self.chance.randrange(count, len(self.readings) + 1)
        said_at = self.readings[said - 1].at_ms - BEGIN_MS + 1
        record = replaced(max(said_at, when), final / 10, first / 10, when)
        self.readings.insert(said, record)

    def replace_untold(self):
        """Let another meter go on that has counted before: how much it had is not known."""
        self.lost += self.use()
        self.shown = self.shown // 2 + 10_000_000
        self.lost += self.use()
        self.read()
        self.calm()

    def jump(self):
        """Let another meter go on that has counted more; what was used for its step is lost."""
        self.replace_untold()

    def roll_over(self):
        self.run((self.modulus - self.shown) % self.modulus % (12 * HOUR))
        self.calm()

    def late_and_twice(self):
        for _ in range(5):
            self.readings.append(self.chance.choice(self.readings[-50:]))
        self.calm()


def month(seed, every_ms, days):
    meter = Meter(seed, every_ms)
    meter.read()
    meter.calm()
    while meter.at < days * DAY:
        meter.run(meter.chance.randrange(MINUTE, 12 * HOUR if every_ms > SECOND else HOUR))
        meter.calm()
        getattr(meter, meter.chance.choice(meter.happenings))()
    while meter.at % (15 * MINUTE):
        meter.use()
        meter.read()
    return meter


def derived(readings, seed):
    """Derive in batches, restarting from a state in JSON after each."""
    chance = random.Random(seed)
    rolling = {"devices": {"mains": {"rolls_over_at": {QUANTITY: MODULUS / 10}}}}
    options = rolling if seed % 2 else {}
    it, made, at = derivation(**options), [], 0
    while at < len(readings):
        count = chance.randrange(1, 5000)
        made += it.derive(readings[at : at + count])
        at += count
        state = json.loads(json.dumps(it.state(), allow_nan=False))
        it = derivation(**options)
        it.restore(state)
    return made, it


@pytest.mark.parametrize("every_ms", [MINUTE, 5 * MINUTE])
@pytest.mark.parametrize("seed", range(6))
def test_a_month_is_in_the_ledger_to_the_last_digit(seed, every_ms, capsys):
    compare(seed, every_ms, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("every_ms", [SECOND, 10 * SECOND])
@pytest.mark.parametrize("seed", range(6))
def test_so_is_a_house_that_is_read_more_often(seed, every_ms, capsys):
    compare(seed, every_ms, capsys)


def compare(seed, every_ms, capsys):
    meter = month(seed, every_ms, 30 if every_ms > SECOND else 2)
    made, it = derived(meter.readings, seed)
    in_quarters, in_gaps = in_ledger(made)
    assert in_quarters + in_gaps == (meter.truth - meter.lost) * 100_000
    (known,) = it.devices["mains"].counters.values()
    assert known.pending is None
    energies = [each.values[QUANTITY] for each in made if each.kind == "energy"]
    assert energies == sorted(energies)
    assert {Code.SET_ASIDE} <= set(codes(made))
    with capsys.disabled():
        print(f"\n{len(meter.readings)} values compared, {len(codes(made))} decisions")
