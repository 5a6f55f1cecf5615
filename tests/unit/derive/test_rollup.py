"""Roll-ups: minutes, hours and days against what the readings say, however they arrive."""

import json
import random
from datetime import datetime
from math import fsum
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.contract import BadOption, Context
from collector.contract.metric_names import metrics
from collector.contract.rolled import is_rolled, is_rolled_line, rolled
from collector.derive.rollup.derivation import KINDS, MOST_VALUES, Rollup, RollupOptions
from collector.lines.serial import Lines
from collector.outputs.mqtt.mapping import entity
from collector.quantity import catalogue
from collector.reading import Reading, encode

BEGIN_MS = 1_792_879_200_000  # 2026-10-25 00:00 in Rome: a day of 25 hours
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
ROME = ZoneInfo("Europe/Rome")


def rollup(zone=ROME, **options):
    context = Context("home", Lines(), Path("/nowhere"), Path("/nowhere"), zone)
    return Rollup("rollup", RollupOptions(type="rollup", **options), context)


def power(at_s, value, device="mains", **more):
    values = {"active_power": float(value), **more}
    return Reading("electricity", device, BEGIN_MS + round(at_s * 1000), values)


def energy(at_s, value, name="active_energy_import"):
    return Reading("energy", "mains", BEGIN_MS + round(at_s * 1000), {name: value})


def of(made, kind, begin_s=None):
    """Return the newest values of each period of a kind, as an output that replaces has them."""
    found = {each.at_ms: each.values for each in made if each.kind == kind}
    return found if begin_s is None else found[BEGIN_MS + begin_s * 1000]


def test_a_minute_has_mean_lowest_highest_and_last_and_the_time_of_its_begin():
    made = rollup().derive([power(at, value) for at, value in ((0, 3), (20, 1), (40, 5), (60, 9))])
    (minute,) = made
    assert (minute.kind, minute.device, minute.at_ms) == ("electricity_1m", "mains", BEGIN_MS)
    assert minute.values == {
        "active_power_mean": 3.0,
        "active_power_lowest": 1.0,
        "active_power_highest": 5.0,
        "active_power_last": 5.0,
    }


def test_a_late_reading_corrects_its_minute_and_one_that_comes_twice_does_not_count():
    it = rollup()
    made = it.derive([power(0, 1), power(40, 5), power(61, 9), power(20, 3), power(20, 3)])
    assert of(made, "electricity_1m", 0)["active_power_mean"] == 3.0
    made = it.derive([power(91, 9)])
    assert of(made, "electricity_1m", 0)["active_power_mean"] == 3.0
    assert it.derive([power(30, 100), power(92, 1)]) == []  # more than half a minute late


def test_a_late_reading_is_in_the_minute_that_is_given_out_again():
    it = rollup()
    first = it.derive([power(0, 1), power(61, 9)])
    assert of(first, "electricity_1m", 0)["active_power_mean"] == 1.0
    again = it.derive([power(30, 3), power(91, 9)])
    assert of(again, "electricity_1m", 0)["active_power_mean"] == 2.0


def random_day(seed, hours=27):
    chance = random.Random(seed)
    readings = []
    for at in range(0, hours * 3600, 10):
        if 7200 < at < 9000:
            continue  # nobody reads for half an hour
        readings.append(power(at, chance.uniform(-500, 4000), voltage=chance.uniform(220, 240)))
    return readings


def test_hours_and_local_days_are_those_of_the_readings():
    readings = random_day(1)
    made = rollup().derive(readings)
    for kind, length in (("electricity_1h", HOUR_MS), ("electricity_1d", 25 * HOUR_MS)):
        found = of(made, kind)
        assert len(found) == (26 if length == HOUR_MS else 1)
        for begin, values in found.items():
            mine = [
                each.values["active_power"]
                for each in readings
                if begin <= each.at_ms < begin + length
            ]
            assert values["active_power_mean"] == pytest.approx(fsum(mine) / len(mine), rel=1e-9)
            assert values["active_power_lowest"] == min(mine)
            assert values["active_power_highest"] == max(mine)
            assert values["active_power_last"] == mine[-1]


def test_hours_of_a_zone_that_is_off_by_half_an_hour_begin_with_its_clock():
    it = rollup(ZoneInfo("Asia/Kolkata"))
    made = it.derive([power(at, 1) for at in range(0, 3 * 3600, 10)])
    begins = [
        datetime.fromtimestamp(at / 1000, it.calendar.zone) for at in of(made, "electricity_1h")
    ]
    assert {each.minute for each in begins} == {0}


@pytest.mark.parametrize("seed", range(3))
def test_cut_anywhere_and_restored_it_is_the_same_to_the_last_digit(seed):
    chance = random.Random(seed)
    readings = random_day(seed, 6)
    for at in range(6 * 60):
        readings.append(energy(at * 60, at / 7))
    readings.sort(key=lambda each: each.at_ms + chance.randrange(20_000))
    whole = rollup().derive(readings)
    it, made, at = rollup(), [], 0
    while at < len(readings):
        until = at + chance.randrange(1, 200)
        made += it.derive(readings[at:until])
        state = json.loads(json.dumps(it.state()))
        it = rollup()
        it.restore(state)
        at = until
    assert list(map(encode, made)) == list(map(encode, whole))


def test_counters_rise_by_what_the_energies_say_and_never_by_a_raw_counter():
    it = rollup()
    made = []
    for minute in range(26 * 60 + 1):
        raw = 0.0 if minute == 100 else 1000.0 + minute
        made += it.derive([power(minute * 60, 1, active_energy_import=raw)])
        made += it.derive([energy(minute * 60, minute / 10)])
    of_raw = [each for each in made if each.kind.startswith("electricity")]
    assert not any("energy" in name for each in of_raw for name in each.values)
    minutes, hours, days = (of(made, f"energy_{each}") for each in ("1m", "1h", "1d"))
    assert {each["active_energy_import_used"] for each in minutes.values()} == {0.1}
    assert {each["active_energy_import_used"] for each in hours.values()} == {6.0}
    assert days[BEGIN_MS] == {"active_energy_import_used": 150.0}
    assert len(hours) == 26


def test_what_a_gap_cost_is_of_the_period_that_holds_it():
    made = rollup().derive(
        [
            energy(0, 0.0),
            energy(1800, 1.0),
            energy(3000, 3.0),
            energy(9000, 10.0),
            energy(90_000, 11.0),
        ]
    )
    assert of(made, "energy_1m") == {}
    assert of(made, "energy_1h") == {BEGIN_MS: {"active_energy_import_used": 3.0}}
    assert of(made, "energy_1d") == {BEGIN_MS: {"active_energy_import_used": 11.0}}


def test_close_readings_across_a_boundary_are_shared_by_time():
    made = rollup().derive([energy(50, 0.0), energy(80, 3.0), energy(120, 3.0)])
    used = [each["active_energy_import_used"] for each in of(made, "energy_1m").values()]
    assert used == [1.0, 2.0]


def test_a_device_that_falls_silent_ends_its_minute_hour_and_day():
    it = rollup()
    it.derive([power(at, 2) for at in range(0, 100, 10)])
    assert it.tick(BEGIN_MS + 300_000) == []
    made = it.tick(BEGIN_MS + 120_000 + 600_000)
    assert list(of(made, "electricity_1m")) == [BEGIN_MS + MINUTE_MS]
    made = [each for at in range(10, 27 * 360) for each in it.tick(BEGIN_MS + at * 10_000)]
    assert list(of(made, "electricity_1h")) == list(of(made, "electricity_1d")) == [BEGIN_MS]
    assert len([each for each in made if each.kind != "electricity_1m"]) == 2


def test_readings_that_a_broker_held_back_correct_the_hour_that_was_given_out():
    it = rollup()
    it.derive([power(at, 2) for at in range(0, 1800, 10)])
    early = it.tick(BEGIN_MS + 2 * HOUR_MS)
    assert of(early, "electricity_1h", 0)["active_power_mean"] == 2.0
    it.derive([power(at, 4) for at in range(1800, 3600, 10)])
    again = it.tick(BEGIN_MS + 2 * HOUR_MS + 10_000)
    assert of(again, "electricity_1h", 0)["active_power_mean"] == 3.0


def test_a_time_that_is_still_to_come_is_forgotten():
    it = rollup()
    it.derive([power(1e7, 1), energy(1e7, 5.0)])
    it.tick(BEGIN_MS)
    made = it.derive([power(0, 1), power(61, 1), energy(0, 1.0), energy(60, 2.0)])
    assert len(made) == 2


def test_its_state_is_bounded_and_the_first_that_is_too_much_is_told_once(caplog):
    it = rollup()
    names = [each.name for each in catalogue().values() if each.kind == "gauge"][:40]
    devices = MOST_VALUES // len(names) + 20
    for at in range(150):
        for device in range(devices):
            values = dict.fromkeys(names, 229.123456)
            it.derive([Reading("electricity", f"d{device}", BEGIN_MS + at * 1000, values)])
    assert len(it.devices) == MOST_VALUES // len(names)
    assert len(json.dumps(it.state())) < 1_000_000
    assert len(caplog.records) == 1


def test_it_cannot_hear_what_it_makes():
    with pytest.raises(BadOption, match="makes itself"):
        rollup(kinds=("electricity", "electricity_1m"))


def test_what_is_rolled_up_is_named_like_nothing_else_and_is_no_value_of_now():
    assert not rolled().keys() & catalogue().keys()
    assert not rolled().keys() & metrics().keys()
    assert all(entity(name) is None for name in rolled())
    assert rolled()["voltage_mean"].unit == "V"
    assert not any(map(is_rolled, KINDS))
    assert is_rolled("energy_1d")
    assert is_rolled_line(b"energy_1d,device=a x=1.0 1")
    assert not is_rolled_line(b"energy,device=a_1d x=1.0 1")


def test_flows_of_energy_are_rolled_up_by_hour_and_day():
    it = rollup()
    readings = [
        Reading(
            "flows_energy", "home", BEGIN_MS + quarter * 900_000, {"house_energy": 100.0 * quarter}
        )
        for quarter in range(101)
    ]
    made = it.derive(readings)
    hours = [each for each in made if each.kind == "flows_energy_1h"]
    assert [each.values for each in hours] == [{"house_energy_used": 400.0}] * 25
    assert [each.values for each in made if each.kind == "flows_energy_1d"] == [
        {"house_energy_used": 10_000.0}
    ]
    assert {each.kind for each in made} == {"flows_energy_1h", "flows_energy_1d"}
