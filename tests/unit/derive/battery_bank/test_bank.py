"""A bank is counted as Victron's manuals say, with the numbers of its example."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from collector.contract import BadOption, Context
from collector.derive.battery_bank.bank import BatteryBank
from collector.derive.battery_bank.options import BatteryBankOptions
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.reading import Reading

CONTEXT = Context("home", Lines(), Path(), Path(), ZoneInfo("Europe/Rome"))
VICTRON = {
    "type": "battery_bank",
    "device": "bmv",
    "chemistry": "flooded",
    "capacity_table": [{"hours": 5, "capacity": 75}, {"hours": 20, "capacity": 100}],
}
SIMPLE = {key: value for key, value in VICTRON.items() if key != "capacity_table"}
REST = [{"voltage": 11.7, "state_of_charge": 0}, {"voltage": 12.7, "state_of_charge": 100}]
BEGAN_MS = 1_792_969_150_000


def options_of(given):
    faults = Faults()
    node: Any = yaml.compose(yaml.safe_dump(given))
    options = read_options(BatteryBankOptions, node, Place("c.yaml", ""), faults)
    assert faults.found == [], faults.found
    return options


class Bench:
    """A bank under test, whose time goes on as it is charged and discharged."""

    def __init__(self, every_s=10, given=None, **more):
        self.every_s, self.at_ms = every_s, BEGAN_MS
        self.bank = BatteryBank("bank", options_of({**(given or VICTRON), **more}), CONTEXT)
        self.made = []

    def read(self, current, voltage=12.5, **more):
        values = {"battery_current": float(current), "battery_voltage": voltage, **more}
        self.made += self.bank.derive([Reading("battery", "bmv", self.at_ms, values)])

    def flow(self, current, hours, voltage=12.5, **more):
        """Let *current* flow for *hours*; the readings have it at both ends."""
        self.read(current, voltage, **more)
        for _ in range(round(hours * 3600 / self.every_s)):
            self.at_ms += self.every_s * 1000
            self.read(current, voltage, **more)

    def fill(self, voltage=13.8):
        self.flow(2, 0.1, voltage)
        return self

    def wait(self, seconds):
        self.at_ms += round(seconds * 1000)

    @property
    def now(self):
        return self.bank.values()


# Counting


def test_15_a_empty_victrons_battery_in_5_hours():
    bench = Bench().fill()
    assert bench.now["state_of_charge"] == 100
    bench.flow(-15, 2)
    assert bench.now["time_to_go"] == pytest.approx(3 * 3600, rel=0.02)
    bench.flow(-15, 3)
    assert bench.now["state_of_charge"] == pytest.approx(0, abs=0.5)
    assert bench.now["time_to_go"] == pytest.approx(0, abs=60)


def test_5_a_take_half_in_10_hours_and_a_charge_less_its_losses_brings_it_back():
    bench = Bench().fill()
    bench.flow(-5, 10)
    assert bench.now["state_of_charge"] == pytest.approx(50, abs=0.5)
    assert bench.now["consumed_charge"] == pytest.approx(-50, abs=0.5)
    bench.flow(10, 5.263, 13.0)
    assert bench.now["state_of_charge"] == pytest.approx(100, abs=0.5)
    assert bench.now["synchronisations"] == 1
    bench.fill()
    assert (bench.now["state_of_charge"], bench.now["synchronisations"]) == (100, 2)
    assert bench.now["time_since_full_charge"] == 0
    assert bench.now["charge_cycles"] == pytest.approx(0.5, abs=0.005)


def test_the_energy_of_a_bank_has_the_voltage_that_the_current_had():
    bench = Bench(every_s=60)
    for voltage in (12.0, 12.0, 12.0, 15.0):
        bench.read(6, voltage)
        bench.wait(60)
    assert bench.now["charged_energy"] == pytest.approx(6 * (12 + 12 + 12) / 60)


def test_at_10_below_zero_85_ah_are_usable():
    bench = Bench().fill()
    bench.flow(-5, 8.5, battery_temperature=-10.0)
    assert bench.now["consumed_charge"] == pytest.approx(-42.5, abs=0.5)
    assert bench.now["state_of_charge"] == pytest.approx(50, abs=0.5)
    bench.flow(-5, 8.5, battery_temperature=-10.0)
    assert bench.now["state_of_charge"] == pytest.approx(0, abs=0.5)


def test_the_temperature_may_be_that_of_another_device():
    bench = Bench(temperature="shed").fill()
    bench.bank.derive([Reading("climate", "shed", 1, {"temperature": -10.0})])
    bench.flow(-5, 1, battery_temperature=20.0)
    assert bench.bank.usable == pytest.approx(85)


def test_an_offset_of_the_sensor_below_the_threshold_takes_nothing_in_a_month():
    bench = Bench(every_s=60).fill()
    bench.flow(-0.05, 30 * 24)
    assert bench.now["state_of_charge"] == 100
    assert bench.now["discharged_charge"] == 0


def test_a_gap_with_the_same_current_at_both_ends_is_counted():
    bench = Bench().fill()
    bench.flow(-20, 1)
    before = bench.now["discharged_charge"]
    bench.wait(600)
    bench.read(-19)
    assert bench.now["discharged_charge"] - before == pytest.approx(19.5 / 6)
    assert bench.now["state_of_charge_quality"] == 0


@pytest.mark.parametrize(
    ("after", "seconds", "quality"),
    [(-5, 600, 2), (0, 600, 2), (10, 600, 4), (-20, 5 * 3600, 4)],
)
def test_a_gap_of_which_nothing_is_known_makes_the_state_a_bound(after, seconds, quality):
    bench = Bench().fill()
    bench.flow(-20, 1)
    before = bench.now["discharged_charge"]
    bench.wait(seconds)
    bench.read(after)
    assert bench.now["discharged_charge"] == before
    assert bench.now["state_of_charge_quality"] == quality
    bench.flow(2, 0.1, 13.8)
    assert bench.now["state_of_charge_quality"] == 0


def test_a_gap_while_charging_makes_it_at_least():
    bench = Bench().fill()
    bench.flow(-20, 1)
    bench.flow(20, 0.5)
    bench.wait(600)
    bench.read(5)
    assert bench.now["state_of_charge_quality"] == 3


def test_charging_on_past_full_stays_at_100_and_is_counted():
    bench = Bench(charged_voltage=14.4).fill(14.6)
    bench.flow(10, 2, 13.0)
    assert bench.now["state_of_charge"] == 100
    assert bench.now["excess_charge"] == pytest.approx(19, abs=0.5)


def test_a_bank_has_the_capacity_of_its_strings_and_the_voltage_of_its_series():
    bench = Bench(in_parallel=2, in_series=4)
    bench.flow(3, 0.1, 4 * 13.8)
    assert bench.now["synchronisations"] == 1
    bench.flow(-30, 2, 50.0)
    assert bench.now["state_of_charge"] == pytest.approx(60, abs=0.5)


def test_the_time_to_go_ends_at_the_floor_and_follows_the_mean_current():
    bench = Bench(discharge_floor=60, averaging="10m").fill()
    bench.flow(-15, 2)
    assert bench.now["time_to_go"] == pytest.approx(0, abs=120)
    bench = Bench(averaging="10m").fill()
    bench.flow(-10, 1)
    steady = bench.now["time_to_go"]
    bench.flow(-30, 0.02)
    assert bench.now["time_to_go"] == pytest.approx(steady, rel=0.3)
    bench.flow(-30, 0.3)
    assert bench.now["time_to_go"] < steady / 3
    bench.flow(5, 0.3)
    assert "time_to_go" not in bench.now


def test_a_current_far_outside_of_the_table_is_said():
    bench = Bench().fill()
    bench.flow(-30, 0.01)
    assert bench.now["capacity_extrapolated"] == 0
    bench.flow(-50, 0.01)
    assert bench.now["capacity_extrapolated"] == 1


def test_current_comes_from_power_where_the_device_measures_that():
    bench = Bench()
    values = {"battery_power": -120.0, "battery_voltage": 12.0}
    for number in range(361):
        at_ms = BEGAN_MS + number * 10_000
        bench.bank.derive([Reading("battery", "bmv", at_ms, values)])
    assert bench.now["discharged_charge"] == pytest.approx(10)
    assert bench.now["discharged_energy"] == pytest.approx(120)


# Full


@pytest.mark.parametrize(
    ("voltage", "current", "seconds"),
    [(13.8, 2, 150), (13.8, 5, 600), (13.0, 2, 600), (13.8, -2, 600), (14.9, 0, 3600)],
)
def test_it_is_not_full_by_a_peak_nor_too_early_nor_while_it_gives(voltage, current, seconds):
    bench = Bench()
    bench.flow(current, seconds / 3600, voltage)
    assert bench.now["synchronisations"] == 0


def test_a_current_that_stops_on_an_alarm_makes_no_full_battery():
    bench = Bench().fill()
    bench.flow(-10, 2)
    before = bench.now["state_of_charge"]
    bench.flow(20, 0.02, 14.9)
    bench.flow(0, 1, 14.9)
    assert bench.now["state_of_charge"] == pytest.approx(before, abs=1)


def test_until_it_was_full_the_state_is_unknown_or_an_estimate():
    bench = Bench()
    bench.flow(-5, 1)
    assert "state_of_charge" not in bench.now
    assert bench.now["discharged_charge"] == pytest.approx(5)
    bench.flow(-5, 1, state_of_charge=78.0)
    assert bench.now["state_of_charge"] == pytest.approx(73, abs=0.1)
    assert bench.now["state_of_charge_quality"] == 1
    bench.fill()
    assert bench.now["state_of_charge_quality"] == 0


def test_a_voltage_at_rest_is_an_estimate_too():
    bench = Bench(given=SIMPLE, capacity=100, rest_voltages=REST)
    bench.flow(0, 4.1, 12.3)
    assert bench.now["state_of_charge"] == pytest.approx(60)
    assert bench.now["state_of_charge_quality"] == 1


def test_a_float_charge_of_a_day_is_found_full_once():
    bench = Bench(every_s=60).fill()
    for _ in range(24):
        bench.flow(0.5, 0.5, 13.8)
        bench.flow(5, 0.1, 13.8)
        bench.flow(0.5, 0.5, 13.8)
    assert bench.now["synchronisations"] == 1


# Health


def discharge(bench, current=-5.0, hours=10.0, rest=12.3, rest_hours=4.1):
    bench.fill()
    bench.flow(current, hours)
    bench.flow(0, rest_hours, rest)


def test_a_long_discharge_down_to_a_rest_shows_the_capacity():
    bench = Bench(every_s=60, given=SIMPLE, capacity=100, rest_voltages=REST)
    assert "battery_capacity" not in bench.now
    for rest in (12.075, 12.1, 12.05, 11.8, 12.075):
        discharge(bench, rest=rest)
    assert bench.now["battery_capacity"] == pytest.approx(80, abs=0.8)
    assert bench.now["state_of_health"] == pytest.approx(80, abs=0.8)


@pytest.mark.parametrize("what", ["short", "unsteady", "charged", "no rest", "gap"])
def test_other_discharges_show_nothing(what):
    bench = Bench(every_s=60, given=SIMPLE, capacity=100, rest_voltages=REST)
    if what == "short":
        discharge(bench, hours=7)
    elif what == "no rest":
        discharge(bench, rest_hours=3)
    else:
        bench.fill()
        bench.flow(-5, 5)
        if what == "unsteady":
            bench.flow(-20, 1.5)
        elif what == "charged":
            bench.flow(5, 0.5)
        else:
            bench.wait(5 * 3600)
        bench.flow(-5, 5)
        bench.flow(0, 4.1, 12.1)
    assert "battery_capacity" not in bench.now


def test_of_lithium_only_full_to_the_cut_off_counts():
    given = {**SIMPLE, "chemistry": "lifepo4", "capacity": 100, "cutoff_voltage": 10.0}
    bench = Bench(every_s=60, given=given, exponent=1)
    bench.flow(1, 0.1, 14.2)
    bench.flow(-10, 9.2, 12.8)
    assert "state_of_health" not in bench.now
    bench.wait(60)
    bench.read(-10, 9.9)
    assert bench.now["state_of_health"] == pytest.approx(92, abs=0.5)


# The mid-point


@pytest.mark.parametrize(("mid", "warning"), [(12.4, 0), (11.9, 1), (13.0, 1)])
def test_a_mid_point_that_is_off_for_5_minutes_is_worth_a_warning(mid, warning):
    bench = Bench(in_series=2)
    bench.flow(-5, 0.05, 24.8, mid_voltage=mid)
    assert bench.now["mid_point_warning"] == 0
    bench.flow(-5, 0.05, 24.8, mid_voltage=mid)
    assert bench.now["mid_point_warning"] == warning
    assert bench.now["mid_deviation"] == pytest.approx(100 * (24.8 - 2 * mid) / 24.8)


def test_a_monitor_that_shows_the_deviation_is_believed():
    bench = Bench(in_series=2)
    bench.flow(-5, 0.1, 24.8, mid_deviation=-3.5)
    assert (bench.now["mid_deviation"], bench.now["mid_point_warning"]) == (-3.5, 1)


# What it makes, and remembers


def test_a_reading_comes_every_10_s_and_when_something_happens():
    bench = Bench(every_s=1)
    bench.wait(3)
    bench.flow(2, 0.04, 13.8)
    bench.flow(2, 0.06, 13.8)
    times = [each.at_ms for each in bench.made]
    assert len(times) == 360 // 10 + 2
    first_full = next(each for each in bench.made if each.values["synchronisations"])
    assert first_full.at_ms == BEGAN_MS + 183_000
    assert {(each.kind, each.device) for each in bench.made} == {("battery_bank", "bank")}


def test_late_and_repeated_readings_change_nothing():
    bench = Bench().fill()
    bench.flow(-5, 1)
    before = json.dumps(bench.bank.state())
    late = {"battery_current": -500.0, "battery_voltage": 12.0}
    for at_ms in (bench.at_ms, bench.at_ms - 60_000):
        assert bench.bank.derive([Reading("battery", "bmv", at_ms, late)]) == []
    assert bench.bank.derive([Reading("battery", "other", bench.at_ms + 1, late)]) == []
    assert json.dumps(bench.bank.state()) == before


def test_the_memory_is_small_and_one_of_another_form_is_refused():
    bench = Bench(every_s=60, given=SIMPLE, capacity=100, rest_voltages=REST, averaging="12m")
    for _ in range(6):
        discharge(bench)
    state = json.dumps(bench.bank.state())
    assert len(state) < 2500
    other = BatteryBank("bank", bench.bank.options, CONTEXT)
    other.restore(json.loads(state))
    assert other.state() == bench.bank.state()
    others: list[Any] = [None, [], {}, {"at_ms": 1}, json.loads(state) | {"new": 1}, 7]
    for wrong in others:
        with pytest.raises(ValueError, match="another form"):
            other.restore(wrong)


# What is refused


@pytest.mark.parametrize(
    ("more", "option", "sentence"),
    [
        ({}, "capacity_table", "give 'capacity: 225' or a table"),
        ({"capacity": 9, "capacity_table": [{"hours": 5, "capacity": 7}]}, "capacity", "contradic"),
        ({"capacity": 9, "exponent": 0.88}, "exponent", "0.88 is not a Peukert exponent: below 1"),
        (
            {"exponent": 1.2, "capacity_table": VICTRON["capacity_table"]},
            "exponent",
            "contradicts 'capacity_table'",
        ),
        (
            {"capacity_table": VICTRON["capacity_table"][::-1]},
            "capacity_table.1",
            "the hours must rise",
        ),
        (
            {"capacity": 9, "chemistry": "lifepo4", "charged_voltage": 13.0, "cells": 6},
            "charged_voltage",
            "2.17 V a cell, which does not fit lifepo4 [(]3.3 to 3.65[)]: mend it, 'cells'",
        ),
        (
            {"capacity": 9, "chemistry": "lifepo4", "rest_voltages": REST},
            "rest_voltages",
            "a table says nothing",
        ),
        ({"capacity": 9, "cutoff_voltage": 10}, "cutoff_voltage", "is for lifepo4"),
        ({"capacity": 9, "rest_voltages": REST[::-1]}, "rest_voltages.1", "must rise"),
        ({"capacity": 9, "rest_voltages": REST[:1]}, "rest_voltages", "one row is not a table"),
    ],
)
def test_options_that_contradict_are_refused_at_their_place(more, option, sentence):
    with pytest.raises(BadOption, match=sentence) as refused:
        BatteryBank("bank", options_of({**SIMPLE, **more}), CONTEXT)
    assert refused.value.option == option
