"""What every derivation does: one suite over all of the entry points, and one of the tests' own.

``Sum`` adds the power of two devices slot by slot and counts the energy of the day, so it needs a
state and gets readings that interleave. Each derivation of the project brings its OPTIONS and
READINGS; a new one fails here until it has both.
"""

import json
import os
import signal
import threading
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import registry
from collector.clock import Clock
from collector.contract import Context, DerivationOptions
from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.lines.serial import Lines
from collector.options import option
from collector.quantity import catalogue
from collector.reading import Reading, decode, encode
from collector.run import derivation as running
from collector.run.derivation import Deriving, cursor_name
from collector.run.health import DerivationHealth
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for

DAY_MS = 86_400_000
BEGIN_MS = 20_000 * DAY_MS
OPTIONS: dict[str, dict[str, Any]] = {}  # by entry point
READINGS: dict[str, list[Reading]] = {}


@dataclass(frozen=True, kw_only=True)
class SumOptions(DerivationOptions):
    """The power of some devices together, and their energy of the day."""

    of: tuple[str, ...] = option("devices", example=["a", "b"], default=("a", "b"))


class Sum:
    """The derivation of the tests."""

    Options: ClassVar[type] = SumOptions
    hears = frozenset({"electricity"})
    makes = frozenset({"sum"})
    quantities = ("active_power", "active_energy")

    def __init__(self, name, options, context):
        self.name, self.of = name, frozenset(options.of)
        self.context = context
        self.waiting: dict[str, dict[str, float]] = {}
        self.day, self.energy = 0, 0.0

    def derive(self, readings):
        made = []
        for each in readings:
            if each.device not in self.of:
                continue
            slot = self.waiting.setdefault(str(each.at_ms), {})
            slot[each.device] = each.values["active_power"]
            if slot.keys() == self.of:
                made.append(self.whole(each.at_ms, sum(slot.values())))
                del self.waiting[str(each.at_ms)]
        return made

    def whole(self, at_ms, power):
        if at_ms // DAY_MS != self.day:
            self.day, self.energy = at_ms // DAY_MS, 0.0
        self.energy += abs(power)
        return Reading(
            "sum", self.name, at_ms, {"active_power": power, "active_energy": self.energy}
        )

    def state(self):
        return {"waiting": self.waiting, "day": self.day, "energy": self.energy}

    def restore(self, state):
        self.waiting, self.day, self.energy = state["waiting"], int(state["day"]), state["energy"]


def house(count=400, late=True):
    """Return readings of two devices that interleave, over midnight, with a gap and a late one."""
    readings = []
    for number in range(count):
        at_ms = BEGIN_MS + DAY_MS - 200_000 + 1000 * number + (600_000 if number > 300 else 0)
        readings.append(Reading("electricity", "a", at_ms, {"active_power": 100.0 + number}))
        if number % 7:
            readings.append(Reading("electricity", "b", at_ms, {"active_power": -number / 8}))
    if late:
        readings[50], readings[90] = readings[90], readings[50]
    return readings


KINDS = ["sum", *sorted(registry.names("derivations"))]
every_derivation = pytest.mark.parametrize("kind", KINDS)


def make(kind, folder):
    """Return a derivation of *kind* without a past."""
    cls = Sum if kind == "sum" else registry.find("derivations", kind)
    options = cls.Options(type=kind, **OPTIONS.get(kind, {}))
    return cls("it", options, Context("home", Lines(), folder, folder / "state"))


def readings_for(kind):
    return house() if kind == "sum" else READINGS[kind]


def at_once(kind, folder):
    return make(kind, folder).derive(readings_for(kind))


def test_every_derivation_of_the_project_is_looked_at():
    assert set(OPTIONS) == set(READINGS) == set(registry.names("derivations"))


@every_derivation
def test_it_makes_what_it_declares_and_never_hears_what_it_makes(kind, tmp_path):
    it = make(kind, tmp_path)
    assert not it.hears & it.makes
    assert set(it.quantities) <= set(catalogue())
    made = at_once(kind, tmp_path)
    assert made
    for each in made:
        assert each.kind in it.makes
        assert set(each.values) <= set(it.quantities)
        running.check(each, it)
        encode(each)


@every_derivation
def test_batches_and_restarts_at_any_place_give_the_same(kind, tmp_path):
    readings, expected = readings_for(kind), at_once(kind, tmp_path)
    for size in (1, 2, 7, len(readings)):
        it, made = make(kind, tmp_path), []
        for place in range(0, len(readings), size):
            made += it.derive(readings[place : place + size])
            state = json.loads(json.dumps(it.state()))
            it = make(kind, tmp_path)
            it.restore(state)
        assert made == expected


@every_derivation
@given(data=st.data())
def test_any_schedule_of_batches_and_restarts_gives_the_same(kind, data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    readings = readings_for(kind)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(readings)), max_size=12)))
    it, made = make(kind, folder), []
    for begin, end in zip([0, *cuts], [*cuts, len(readings)], strict=True):
        made += it.derive(readings[begin:end])
        if data.draw(st.booleans()):
            state = json.loads(json.dumps(it.state()))
            it = make(kind, folder)
            it.restore(state)
    assert made == at_once(kind, folder)


# In the service's hands: a journal, a cursor, crashes


class Runner:
    """A journal with a derivation at it."""

    def __init__(self, folder, made_by, kind="sum"):
        self.folder, self.kind = folder, kind
        (folder / "journal").mkdir(exist_ok=True)
        self.journal = Journal(folder / "journal", "boot", [cursor_name("it"), "output"])
        self.journal.open()
        self.health = DerivationHealth()
        self.deriving = Deriving(
            "it", made_by, self.journal, Clock("always"), self.health, threading.Lock()
        )

    def use_all(self):
        for _ in range(100):
            self.deriving.step()
        return self

    def made(self):
        """Return what was made, each once, in the order in which it was made first."""
        lines = [line for _, line in read_all(self.folder / "journal" / "log")]
        return [
            decode(line) for line in dict.fromkeys(lines) if not line.startswith(b"electricity")
        ]


@pytest.fixture
def runner(tmp_path):
    opened: list[Runner] = []

    def run(made_by=None, kind="sum"):
        for each in opened:
            each.journal.close()
        opened.append(Runner(tmp_path, made_by or (lambda: make(kind, tmp_path)), kind))
        return opened[-1]

    yield run
    opened[-1].journal.close()


def append(runner, readings):
    runner.journal.append([encode(each) for each in readings])


@every_derivation
def test_it_begins_with_what_comes_after_it_was_configured(kind, runner, tmp_path):
    it = runner(kind=kind)
    append(it, readings_for(kind)[:10])
    it.use_all()
    assert it.made() == []
    rest = readings_for(kind)[10:]
    append(it, rest)
    assert it.use_all().made() == make(kind, tmp_path).derive(rest)


@every_derivation
def test_after_a_crash_at_any_place_nothing_is_missing_and_nothing_is_wrong(
    kind, runner, tmp_path, monkeypatch
):
    monkeypatch.setattr(running, "BATCH", 13)
    readings = readings_for(kind)
    it = runner(kind=kind)
    it.use_all()
    for place in range(0, len(readings), 50):
        append(it, readings[place : place + 50])
        it.deriving.step()  # one batch is used, its state not saved: then the power fails
        it = runner(kind=kind)
    it.use_all()
    assert it.made() == at_once(kind, tmp_path)
    assert it.health.state == "deriving"


@every_derivation
def test_what_is_made_again_is_the_same(kind, runner, tmp_path):
    it = runner(kind=kind)
    it.use_all()
    append(it, readings_for(kind))
    first = it.use_all().made()
    before = sum(1 for _ in read_all(tmp_path / "journal" / "log"))
    assert it.deriving.rewind(0) == before
    assert it.use_all().made() == first == at_once(kind, tmp_path)
    assert sum(1 for _ in read_all(tmp_path / "journal" / "log")) == before + len(first)


def test_a_replay_makes_only_what_is_of_its_time(runner):
    it = runner()
    it.use_all()
    append(it, house())
    first = it.use_all().made()
    since_ms = first[len(first) // 2].at_ms
    before = it.health.made
    it.deriving.rewind(since_ms)
    it.use_all()
    assert it.health.made - before == sum(each.at_ms >= since_ms for each in first)
    assert it.made() == first


def test_undated_readings_are_used_when_they_are_dated(runner, tmp_path):
    it = runner()
    it.use_all()
    readings = house()
    early = [
        Reading(each.kind, each.device, each.at_ms - BEGIN_MS, each.values) for each in readings
    ]
    it.journal.append([encode(each) for each in early], dated=False)
    assert it.use_all().made() == []
    it.journal.date_back(BEGIN_MS)
    assert it.use_all().made() == make("sum", tmp_path).derive(readings)


class Wrong(Sum):
    """A derivation that raises, until it is mended, or makes what it must not."""

    how: ClassVar[Any] = None

    def derive(self, readings):
        if Wrong.how:
            return Wrong.how()
        return super().derive(readings)


def raising():
    raise ZeroDivisionError("mended later")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (raising, "ZeroDivisionError: mended later"),
        (lambda: [Reading("electricity", "a", BEGIN_MS, {"voltage": 1.0})], "'electricity'"),
        (lambda: [Reading("sum", "it", BEGIN_MS, {"voltge": 1.0})], "voltge = 1"),
        (lambda: [Reading("sum", "it", BEGIN_MS, {"voltage": float("nan")})], "voltage = nan"),
        (lambda: [Reading("sum", "it", BEGIN_MS, {"voltage": 1e12})], "voltage = 1e+12"),
    ],
)
def test_one_that_does_wrong_stops_alone_and_goes_on_where_it_stopped(
    runner, tmp_path, caplog, how, words
):
    context = Context("home", Lines(), tmp_path, tmp_path)
    it = runner(lambda: Wrong("it", SumOptions(type="sum"), context))
    it.use_all()
    append(it, house())
    Wrong.how = how
    try:
        pauses_s = [it.deriving.step() for _ in range(4)]
    finally:
        Wrong.how = None
    assert pauses_s == [1, 2, 4, 8]
    assert it.health.state == "failed"
    assert words in it.health.last_error
    assert len([each for each in caplog.records if each.exc_info]) == 1
    assert it.made() == []
    assert it.use_all().made() == at_once("sum", tmp_path)
    assert (it.health.state, it.health.last_error) == ("deriving", "")


@pytest.mark.parametrize("damage", [b"", b"7 {}", b"\xff" * 40, b"123456 not json"])
def test_a_damaged_state_begins_anew_with_the_oldest_reading(runner, tmp_path, damage):
    it = runner()
    it.use_all()
    append(it, house())
    it.use_all()
    it.deriving.save()
    file = tmp_path / "derivations" / "it.json"
    assert running.read(file)
    file.write_bytes(damage)
    assert running.read(file) is None


def test_it_holds_back_what_it_has_not_used(runner):
    it = runner()
    it.use_all()
    append(it, house())
    assert it.journal.backlog(cursor_name("it")) == len(house())
    it.use_all()
    assert it.journal.backlog(cursor_name("it")) == 0


def test_many_readings_take_bounded_memory(runner):
    it = runner()
    it.use_all()
    line = encode(house()[0])
    for _ in range(4):
        it.journal.append([line] * 50_000)
    tracemalloc.start()
    while it.journal.backlog(cursor_name("it")):
        it.deriving.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000


# In a configuration


PACKAGE = """
from tests.contract.test_derivations import Sum

class Next(Sum):
    hears = frozenset({"sum"})
    makes = frozenset({"next"})

class Circle(Sum):
    hears = frozenset({"next"})
    makes = frozenset({"electricity"})

class Adder(Sum):
    def __init__(self, name, options, context):
        super().__init__(name, options, context)
        self.of = frozenset(options.of)
"""
POINTS = "[energy_monitor.derivations]\nsum = sums:Adder\nnext = sums:Next\ncircle = sums:Circle\n"


@pytest.fixture
def with_package(tmp_path, monkeypatch):
    """Install a package of derivations in a folder of the test's, also for programs it starts."""
    packages = tmp_path / "packages"
    about = packages / "sums-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sums\nVersion: 1\n")
    (about / "entry_points.txt").write_text(POINTS)
    (packages / "sums.py").write_text(PACKAGE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), str(Path.cwd())]))
    return packages


def derivations(text):
    return f"derivations:\n{text}"


@pytest.mark.usefixtures("with_package")
def test_a_circle_and_a_wrong_type_are_refused_with_their_lines(tmp_path):
    three = "  a: {type: sum}\n  b: {type: next}\n  c: {type: circle}\n"
    file = configure(tmp_path, "  h: {type: simulated}\n", extra=derivations(three))
    done = energy_monitor("check", "--config", file)
    assert done.returncode == 78
    assert "derivations hear each other in a circle: a → b → c → a" in done.stderr
    file = configure(tmp_path, "  h: {type: simulated}\n", extra=derivations("  a: {type: sun}\n"))
    done = energy_monitor("check", "--config", file)
    assert "no derivation named 'sun'; did you mean 'sum'?" in done.stderr
    file = configure(tmp_path, "  h: {type: simulated}\n", extra=derivations("  a: {type: sum}\n"))
    done = energy_monitor("check", "--config", file)
    assert done.returncode == 0, done.stderr
    assert "derivations: a" in done.stdout


@pytest.mark.usefixtures("with_package")
def test_the_service_derives_also_after_kill_9_and_status_and_replay_show_it(tmp_path):
    source = (
        "  a: {type: simulated, every: 100ms}\n  b: {type: simulated, part: fridge, every: 100ms}\n"
    )
    file = configure(tmp_path, source, extra=derivations("  both: {type: sum, of: [a, b]}\n"))

    def made(count):
        return lambda: ask(tmp_path)["derivations"]["both"]["made"] >= count

    for _ in range(3):
        with collector(file) as process:
            wait_for(made(3), "it derives")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    with collector(file):
        wait_for(made(3), "it derives")
        status = ask(tmp_path)["derivations"]["both"]
        assert status["state"] == "deriving"
        done = energy_monitor(
            "journal", "replay", "both", "--since", "2020-01-01", "--config", file
        )
        assert done.returncode == 0, done.stderr
        assert "readings are used again" in done.stdout
    lines = [line for _, line in read_all(tmp_path / "journal" / "log")]
    readings = [decode(line) for line in lines]
    powers = {
        (each.device, each.at_ms): each.values["active_power"]
        for each in readings
        if each.kind == "electricity"
    }
    sums = [each for each in readings if each.kind == "sum"]
    assert sums
    for each in sums:
        parts = powers["a", each.at_ms] + powers["b", each.at_ms]
        assert each.values["active_power"] == pytest.approx(parts, abs=1e-9)
