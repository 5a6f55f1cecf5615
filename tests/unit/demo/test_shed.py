"""The demo's shed: what the panels give is what is used and what the battery takes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.demo import shed as shed_module
from collector.demo.shed import CAPACITY_WH, Shed
from collector.demo.vedirect import CHARGER, MONITOR, said
from collector.quantity import catalogue
from collector.sources.simulated.house import BUILT, House
from collector.sources.vedirect.blocks import Joiner, Parser
from collector.sources.vedirect.labels import table, usual_blocks, values

HOUSE = House()
SHED = Shed(HOUSE)
START = HOUSE.day(BUILT).midnight
DAY_S = 86400
FIELDS = {each.quantity: each for each in table().fields.values()}

calm = settings(max_examples=50)  # a new day takes time to draw
instants = st.floats(0, 300 * DAY_S).map(lambda after: START + after)


@calm
@given(instants)
def test_the_panels_give_what_is_used_and_what_the_battery_takes(t):
    powers = SHED.powers(t)
    assert powers["panels"] == pytest.approx(powers["load"] + powers["battery"], abs=1e-6)
    assert powers["charged"] - powers["discharged"] == pytest.approx(powers["battery"], abs=1e-6)
    assert powers["panels"] <= 0.2 * HOUSE.powers(t)["solar"] + 1e-6


@calm
@given(instants, st.floats(0, 40 * DAY_S))
def test_so_do_the_energies_and_no_counter_ever_decreases(start, length):
    before, after = SHED.counters(start), SHED.counters(start + length)
    flowed = {name: after[name] - before[name] for name in after}
    stored = flowed["charged"] - flowed["discharged"]
    assert flowed["panels"] == pytest.approx(flowed["load"] + stored, abs=1e-3)
    assert min(flowed.values()) >= 0


@settings(calm, max_examples=8)
@given(instants)
def test_counters_are_the_integral_of_the_powers(start):
    before, after = SHED.counters(start), SHED.counters(start + 1800)
    samples = [SHED.powers(start + half / 2) for half in range(3601)]
    for name in after:
        watts = [each[name] for each in samples]
        sampled = (math.fsum(watts) - (watts[0] + watts[-1]) / 2) / 7200
        assert after[name] - before[name] == pytest.approx(sampled, abs=0.1)


@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_year_the_battery_is_often_full_and_never_empty(seed):
    shed = Shed(House(seed))
    shed.counters(START + 365 * DAY_S)
    assert max(past.deepest_wh for past in shed._pasts) < 0.9 * CAPACITY_WH
    assert min(past.lacks_wh for past in shed._pasts) > -1
    assert shed._pasts[-1].times_full > 250


def test_a_full_battery_takes_no_more_and_the_monitor_says_so():
    noon = HOUSE.day(BUILT).midnight + 200 * DAY_S + 14 * 3600
    shown, charger = SHED.monitor(noon), SHED.charger(noon)
    assert shown["state_of_charge"] == 100
    assert shown["time_since_full_charge"] == 0
    assert charger["charger_state"] == shed_module.FLOAT
    night = noon + 12 * 3600
    assert SHED.monitor(night)["state_of_charge"] < 100
    assert 5 * 3600 < SHED.monitor(night)["time_since_full_charge"] < 9 * 3600
    assert SHED.charger(night)["charger_state"] == shed_module.OFF


@calm
@given(instants)
def test_what_is_said_on_the_wire_is_what_is_measured(t):
    for forms, measured in ((MONITOR, SHED.monitor(t)), ([CHARGER], SHED.charger(t))):
        joiner = Joiner(usual_blocks)
        *_, heard = (joiner.add(each, 0) for each in Parser().feed(said(forms, measured) * 2))
        for name, value in values(heard).items():
            assert catalogue()[name].low <= value <= catalogue()[name].high, name
            step = abs(FIELDS[name].scale)
            assert measured.get(name, value) == pytest.approx(value, abs=0.501 * step), name
        assert measured.keys() <= values(heard).keys()


def test_before_it_was_built_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match="built on 2026-01-01"):
        SHED.monitor(START - 1)
