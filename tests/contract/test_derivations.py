"""What every derivation does: one suite over all entry points, and over small ones of the tests.

``OPTIONS`` has the options of each derivation of this project; a new one fails here until it has
some.
"""

import json
import random
import signal
import threading
import tomllib
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from collector import config
from collector.contract import Context, DerivationOptions, registry
from collector.contract.common import HouseFiles
from collector.contract.rolled import rolled
from collector.errors import ConfigFault
from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.quantity import catalogue
from collector.reading import Reading, decode, encode, kind_of
from collector.run import derivation as running_one
from collector.run import wiring
from collector.run.derivation import Deriving
from collector.run.health import DerivationHealth, resident_memory
from collector.scalars import Role
from tests.fakes import derivations as own
from tests.fakes.running import ask, collector, configure, energy_monitor, wait_for
from tests.fakes.time_machine import FakeClock

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = sorted(PROJECT["entry-points"].get("energy_monitor.derivations", {}))
OPTIONS: dict[str, dict[str, Any]] = {
    "battery_bank": {"device": "shed", "chemistry": "agm", "capacity": 100, "charged_time": "5s"},
    "heat_pump": {"device": "pump", "meter": "mains", "boundary": "H3"},
    "energy": {},
    "cost": {},
    "flows": {},
    "rollup": {},
    "alerts": {
        "quiet": "23:59-00:01",
        "rules": {
            "high": {"when": "*.active_power > 3 kW", "for": "2s", "clear_for": "3s"},
            "gone": {"when": "age of mains > 1min", "repeat": "20s", "unless": ["high"]},
            "fell": {"when": "*.active_energy falls", "urgent": True},
        },
    },
    "test_clockwork": {},
    "test_daily": {},
    "test_house": {"of": ["mains", "shed"]},
}
CLASSES = {"test_clockwork": own.Clockwork, "test_daily": own.Daily, "test_house": own.House}
KINDS = sorted({*OURS, *CLASSES})
EVERY_MS = 1_000
BEGAN_MS = 1_792_969_150_000  # 2026-10-25 23:59:10 in Rome: a day ends in these readings
NOWHERE = Path("/nowhere")
ROLES = {"mains": Role("grid"), "shed": Role("part of house")}
FILES = HouseFiles(Path(__file__).parent / "tariffs.yaml", NOWHERE / "ledger", NOWHERE / "holidays")
CONTEXT = Context(
    *("home", Lines(), NOWHERE, NOWHERE, ZoneInfo("Europe/Rome")), roles=ROLES, files=FILES
)


def class_of(kind):
    return CLASSES.get(kind) or registry.find("derivations", kind)


def test_every_derivation_of_the_project_is_looked_at():
    assert set(OURS) <= set(OPTIONS)


every_derivation = pytest.mark.parametrize("kind", KINDS)


def made_of(kind, name="it"):
    cls = class_of(kind)
    faults = Faults()
    node: Any = yaml.compose(yaml.safe_dump({"type": kind, **OPTIONS[kind]}))
    options = read_options(cls.Options, node, Place("c.yaml", ""), faults)
    assert faults.found == []
    return cls(name, options, CONTEXT)


MADE = frozenset().union(*(class_of(each).makes for each in KINDS))


def is_made(line):
    return kind_of(line) in MADE


def of_class(cls):
    return cls("it", DerivationOptions(type="test"), CONTEXT)


def two_meters(count, seed=1):
    """Return readings of two meters and our own, interleaved: late, twice, with a gap.

    A battery and a heat pump stand beside them, each with a reading every five slots.
    """
    chance = random.Random(seed)
    readings = []
    for number in range(count):
        at_ms = BEGAN_MS + EVERY_MS * (number + (120 if number > count * 2 // 3 else 0))
        energy = 1000.0 + number
        for device in ("mains", "shed"):
            values = {"active_power": float(chance.randrange(-500, 4000)), "active_energy": energy}
            readings.append(Reading("electricity", device, at_ms, values))
        if number % 5 == 0:
            readings += [battery(at_ms, chance), heat_pump(at_ms, number)]
        if number % 10 == 0:
            readings.append(Reading("collector", "collector", at_ms, {"journal_size": 1.0}))
        if number % 50 == 0:
            readings.append(market(number))
    for place in range(7, len(readings) - 40, 23):
        readings.insert(place + chance.randrange(40), readings.pop(place))
    for place in range(5, len(readings), 31):
        readings.insert(place, readings[chance.randrange(place)])
    return readings


def battery(at_ms, chance):
    """Return a reading of a battery that is full now and then."""
    current = chance.choice([2.0, 1.5, -7.3])
    values = {"battery_current": current, "battery_voltage": 13.8, "state_of_charge": 71.0}
    return Reading("battery", "shed", at_ms, values)


def market(number):
    """Return the price of a quarter of an hour; the first ones are corrected later."""
    quarter_ms = BEGAN_MS // 900_000 * 900_000 + number % 150 // 50 * 900_000
    values = {"price": 0.1 + number / 1000, "price_length": 900.0, "currency": 978.0}
    return Reading("price", "spot", quarter_ms, values)


def heat_pump(at_ms, number):
    """Return a reading of a heat pump that runs, defrosts and rests in turn."""
    mode = (0.0, 0.0, 4.0, 1.0, 5.0)[number // 30 % 5]
    values = {
        "heat_power": 4123.0,
        "heat_energy": 100.0 * (number // 20),
        "operating_mode": mode,
        "compressor1_on": float(mode != 5.0),
        "outside_temperature": 3.7 + number % 7,
    }
    return Reading("heatpump", "pump", at_ms, values)


def first_time(kind, readings):
    """Return the lines that a derivation makes of *readings* one by one, without a journal."""
    it, lines = made_of(kind), []
    for reading in readings:
        lines += [encode(each) for each in it.derive([reading])]
        if reading.device == "collector" and hasattr(it, "tick"):
            lines += [encode(each) for each in it.tick(reading.at_ms)]
    return lines


class House:
    """A journal with one derivation on it, that can be killed and started again."""

    def __init__(self, folder, kind):
        self.folder = folder
        self.clock = FakeClock()
        self.make = lambda: made_of(kind)
        self.health = DerivationHealth()
        self.start()

    def start(self):
        self.journal = Journal(self.folder, "boot", [], ["it"])
        self.journal.log.segment_bytes = 20_000
        self.journal.open()
        if self.journal.snapshots["it"].is_new:
            self.journal.snapshots["it"].begin(1, 0)
        self.deriving = Deriving(
            "it",
            lambda: self.make(),  # noqa: PLW0108  tests change it
            self.journal,
            self.clock,
            self.health,
            threading.Lock(),
        )

    def add(self, readings):
        if readings:
            self.journal.append([encode(each) for each in readings])

    def derive(self):
        while self.deriving.derive_once() == 0:
            pass

    def snapshot(self):
        self.clock.pass_ms(running_one.SNAPSHOT_EVERY_MS + 1)
        self.journal.sync()
        self.derive()
        self.journal.sync()
        self.derive()

    def kill(self):
        self.journal.close()
        self.start()

    def restart(self):
        self.deriving.end()
        self.kill()

    @property
    def made(self):
        return [line for line in self.lines if is_made(line)]

    @property
    def lines(self):
        return [line for _, line in read_all(self.folder / "log")]


@pytest.fixture
def house(tmp_path):
    made: list[House] = []

    def build(kind):
        made.append(House(tmp_path / str(len(made)), kind))
        return made[-1]

    yield build
    for each in made:
        each.journal.close()


# What they are asked for, and what they announce


@every_derivation
def test_options_are_those_of_every_derivation_each_with_help_and_example(kind):
    cls = class_of(kind).Options
    assert issubclass(cls, DerivationOptions)
    for each in fields(cls):
        assert each.metadata["help"], each.name


@every_derivation
def test_what_it_makes_was_announced_and_is_finite_and_in_the_catalogue(kind):
    it = made_of(kind)
    assert not it.hears & it.makes
    assert set(it.quantities) <= catalogue().keys() | rolled().keys()
    for line in first_time(kind, two_meters(100)):
        reading = decode(line)
        assert reading.kind in it.makes
        assert set(reading.values) <= set(it.quantities)


# The same readings, however they come


@every_derivation
def test_one_batch_or_reading_by_reading_is_the_same(kind, house):
    readings = two_meters(300)
    wanted = first_time(kind, readings)
    whole, single = house(kind), house(kind)
    whole.add(readings)
    whole.derive()
    for reading in readings:
        single.add([reading])
        single.derive()
    assert whole.made == single.made == wanted
    assert wanted


@every_derivation
def test_a_state_is_restored_as_it_was(kind):
    readings = two_meters(200)
    before, after = made_of(kind), made_of(kind)
    before.derive(readings[:200])
    after.restore(yaml.safe_load(json.dumps(before.state(), allow_nan=False)))
    assert after.derive(readings[200:]) == before.derive(readings[200:])


@pytest.mark.parametrize("end", ["kill", "restart"])
@every_derivation
def test_ended_at_every_point_nothing_is_missing_and_nothing_is_there_twice(kind, end, house):
    readings = two_meters(30)
    wanted = first_time(kind, readings)
    for place in range(len(readings)):
        it = house(kind)
        it.add(readings[: place // 2])
        it.derive()
        it.snapshot()
        it.add(readings[place // 2 : place])
        it.derive()
        getattr(it, end)()
        it.add(readings[place:])
        it.derive()
        assert it.made == wanted, place


STEPS = st.sampled_from(["derive", "kill", "restart", "snapshot", "kill"])
PLANS = st.lists(st.tuples(st.integers(0, 40), st.lists(STEPS, max_size=4)), max_size=12)


@every_derivation
@given(seed=st.integers(0, 3), plan=PLANS)
@how(max_examples=60)
def test_any_schedule_of_batches_and_ends_is_the_same(kind, seed, plan):
    left = readings = two_meters(60, seed=seed)
    with TemporaryDirectory() as folder:
        it = House(Path(folder), kind)
        for count, steps in [*plan, (len(readings), ["derive"])]:
            it.add(left[:count])
            left = left[count:]
            for what in steps:
                getattr(it, what)()
        assert sorted(it.made) == sorted(first_time(kind, readings))
        it.journal.close()


@every_derivation
def test_a_replay_makes_the_same_readings_and_stores_none_twice(kind, house):
    readings = two_meters(3000)
    it = house(kind)
    for first in range(0, len(readings), 500):
        it.add(readings[first : first + 500])
        it.derive()
        it.snapshot()
    wanted = it.made
    since_ms = it.journal.log.segments[3].first_ms
    assert it.journal.rewind_derivation("it", since_ms) > 1000
    it.derive()
    assert it.made == wanted
    assert it.health.number == it.journal.log.next_number


def test_a_replay_with_the_made_readings_gone_makes_the_same_set(house):
    readings = two_meters(500)
    it, again = house("test_daily"), house("test_daily")
    it.add(readings)
    it.derive()
    again.add([each for each in map(decode, it.lines) if not is_made(encode(each))])
    again.derive()
    assert set(again.made) == set(it.made)


def test_a_replay_stores_what_comes_out_differently(house):
    it = house("test_daily")
    it.add(two_meters(400))
    it.derive()
    before = it.made

    class Mended(own.Daily):
        def derive(self, readings):
            made = super().derive(readings)
            return [
                Reading(each.kind, each.device, each.at_ms, {"active_energy": 77.0})
                if each.at_ms == BEGAN_MS + 50_000
                else each
                for each in made
            ]

    it.make = lambda: of_class(Mended)
    it.journal.rewind_derivation("it", 0)
    it.derive()
    assert it.made[: len(before)] == before
    new = [decode(line) for line in it.made[len(before) :]]
    assert {each.at_ms for each in new} == {BEGAN_MS + 50_000}
    assert len(new) == 2


# What it hears


def test_it_never_hears_itself_nor_kinds_that_it_does_not_name(house):
    heard = []

    class Listening(own.Daily):
        def derive(self, readings):
            heard.extend(readings)
            return super().derive(readings)

    it = house("test_daily")
    it.make = lambda: of_class(Listening)
    for number, kind in enumerate(["electricity", "daily", "sum", "battery", "electricity"], 1):
        it.add([Reading(kind, "mains", number * 1000, {"active_power": 1.0})])
    it.derive()
    it.derive()
    assert [each.kind for each in heard] == ["electricity", "sum", "electricity"]


@pytest.mark.parametrize("ends", [0, 5])
def test_in_a_chain_the_later_hears_each_reading_of_the_former_once(ends, tmp_path):
    readings = two_meters(200)
    lock, clock, names = threading.Lock(), FakeClock(), {"it": "test_house", "day": "test_daily"}

    def start():
        journal = Journal(tmp_path, "boot", [], list(names))
        journal.open()
        both = []
        for name, kind in names.items():
            if journal.snapshots[name].is_new:
                journal.snapshots[name].begin(1, 0)
            make = partial(made_of, kind, name)
            both.append(Deriving(name, make, journal, clock, DerivationHealth(), lock))
        return journal, both

    journal, both = start()
    for place, reading in enumerate(readings):
        journal.append([encode(reading)])
        for each in both:
            each.derive_once()
        if ends and place % (len(readings) // ends) == 7:
            journal.close()
            journal, both = start()
    for _ in range(2):
        for each in both:
            each.derive_once()
    journal.close()
    lines = [line for _, line in read_all(tmp_path / "log")]
    sums = [line for line in lines if kind_of(line) == "sum"]
    days = [line for line in lines if kind_of(line) == "daily"]
    assert sums == first_time("test_house", readings)
    heard = [decode(line) for line in lines if kind_of(line) in own.Daily.hears]
    assert days == [encode(each) for each in made_of("test_daily", "day").derive(heard)]
    assert any(b"device=day.it" in line for line in days)


OUTPUT = (
    "  history: {type: influxdb, url: http://127.0.0.1:9, org: o, bucket: b, token: !secret t}\n"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a: {type: test_house, of: [b]}\n  b: {type: test_daily}\n  c: {type: test_circle}",
            "derivations hear each other in a circle: a → b → c → a",
        ),
        ("a: {type: test_daily, since: soon}", "'soon' is not accepted"),
        ("a: {type: test_dayly}", "no derivation named 'test_dayly'"),
        ("a: {type: test_daily, snice: 7d}", "unknown option; did you mean 'since'"),
        ("history: {type: test_daily}", "is also the name of an output"),
        ("a: {type: test_wrong}", "'nonsense', which is not in the catalogue"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_line(text, sentence, tmp_path, monkeypatch):
    class Wrong(own.Daily):
        quantities = ("nonsense",)

    class Circle(own.Daily):
        hears = frozenset({"daily"})
        makes = frozenset({"electricity"})

    classes = {**CLASSES, "test_wrong": Wrong, "test_circle": Circle}
    find, names = registry.find, registry.names

    def finding(group, name):
        if group == "derivations" and name in classes:
            return classes[name]
        return find(group, name)

    monkeypatch.setattr(registry, "find", finding)
    monkeypatch.setattr(wiring, "find", finding)
    monkeypatch.setattr(registry, "names", lambda group: [*names(group), *classes])
    mains, extra = "  mains: {type: simulated}\n", f"derivations:\n  {text}\n"
    file = configure(tmp_path, mains, OUTPUT, extra=extra)
    with pytest.raises(ConfigFault) as refused:
        wiring.check(config.load(file))
    assert sentence in str(refused.value)
    assert all(each.line for each in refused.value.faults)


# What goes wrong


@pytest.mark.parametrize(
    ("reading", "sentence"),
    [
        (Reading("weather", "it", 1, {"active_energy": 1.0}), "of the kind 'weather'"),
        (Reading("daily", "it", 1, {"voltage": 1.0}), "made the quantity 'voltage'"),
        (Reading("daily", "it", 1, {"active_energy": float("nan")}), "is nan"),
        (Reading("daily", "it.a b", 1, {"active_energy": 1.0}), "is not the name of a device"),
        (Reading("daily", "it", -5, {"active_energy": 1.0}), "it made a reading of the time -5"),
    ],
)
def test_what_it_may_not_make_stops_it_and_is_not_stored(reading, sentence, house):
    class Wrong(own.Daily):
        def derive(self, readings):
            return [reading] if readings else []

    it = house("test_daily")
    it.make = lambda: of_class(Wrong)
    it.add(two_meters(3))
    it.derive()
    assert it.health.state == "failed"
    assert sentence in it.health.last_error
    assert it.made == []


def test_an_error_pauses_ever_longer_is_logged_once_and_nothing_is_missing_after(house, caplog):
    readings = two_meters(300)
    it = house("test_daily")
    poison = readings[200]

    class Poisoned(own.Daily):
        def derive(self, heard):
            if any(each.at_ms >= poison.at_ms for each in heard):
                raise KeyError("poison")
            return super().derive(heard)

    it.make = lambda: of_class(Poisoned)
    for each in readings:
        it.add([each])
        it.deriving.derive_once()
    pauses = [it.deriving.derive_once() for _ in range(3)]
    assert it.health.state == "failed"
    assert it.health.last_error == "KeyError: 'poison'"
    assert pauses[-1] == running_one.LONGEST_PAUSE_S
    traces = [each for each in caplog.records if each.exc_info]
    assert 1 <= len(traces) <= running_one.MOST_ASIDE + 1  # one each time that it fails anew
    assert caplog.text.count("does not hear from now on") == running_one.MOST_ASIDE
    it.make = lambda: made_of("test_daily")
    it.kill()  # for another release
    it.derive()
    assert it.health.state == "deriving"
    assert sorted(it.made) == sorted(first_time("test_daily", readings))


def test_a_reading_that_it_fails_on_is_set_aside_and_the_rest_goes_on(house, caplog):
    readings = two_meters(300)
    it = house("test_daily")
    heard = [each for each in readings if each.kind == "electricity"]
    poisons = [heard[30], heard[150]]

    class Poisoned(own.Daily):
        def derive(self, readings):
            if any(each in readings for each in poisons):
                raise KeyError("poison")
            return super().derive(readings)

    it.make = lambda: of_class(Poisoned)
    for end in ("restart", "kill"):
        it.add(readings if end == "restart" else [])
        tries = [it.deriving.derive_once() for _ in range(running_one.TRIES + 8)]
        assert tries[-1] == running_one.LOOK_EVERY_S
        assert it.health.state == "deriving"
        getattr(it, end)()
    rest = [each for each in readings if each not in poisons]
    assert sorted(it.made) == sorted(first_time("test_daily", rest))
    said = [each.getMessage() for each in caplog.records if "does not hear" in each.getMessage()]
    assert len(said) >= 2
    assert "electricity,device=" in said[0]
    assert "KeyError: 'poison'" in said[0]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), OSError(5, "I/O error")])
def test_a_disk_that_takes_nothing_makes_it_wait_and_costs_nothing(fault, house, monkeypatch):
    readings = two_meters(200)
    it = house("test_daily")
    it.add(readings)
    append = it.journal.log.append

    def refuse(*_):
        raise fault

    monkeypatch.setattr(it.journal.log, "append", refuse)
    it.deriving.derive_once()
    assert it.deriving.derive_once() > 0
    assert it.health.state == "waiting"
    monkeypatch.setattr(it.journal.log, "append", append)
    it.derive()
    assert it.made == first_time("test_daily", readings)
    assert not it.journal.losses.ever


def test_what_cannot_be_true_is_left_out(house):
    class Hot(own.Daily):
        def derive(self, readings):
            values = {"active_energy": float("inf")}
            return [Reading("daily", "it", each.at_ms, values) for each in readings]

    it = house("test_daily")
    it.make = lambda: of_class(Hot)
    it.add(two_meters(3))
    it.derive()
    assert (it.made, it.health.state) == ([], "deriving")


def test_a_damaged_snapshot_costs_nothing(house):
    readings = two_meters(300)
    it = house("test_daily")
    for first in range(0, len(readings), 100):
        it.add(readings[first : first + 100])
        it.derive()
        it.snapshot()
    for path in it.journal.snapshots["it"].paths()[-1:]:
        path.write_bytes(path.read_bytes()[:-20])
    it.kill()
    it.derive()
    assert it.made == first_time("test_daily", readings)


def test_without_any_snapshot_or_with_one_of_another_form_it_begins_again(house):
    readings = two_meters(300)
    it = house("test_daily")
    it.add(readings)
    it.derive()
    it.deriving.derivation.devices = ["of another release"]
    it.restart()
    it.derive()
    assert it.health.state == "deriving"
    for path in it.journal.snapshots["it"].paths():
        path.unlink()
    it.kill()
    it.derive()
    assert sorted(it.made) == sorted(first_time("test_daily", readings))


def test_a_snapshot_is_written_only_when_what_it_rests_on_is_on_the_disk(house):
    it = house("test_daily")
    it.add(two_meters(20))
    it.derive()
    it.clock.pass_ms(running_one.SNAPSHOT_EVERY_MS + 1)
    it.derive()
    assert it.journal.snapshots["it"].current.number == 1
    it.journal.sync()
    it.derive()
    assert it.journal.snapshots["it"].current.number > 1


def test_a_power_cut_that_takes_the_end_of_the_journal_leaves_no_reading_out(house):
    readings = two_meters(100)
    it = house("test_daily")
    it.journal.log.segment_bytes = 1 << 20
    it.add(readings[:100])
    it.derive()
    it.journal.sync()
    (log,) = (it.folder / "log").glob("*.log")
    on_disk = log.stat().st_size
    it.add(readings[100:150])
    it.derive()
    it.clock.pass_ms(running_one.SNAPSHOT_EVERY_MS + 1)
    it.add(readings[150:160])
    it.derive()
    it.kill()
    it.journal.close()
    with log.open("r+b") as file:
        file.truncate(on_disk)
    it.start()
    it.add(readings[160:])
    it.derive()
    assert it.made == first_time("test_daily", readings[:100] + readings[160:])


def test_undated_readings_are_derived_when_they_are_dated(house):
    it = house("test_daily")
    readings = two_meters(20)
    undated = [
        Reading(each.kind, each.device, each.at_ms - BEGAN_MS, each.values) for each in readings
    ]
    it.journal.append([encode(each) for each in undated], dated=False)
    it.derive()
    assert it.made == []
    it.journal.date_back(BEGAN_MS)
    it.derive()
    assert it.made == first_time("test_daily", readings)


@pytest.mark.slow
def test_a_million_readings_take_no_memory(house):
    it = house("test_daily")
    it.journal.log.segment_bytes = 1 << 20
    power = {"active_power": 230.0}
    made = 0
    for first in range(0, 1_000_000, 10_000):
        times = range(BEGAN_MS + first * 1000, BEGAN_MS + (first + 10_000) * 1000, 1000)
        it.add([Reading("electricity", "mains", at_ms, power) for at_ms in times])
        it.derive()
        if first == 100_000:
            before = resident_memory()
        made += 10_000
    assert it.health.made == made
    assert resident_memory() - before < 20e6
    assert len(it.journal.snapshots["it"].current.state) < 1000


# In a real service


SIMULATED = "  mains: {type: simulated, every: 100ms}\n"
DAY = "derivations:\n  day: {type: test_daily}\n"


def derived(folder):
    return [line for _, line in read_all(folder / "journal" / "log") if line.startswith(b"daily,")]


def test_killed_and_started_again_the_service_makes_what_it_would_have_made(tmp_path):
    environment = own.installed(tmp_path, test_daily="tests.fakes.derivations:Daily")
    file = configure(tmp_path, SIMULATED, extra=DAY)
    for number in range(3):
        with collector(file, **environment) as process:
            wait_for(lambda: ask(tmp_path)["derivations"]["day"]["made"] > 5, "it derives")
            if number < 2:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
            else:
                replay = ("journal", "replay", "day", "--since", "2020-01-01", "--config", file)
                done = energy_monitor(*replay, env=environment)
                assert "readings are used again" in done.stdout, done.stderr
                wait_for(lambda: ask(tmp_path)["derivations"]["day"]["backlog"] < 100, "it is done")
    heard = [
        decode(line)
        for _, line in read_all(tmp_path / "journal" / "log")
        if line.startswith(b"electricity,")
    ]
    it = made_of_utc(heard)
    lines = derived(tmp_path)
    assert len(lines) == len(set(lines)) > 15
    assert set(lines) <= set(it)
    assert len(set(it) - set(lines)) < 20  # what came while it stopped


def made_of_utc(readings):
    it = own.Daily("day", DerivationOptions(type="x"), Context("", Lines(), Path(), Path()))
    return [encode(each) for each in it.derive(readings)]


def test_a_derivation_that_raises_stops_alone(tmp_path):
    module = (
        "from tests.fakes.derivations import Daily\n"
        "class Broken(Daily):\n"
        "    def derive(self, readings):\n"
        "        raise RuntimeError('broken for good')\n"
    )
    environment = own.installed(
        tmp_path,
        module,
        test_daily="tests.fakes.derivations:Daily",
        broken="energy_monitor_example:Broken",
    )
    file = configure(tmp_path, SIMULATED, extra=f"{DAY}  bad: {{type: broken}}\n")
    with collector(file, **environment):
        status = wait_for(lambda: failed(ask(tmp_path)), "it fails")
        assert status["derivations"]["bad"]["last_error"] == "RuntimeError: broken for good"
        assert (
            "derivation bad failed, an internal error: RuntimeError: broken for good"
            in status["problems"]
        )
        made = status["derivations"]["day"]["made"]
        wait_for(lambda: ask(tmp_path)["derivations"]["day"]["made"] > made + 5, "others go on")
        shown = energy_monitor("status", "--config", file, env=environment).stdout
        assert "derivation bad failed" in shown


def failed(status):
    return status if status["derivations"]["bad"]["state"] == "failed" else None


def test_a_day_begins_at_midnight_of_the_house():
    midnight_ms = int(datetime(2026, 10, 25, 23, tzinfo=UTC).timestamp() * 1000)
    lines = first_time("test_daily", two_meters(100))
    energies = {decode(line).at_ms: decode(line).values["active_energy"] for line in lines}
    assert energies[midnight_ms - 1000] > energies[midnight_ms]
