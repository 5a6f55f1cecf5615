import math
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sources.simulated.appliances import PARTS, Day
from collector.sources.simulated.curve import (
    above_zero,
    cut_at_zero,
    energy_until,
    power_at,
    through,
    weighted_sum,
)
from collector.sources.simulated.house import BUILT, House, draw

HOUR = 3600
ROME = House()
YEAR_S = 300 * 24 * HOUR
START = ROME.day(BUILT).midnight

calm = settings(max_examples=60)  # a new day takes time to draw
corners = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(-9000, 9000)), min_size=2, max_size=30
).map(lambda each: [(float(s), float(w)) for s, w in sorted(dict(each).items())])
lines = corners.map(lambda each: [(0.0, 0.0), *each, (6000.0, 0.0)])
instants = st.floats(0, YEAR_S).map(lambda after: START + after)


def midnight(house, *ymd):
    return house.day(date(*ymd)).midnight


def sampled_wh(watts, step_s):
    """Integrate samples; exact for lines whose corners fall on them."""
    return (math.fsum(watts) - (watts[0] + watts[-1]) / 2) * step_s / HOUR


@calm
@given(lines)
def test_the_energy_under_a_curve_is_what_sampling_it_every_second_gives(line):
    curve = through(above_zero(cut_at_zero(line)))
    sampled = sampled_wh([power_at(curve, second) for second in range(6001)], 1)
    # The corners that crossing zero adds are not on whole seconds: each may cost half a sample.
    assert energy_until(curve, 6000) == pytest.approx(sampled, abs=0.5 * 9000 * len(line) / HOUR)
    assert energy_until(curve, 6000) == curve.energy_wh[-1]


@calm
@given(lines, st.floats(0, 6000))
def test_what_is_above_zero_less_what_is_below_is_the_line_itself(line, second):
    above = through(above_zero(cut_at_zero(line)))
    below = through(above_zero(cut_at_zero(line), sign=-1))
    assert power_at(above, second) - power_at(below, second) == pytest.approx(
        power_at(through(line), second), abs=1e-6
    )
    assert min(above.watts) >= 0
    assert min(below.watts) >= 0


@calm
@given(st.lists(st.tuples(lines, st.floats(-2, 2)), min_size=1, max_size=5), st.floats(0, 6000))
def test_a_sum_of_lines_is_the_sum_at_every_instant(weighted, second):
    total = through(weighted_sum(weighted))
    expected = sum(weight * power_at(through(line), second) for line, weight in weighted)
    assert power_at(total, second) == pytest.approx(expected, abs=1e-6)


@calm
@given(lines, st.floats(0, 6000), st.floats(0, 6000))
def test_energy_never_runs_backwards_along_a_curve(line, one, other):
    curve = through(above_zero(cut_at_zero(line)))
    assert energy_until(curve, min(one, other)) <= energy_until(curve, max(one, other))


@settings(calm, max_examples=10)
@given(instants, st.integers(1, HOUR))
def test_counters_are_the_integral_of_the_power_at_the_grid(start, length):
    energy = ROME.energy(start, start + length)
    samples = [ROME.powers(start + half / 2) for half in range(2 * length + 1)]
    watts = {name: [each[name] for each in samples] for name in samples[0]}
    for name in ("import", "export", "reactive", *PARTS):
        # Corners lie between samples: a switch of 2.3 kW within 1 s may cost 0.1 Wh.
        assert energy[name] == pytest.approx(sampled_wh(watts[name], 0.5), rel=1e-4, abs=0.5)
    net = sampled_wh(watts["net"], 0.5)
    assert energy["import"] - energy["export"] == pytest.approx(net, rel=1e-4, abs=0.5)


@calm
@given(instants, st.floats(1e-6, 40 * 24 * HOUR))
def test_no_counter_ever_decreases(start, length):
    before, after = ROME.counters(start), ROME.counters(start + length)
    assert all(before[name] <= after[name] for name in before)


@calm
@given(instants, st.floats(0, 9 * 24 * HOUR), st.floats(0, 9 * 24 * HOUR))
def test_energies_of_two_spells_add_up_to_that_of_both(start, first, second):
    both = ROME.energy(start, start + first + second)
    one = ROME.energy(start, start + first)
    other = ROME.energy(start + first, start + first + second)
    for name, energy_wh in both.items():
        assert one[name] + other[name] == pytest.approx(energy_wh, abs=1e-6)


@calm
@given(instants)
def test_the_parts_add_up_to_what_flows_at_the_grid(t):
    powers, counters = ROME.powers(t), ROME.counters(t)
    parts = sum(part.sign * powers[name] for name, part in PARTS.items())
    assert parts == pytest.approx(powers["net"], abs=1e-6)
    assert powers["import"] - powers["export"] == pytest.approx(powers["net"], abs=1e-6)
    used = sum(part.sign * counters[name] for name, part in PARTS.items())
    assert used == pytest.approx(counters["import"] - counters["export"], abs=1e-3)
    for name in ("import", "reactive"):
        tariffs = counters[f"{name}_t1"] + counters[f"{name}_t2"]
        assert tariffs == pytest.approx(counters[name], abs=1e-6)


@calm
@given(instants)
def test_what_the_meter_shows_fits_together(t):
    shown = ROME.at(t)
    assert shown["apparent_power"] ** 2 == pytest.approx(
        shown["active_power"] ** 2 + shown["reactive_power"] ** 2
    )
    assert shown["power_factor"] * shown["apparent_power"] == pytest.approx(shown["active_power"])
    assert shown["current"] * shown["voltage"] == pytest.approx(shown["apparent_power"])
    assert 207 < shown["voltage"] < 253  # 230 V ± 10 %, EN 50160
    assert 49.9 < shown["frequency"] < 50.1
    assert -1 <= shown["power_factor"] <= 1
    tariffs = shown["active_energy_t1"] + shown["active_energy_t2"]
    assert tariffs == pytest.approx(shown["active_energy"], abs=1e-6)


@calm
@given(instants)
def test_energies_are_counters_and_extremes_hold_every_power_of_a_quarter_hour(t):
    counters = ROME.counters(t)
    energies = ROME.energies(t)
    assert energies == {name: counters[name] for name in energies}
    assert {"import", "export", *PARTS} == set(energies)
    begin = t // 900 * 900
    extremes = ROME.extremes(begin, begin + 900)
    for second in (0, t - begin, 450, 899):
        powers = ROME.powers(begin + second)
        for name, (low, high) in extremes.items():
            assert low - 1e-9 <= powers[name] <= high + 1e-9


def test_the_net_power_is_one_unbroken_line_over_midnight():
    for number in range(5):
        at = midnight(ROME, 2026, 3, 27) + number * 24 * HOUR
        before, after = ROME.powers(at - 1e-3)["net"], ROME.powers(at + 1e-3)["net"]
        assert before == pytest.approx(after, abs=0.1)


@pytest.mark.parametrize(
    ("zone", "day", "hours", "night_hours"),
    [
        ("Europe/Rome", date(2026, 3, 28), 24, 9),
        ("Europe/Rome", date(2026, 3, 29), 23, 8),
        ("Europe/Rome", date(2026, 10, 25), 25, 10),
        ("America/New_York", date(2026, 3, 8), 23, 8),
        ("America/New_York", date(2026, 11, 1), 25, 10),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5, 9.5),
        ("Africa/Cairo", date(2026, 4, 24), 23, 8),  # clocks change at midnight itself
        ("UTC", date(2026, 3, 29), 24, 9),
    ],
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(zone, day, hours, night_hours):
    house = House(timezone=zone, built=day - timedelta(days=1))
    this, following = house.day(day), house.day(day + timedelta(days=1))
    assert following.midnight - this.midnight == hours * HOUR
    assert this.length_s == hours * HOUR
    assert this.clock(7) + this.length_s - this.clock(22) == night_hours * HOUR
    whole = house.energy(this.midnight, following.midnight)
    morning, evening = this.midnight + this.clock(7), this.midnight + this.clock(22)
    by_day = house.energy(morning, evening)
    assert by_day["import"] == pytest.approx(by_day["import_t1"])
    assert by_day["import_t2"] == 0
    assert whole["import_t1"] == pytest.approx(by_day["import"])
    night = house.energy(this.midnight, morning)["import"]
    night += house.energy(evening, following.midnight)["import"]
    assert whole["import_t2"] == pytest.approx(night)


def test_daily_energies_of_a_year_add_up_to_the_year():
    house = House(seed=7)
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(366)]
    bars = [
        house.energy(house.day(one).midnight, house.day(other).midnight)["import"]
        for one, other in pairwise(days)
    ]
    year = house.energy(midnight(house, 2026, 1, 1), midnight(house, 2027, 1, 1))
    assert math.fsum(bars) == pytest.approx(year["import"])
    assert min(bars) > 0


def test_the_house_is_the_same_again_and_another_with_another_seed():
    t = midnight(ROME, 2026, 2, 1) + 20 * HOUR
    assert House().at(t) == ROME.at(t)
    assert House(seed=2).at(t) != ROME.at(t)


def test_a_day_does_not_depend_on_what_was_asked_before():
    fresh, used = House(), House()
    t = midnight(ROME, 2026, 1, 20) + 12.5 * HOUR
    used.at(t + 30 * 24 * HOUR)
    assert used.at(t) == fresh.at(t)


def test_the_year_is_believable():
    year = ROME.energy(START, START + 364 * 24 * HOUR)
    kwh = {name: wh / 1000 for name, wh in year.items()}
    assert 4000 < kwh["solar"] < 6500
    assert 1500 < kwh["heat_pump"] < 4000
    assert 2000 < kwh["import"] < 5000
    assert 1500 < kwh["export"] < 5500
    january = ROME.energy(START, START + 30 * 24 * HOUR)
    july = ROME.energy(midnight(ROME, 2026, 7, 1), midnight(ROME, 2026, 7, 31))
    assert july["solar"] > 3 * january["solar"]
    assert january["heat_pump"] > 5 * july["heat_pump"]


@calm
@given(
    st.integers(),
    st.dates(date(2020, 1, 1), date(2050, 1, 1)),
    st.sampled_from(["Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_corners_of_any_day_are_in_the_order_of_time_and_within_the_day(seed, day, zone):
    drawn = Day(seed, House(timezone=zone).zone, day)
    for name, curve in draw(drawn).items():
        assert all(one < other for one, other in pairwise(curve.seconds)), name
        assert curve.seconds[0] == 0
        assert curve.seconds[-1] == drawn.length_s
        assert name == "net" or min(curve.watts) >= 0


def test_before_it_was_built_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match="built on 2026-01-01"):
        ROME.at(START - 1)
