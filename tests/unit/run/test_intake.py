"""From sources into the journal: the grid, groups, silent sources, what cannot be true."""

import threading
from dataclasses import dataclass, field

import pytest

from collector.contract import BadOption, ReadGroup, SourceOptions
from collector.errors import DeviceSilent, LineAway, SecretMissing
from collector.journal.journal import Journal
from collector.journal.reader import read_all
from collector.reading import Reading, decode
from collector.run.feed import feed
from collector.run.health import SourceHealth
from collector.run.intake import Intake
from collector.run.now import Now
from collector.scalars import Seconds
from tests.fakes.time_machine import FakeClock, Turns

START_MS = 1_763_654_400_000


@dataclass
class Meter:
    """A source that the tests steer: *takes_ms* per read, or *fault* when there is one."""

    clock: FakeClock
    name: str = "mains"
    takes_ms: float = 200
    patience_s: float = 0.3
    fault: Exception | None = None
    quantities: tuple[str, ...] = ("voltage", "active_power", "active_energy")
    line: str = "bus"
    asked: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    opened: int = 0

    def open(self):
        self.opened += 1

    def read(self, at_ms, quantities):
        self.asked.append((at_ms, quantities))
        if self.fault:
            self.clock.pass_ms(self.patience_s * 1000)
            raise self.fault
        self.clock.pass_ms(self.takes_ms)
        values = {quantity: self.values.get(quantity, 1.0) for quantity in quantities}
        return [Reading("electricity", self.name, at_ms, values)]

    def journalled(self):
        pass

    def close(self):
        pass


def stumble(*_):
    raise KeyError("no such key")


@pytest.fixture
def clock():
    return FakeClock(wall_ms=START_MS + 300)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, "boot")
    journal.open()
    yield journal
    journal.close()


def feeds_of(*meters, **options):
    plain = SourceOptions(type="modbus", **options)
    return [feed(meter.name, meter, plain, SourceHealth()) for meter in meters]


def run(feeds, journal, clock, turns, now=None):
    Intake(feeds, journal, clock, threading.Lock(), now).run(Turns(turns))


def stored(journal):
    return [decode(line) for _, line in read_all(journal.folder / "log")]


def test_readings_carry_the_time_of_their_slot_on_the_full_second(clock, journal):
    meter = Meter(clock)
    run(feeds_of(meter), journal, clock, turns=10)
    times = [reading.at_ms for reading in stored(journal)]
    assert times[:3] == [START_MS + 1000, START_MS + 2000, START_MS + 3000]
    assert all(reading.device == "mains" for reading in stored(journal))


def test_late_work_skips_slots_counts_them_and_never_drifts(clock, journal):
    meter = Meter(clock, takes_ms=1300)
    feeds = feeds_of(meter)
    run(feeds, journal, clock, turns=8)
    times = [reading.at_ms for reading in stored(journal)]
    assert times[:3] == [START_MS + 1000, START_MS + 3000, START_MS + 5000]
    assert feeds[0].health.skipped == len(times)


def test_groups_are_read_at_intervals_of_their_own_in_one_reading(clock, journal):
    meter = Meter(clock)
    groups = (ReadGroup(quantities=("active_energy",), every=Seconds(5)),)
    run(feeds_of(meter, read=groups), journal, clock, turns=24)
    with_energy = [at for at, asked in meter.asked if "active_energy" in asked]
    assert [at % 5000 for at in with_energy] == [0] * len(with_energy)
    assert len(with_energy) >= 2
    assert all({"voltage", "active_power"} <= asked for _, asked in meter.asked)
    assert len({at for at, _ in meter.asked}) == len(meter.asked)


def test_only_the_wanted_quantities_are_read(clock, journal):
    meter = Meter(clock)
    run(feeds_of(meter, quantities=("active_*",)), journal, clock, turns=4)
    assert meter.asked[0][1] == {"active_power", "active_energy"}


def test_what_is_read_besides_is_left_out(clock, journal, monkeypatch):
    meter = Meter(clock)
    whole = meter.read
    monkeypatch.setattr(meter, "read", lambda at_ms, _: whole(at_ms, frozenset(meter.quantities)))
    groups = (ReadGroup(quantities=("active_energy",), every=Seconds(2)),)
    run(feeds_of(meter, quantities=("voltage", "active_energy"), read=groups), journal, clock, 4)
    read = [set(decode(line).values) for _, line in read_all(journal.folder / "log")]
    assert {"voltage"} in read
    assert {"voltage", "active_energy"} in read
    assert not [each for each in read if "active_power" in each]


def test_a_source_without_its_secret_is_silent_until_it_is_there(clock, journal, caplog):
    meter = Meter(clock, fault=SecretMissing("secret 'w' is not found"), takes_ms=1)
    (made,) = feeds_of(meter)
    run([made], journal, clock, 30)
    assert (made.health.state, made.health.last_error) == ("silent", "secret 'w' is not found")
    assert "mains: silent: secret 'w' is not found" in caplog.text
    assert "internal error" not in caplog.text
    meter.fault = None
    run([made], journal, clock, 60)
    assert made.health.state == "alive"


def test_a_quantity_is_stored_under_its_new_name(clock, journal):
    rename = {"active_power": "active_power_import"}
    run(feeds_of(Meter(clock), rename=rename), journal, clock, turns=4)
    assert set(stored(journal)[0].values) == {"voltage", "active_power_import", "active_energy"}


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        ({"quantities": ("activ_power",)}, "quantities", "did you mean 'active_power'"),
        ({"rename": {"voltage": "current"}}, "rename.voltage", "no quantity in V"),
        ({"rename": {"frequency": "current"}}, "rename.frequency", "not read by this source"),
        (
            {"rename": {"active_power": "voltage"}},
            "rename.active_power",
            "'voltage' is read as well",
        ),
        (
            {"rename": dict.fromkeys(("active_power", "reactive_power"), "active_power_import")},
            "rename.active_power",
            "the new name of two",
        ),
        (
            {
                "quantities": ("voltage",),
                "read": (ReadGroup(quantities=("active_*",), every=Seconds(9)),),
            },
            "read.0.quantities",
            "'active_power' is not among those that 'quantities' names",
        ),
    ],
)
def test_options_that_do_not_fit_the_source_are_refused(clock, options, place, message):
    with pytest.raises(BadOption, match=message) as caught:
        feeds_of(Meter(clock), **options)
    assert caught.value.option == place


def test_a_value_that_cannot_be_true_is_left_out_counted_and_shown(clock, journal):
    meter = Meter(clock, values={"active_power": 4.29e9})
    feeds = feeds_of(meter)
    run(feeds, journal, clock, turns=6)
    assert all("active_power" not in reading.values for reading in stored(journal))
    assert all("voltage" in reading.values for reading in stored(journal))
    assert feeds[0].health.out_of_range == feeds[0].health.reads
    assert feeds[0].health.last_out_of_range == "active_power = 4.29e+09 W"


def test_a_dead_meter_costs_its_neighbours_no_slot(clock, journal):
    one, dead, two = Meter(clock, "one"), Meter(clock, "dead"), Meter(clock, "two")
    dead.fault = DeviceSilent("no answer")
    feeds = feeds_of(one, dead, two)
    run(feeds, journal, clock, turns=250)
    health = {each.name: each.health for each in feeds}
    assert health["one"].skipped == health["two"].skipped == 0
    assert health["one"].reads == health["two"].reads > 60
    assert health["dead"].state == "silent"
    late_tries = [at for at, _ in dead.asked if at > START_MS + 60_000]
    assert len(late_tries) < 5


def test_a_silent_meter_is_asked_only_in_time_that_nobody_needs(clock, journal):
    busy = Meter(clock, "busy", takes_ms=850)
    dead = Meter(clock, "dead", fault=DeviceSilent("no answer"))
    feeds = feeds_of(busy, dead)
    run(feeds, journal, clock, turns=100)
    assert feeds[0].health.skipped == len(dead.asked) <= 2


def test_on_a_full_line_a_new_meter_is_asked_all_the_same(clock, journal):
    busy = Meter(clock, "busy", takes_ms=850)
    new = Meter(clock, "new")
    feeds = feeds_of(busy, new)
    run(feeds, journal, clock, turns=60)
    assert new.asked[0][0] <= START_MS + 12_000
    assert feeds[1].health.state == "alive"


@pytest.mark.parametrize("method", ["open", "read", "journalled"])
def test_an_error_that_nobody_foresaw_stops_the_source_alone(clock, journal, caplog, method):
    good, broken = Meter(clock, "good"), Meter(clock, "broken")
    feeds = feeds_of(good, broken)
    intake = Intake(feeds, journal, clock, threading.Lock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broken, method, stumble)
        patch.setattr(broken, "close", stumble)
        intake.run(Turns(200))
    assert feeds[0].health.state == "alive"
    assert feeds[0].health.failures == feeds[0].health.skipped == 0
    assert (feeds[1].health.state, feeds[1].health.last_error) == (
        "failed",
        "KeyError: 'no such key'",
    )
    assert 5 < feeds[1].health.failures < 15
    errors = [
        each for each in caplog.records if each.message.startswith("broken: internal error: ")
    ]
    assert len(errors) == 1
    assert errors[0].exc_info is not None
    intake.run(Turns(100))
    assert feeds[1].health.state == "alive"


@pytest.mark.parametrize(
    ("kind", "device", "quantity"),
    [
        ("host", "broken", "warp_factor"),
        ("host", "brokén", "voltage"),
        ("host", "in the cellar", "voltage"),
        ("host", "a,b=c", "voltage"),
        ("host", "=1+1", "voltage"),
        ("host", "d" * 201, "voltage"),
        ("../host", "broken", "voltage"),
    ],
)
def test_a_reading_that_cannot_be_journalled_stops_its_source_alone(
    clock, journal, monkeypatch, kind, device, quantity
):
    good, broken = Meter(clock, "good"), Meter(clock, "broken")
    feeds = feeds_of(good, broken)
    wrong = {quantity: 1.0}
    monkeypatch.setattr(broken, "read", lambda at, _: [Reading(kind, device, at, wrong)])
    run(feeds, journal, clock, turns=50)
    assert [each.health.state for each in feeds] == ["alive", "failed"]
    assert {reading.device for reading in stored(journal)} == {"good"}


def test_numbers_of_other_libraries_are_journalled_and_shown_as_plain_numbers(clock, journal):
    class Numpys(float):
        def __repr__(self):
            return f"np.float64({float(self)})"

    now = Now(clock)
    meter = Meter(clock, values={"voltage": Numpys(230.5), "active_power": True})
    run(feeds_of(meter), journal, clock, turns=3, now=now)
    values = {"voltage": 230.5, "active_power": 1.0, "active_energy": 1.0}
    assert stored(journal)[-1].values == values
    assert repr(dict(sorted(now.show()[0].values.items()))) == repr(dict(sorted(values.items())))


def test_a_meter_that_comes_back_is_read_again(clock, journal, caplog):
    meter = Meter(clock, fault=DeviceSilent("no answer in 0.3 s"))
    feeds = feeds_of(meter)
    intake = Intake(feeds, journal, clock, threading.Lock())
    with caplog.at_level("INFO"):
        intake.run(Turns(60))
        meter.fault = None
        intake.run(Turns(100))
    assert feeds[0].health.state == "alive"
    assert [each.message for each in caplog.records if "mains" in each.message] == [
        "mains: silent: no answer in 0.3 s",
        next(each.message for each in caplog.records if "answering again after" in each.message),
    ]


def test_a_line_that_went_away_is_opened_again(clock, journal):
    meter = Meter(clock, fault=LineAway("unplugged"))
    intake = Intake(feeds_of(meter), journal, clock, threading.Lock())
    intake.run(Turns(20))
    assert meter.opened > 1
    meter.fault = None
    intake.run(Turns(40))
    assert stored(journal)


def test_readings_of_a_clock_that_is_not_right_are_held_back_then_dated(journal):
    clock = FakeClock(trust="synchronised", wall_ms=1_000)
    clock.right = False
    meter = Meter(clock)
    intake = Intake(feeds_of(meter), journal, clock, threading.Lock())
    intake.run(Turns(20))
    assert stored(journal) == []
    held = journal.undated.next_number - 1
    assert held > 3
    clock.right = True
    clock.step(START_MS / 1000)
    journal.date_back(clock.frame().offset_ms)
    intake.run(Turns(20))
    times = [reading.at_ms for reading in stored(journal)]
    assert len(times) > held
    assert times[0] > START_MS
    assert times == sorted(times)
    assert max(times) <= clock.wall_ms()


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_a_step_of_the_clock_goes_on_at_once_on_the_new_full_second(clock, journal, step_s):
    meter = Meter(clock)
    feeds = feeds_of(meter)
    intake = Intake(feeds, journal, clock, threading.Lock())
    intake.run(Turns(12))
    before = stored(journal)
    clock.step(step_s)
    intake.run(Turns(12))
    times = [reading.at_ms for reading in stored(journal)][len(before) :]
    assert times
    assert abs(times[0] - before[-1].at_ms - step_s * 1000) <= 2000
    assert all(at % 1000 == 0 for at in times)
    assert stored(journal)[: len(before)] == before


def test_after_the_clock_was_set_back_the_newest_is_what_is_read_now(clock, journal):
    meter = Meter(clock)
    feeds = feeds_of(meter)
    intake = Intake(feeds, journal, clock, threading.Lock())
    intake.run(Turns(12))
    clock.step(-3600)
    intake.run(Turns(12))
    now_ms, health = clock.wall_ms(), feeds[0].health
    assert now_ms - 2000 < health.latest["mains"].at_ms <= now_ms
    assert now_ms - 2000 < health.last_ms <= now_ms


class Archive(Meter):
    """A source that tells of hours long ago, and asks whether that is kept."""

    kept: int = 0

    def read(self, at_ms, quantities):
        old = super().read(at_ms - 10 * 365 * 86_400_000, quantities)
        return old + super().read(at_ms - 86_400_000, quantities)[:1] + old[:1]

    def journalled(self):
        self.kept += 1


def test_what_was_measured_years_ago_makes_no_segment_old(clock, journal):
    archive = Archive(clock)
    (fed,) = feeds_of(archive)
    run([fed], journal, clock, turns=2)
    assert archive.kept == 1
    assert len(stored(journal)) == 3
    (segment,) = journal.log.segments
    assert segment.first_ms == START_MS + 1000
    assert fed.health.latest["mains"].at_ms == segment.first_ms - 86_400_000


def test_a_source_whose_readings_found_no_room_is_not_told_that_they_are_kept(
    clock, journal, monkeypatch
):
    archive = Archive(clock)
    monkeypatch.setattr(journal, "append", lambda *_, **__: False)
    run(feeds_of(archive), journal, clock, turns=2)
    assert archive.asked
    assert archive.kept == 0
