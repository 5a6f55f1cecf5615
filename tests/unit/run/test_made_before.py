"""What is made a second time is not stored a second time, also beside others of the same kind."""

import threading
from functools import partial

import pytest

from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.reading import Reading, encode
from collector.run.derivation import LONGEST_PAUSE_S, MOST_ASIDE, Deriving
from collector.run.health import DerivationHealth
from tests.fakes.time_machine import FakeClock

BEGIN_MS = 1_792_969_150_000


class Double:
    """Twice the power; named, so that two of a kind can stand side by side."""

    hears = frozenset({"electricity"})
    makes = frozenset({"sum"})
    quantities = ("active_power",)

    def __init__(self, name):
        self.name = name

    def derive(self, readings):
        return [
            Reading("sum", self.name, each.at_ms, {"active_power": 2 * each.values["active_power"]})
            for each in readings
        ]

    def state(self):
        return 1

    def restore(self, state):
        pass


class Stuck(Double):
    """Raises at every reading from one on."""

    def derive(self, readings):
        if any(each.values["active_power"] >= 2500 for each in readings):
            raise ZeroDivisionError("bug")
        return []


def meter(first, last):
    return [
        encode(Reading("electricity", "mains", BEGIN_MS + 1000 * at, {"active_power": float(at)}))
        for at in range(first, last)
    ]


def opened(folder, names, cls=Double):
    journal = Journal(folder, "boot", [], names)
    journal.open()
    clock = FakeClock()
    derivings = {}
    for name in names:
        journal.snapshots[name].begin(1, 0)
        derivings[name] = Deriving(
            name, partial(cls, name), journal, clock, DerivationHealth(), threading.Lock()
        )
    return journal, clock, derivings


def drain(deriving):
    while deriving.derive_once() == 0:
        pass


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_a_replay_stores_nothing_twice(tmp_path, names):
    journal, _, derivings = opened(tmp_path, names)
    for first in range(0, 30_000, 500):
        journal.append(meter(first, first + 500))
        for each in derivings.values():
            drain(each)
    journal.sync()
    journal.rewind_derivation("a", 0)
    drain(derivings["a"])
    journal.close()
    lines = [line for _, line in read_all(tmp_path / "log") if b",device=a " in line]
    assert len(lines) == len(set(lines)) == 30_000


def test_one_that_fails_at_every_reading_waits_longer_and_is_logged_once(tmp_path, caplog):
    journal, clock, derivings = opened(tmp_path, ["a"], Stuck)
    journal.append(meter(0, 4000))
    pauses_s: list[float] = []
    while sum(pauses_s) < 2000:
        pauses_s.append(derivings["a"].derive_once())
        clock.pass_ms(pauses_s[-1] * 1000)
    journal.close()
    assert len([each for each in caplog.records if each.exc_info]) == 1
    assert not [each for each in caplog.records if "again after" in each.getMessage()]
    assert max(pauses_s) == LONGEST_PAUSE_S
    assert len(derivings["a"].aside) == MOST_ASIDE
