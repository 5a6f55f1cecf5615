"""A heat pump's figures: sums over sums, with defrosts, days and their cold."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from collector.contract import BadOption, Context
from collector.derive.heat_pump.options import HeatPumpOptions
from collector.derive.heat_pump.pump import HeatPump
from collector.lines.serial import Lines
from collector.options import Faults, Place, read_options
from collector.quantity import catalogue
from collector.reading import Reading

ROME = ZoneInfo("Europe/Rome")
PLAIN = {"type": "heat_pump", "device": "pump", "meter": "mains", "boundary": "H3"}
HEATING, HOT_WATER, DEFROST, NONE, COOLING = 0.0, 1.0, 4.0, 5.0, 7.0


def options_of(given):
    faults = Faults()
    node: Any = yaml.compose(yaml.safe_dump(given))
    options = read_options(HeatPumpOptions, node, Place("c.yaml", ""), faults)
    assert faults.found == [], faults.found
    return options


def ms(year, month, day, hour=0, minute=0):
    return int(datetime(year, month, day, hour, minute, tzinfo=ROME).timestamp() * 1000)


class Bench:
    """A heat pump under test, with its meter."""

    def __init__(self, began=(2026, 1, 10), **more):
        self.at_ms = ms(*began)
        given = {key: value for key, value in {**PLAIN, **more}.items() if value}
        context = Context("home", Lines(), Path(), Path(), ROME)
        self.it = HeatPump("hp", options_of(given), context)
        self.made = []
        self.used = self.given = 1000.0

    def hear(self, kind, device, **values):
        values = {name: float(value) for name, value in values.items()}
        self.made += self.it.derive([Reading(kind, device, self.at_ms, values)])

    def run(self, minutes, mode=HEATING, power=1000.0, heat=4000.0, every_s=10, **more):
        """Let the heat pump work for *minutes*; counters are of 1 Wh, and powers too."""
        on = float(mode != NONE)
        for _ in range(round(minutes * 60 / every_s)):
            self.hear("electricity", "mains", active_power=power, active_energy=self.used)
            values = {"heat_power": heat, "operating_mode": mode, "compressor1_on": on, **more}
            self.hear("heatpump", "pump", **values)
            self.used += power * every_s / 3600
            self.given += heat * every_s / 3600
            self.at_ms += every_s * 1000

    def rest(self, minutes, **more):
        self.run(minutes, NONE, 0.0, 0.0, **more)

    @property
    def now(self):
        return self.it.values()

    @property
    def days(self):
        """Return the figures of days by their begin."""
        return {
            datetime.fromtimestamp(each.at_ms / 1000, ROME): each.values
            for each in self.made
            if any(name.startswith("daily") for name in each.values)
        }


# Performance


def test_the_seasonal_performance_is_heat_over_electricity_and_no_mean():
    bench = Bench()
    bench.rest(1)
    bench.run(60, power=1000, heat=5000)
    first = bench.now["coefficient_of_performance"]
    bench.run(60, power=3000, heat=6000)
    second = bench.now["coefficient_of_performance"]
    bench.rest(1)
    assert (first, second) == (pytest.approx(5), pytest.approx(2))
    assert (first + second) / 2 == pytest.approx(3.5)
    assert bench.now["seasonal_performance"] == pytest.approx(2.75, rel=1e-3)
    assert bench.now["performance_boundary"] == 3


def test_a_performance_of_now_needs_5_minutes_of_running():
    bench = Bench()
    bench.rest(1)
    bench.run(4.9)
    assert "coefficient_of_performance" not in bench.now
    bench.run(0.5)
    assert bench.now["coefficient_of_performance"] == pytest.approx(4)
    bench.rest(0.5)
    assert "coefficient_of_performance" not in bench.now


def test_one_above_10_is_shown_and_marked():
    bench = Bench()
    bench.run(6, power=400, heat=4200)
    assert bench.now["coefficient_of_performance"] == pytest.approx(10.5)
    assert bench.now["performance_doubtful"] == 1
    assert catalogue()["coefficient_of_performance"].high > 10.5
    bench.run(10)
    assert bench.now["performance_doubtful"] == 0


def test_a_meter_that_falls_silent_makes_no_performance():
    bench = Bench()
    bench.run(6)
    for _ in range(60):
        bench.hear("heatpump", "pump", heat_power=4000, operating_mode=0, compressor1_on=1)
        bench.at_ms += 10_000
    assert "coefficient_of_performance" not in bench.now


def test_readings_without_the_heat_power_in_between_change_no_performance():
    bench = Bench()
    for number in range(90):
        bench.hear("electricity", "mains", active_power=1000)
        values = {"heat_power": 4000} if number % 2 == 0 else {}
        bench.hear("heatpump", "pump", operating_mode=0, compressor1_on=1, **values)
        bench.at_ms += 10_000
    assert bench.now["coefficient_of_performance"] == pytest.approx(4)


def test_without_a_meter_the_heat_pumps_own_counters_serve_and_heat_is_no_electricity():
    bench = Bench(meter=None)
    for number in range(10):
        values = {"heat_energy": 1000 + 400 * number, "operating_mode": 0}
        bench.hear("heatpump", "pump", **values)
        bench.at_ms += 600_000
    assert bench.now["heat_energy"] == 3600
    assert "active_energy" not in bench.now
    assert "seasonal_performance" not in bench.now
    for number in range(11):
        split = {"active_energy_heating": 100 * number, "active_energy_hot_water": 20 * number}
        bench.hear("heatpump", "pump", heat_energy=4600 + 400 * number, **split)
        bench.at_ms += 600_000
    assert bench.now["active_energy"] == 1200
    assert bench.now["active_energy_hot_water"] == 200


def test_cooling_is_apart_and_no_part_of_the_performance():
    bench = Bench()
    bench.rest(1)
    bench.run(60, power=1000, heat=4000)
    before = bench.now["seasonal_performance"]
    bench.run(60, COOLING, power=1000, heat=3000)
    bench.rest(1)
    assert bench.now["seasonal_performance"] == pytest.approx(before, rel=0.01)
    assert bench.now["active_energy_cooling"] == pytest.approx(1000, rel=0.01)
    assert bench.now["heat_energy"] == pytest.approx(4000, rel=0.01)


def test_heating_and_hot_water_are_apart():
    bench = Bench()
    bench.rest(1)
    bench.run(30, HOT_WATER, power=2000, heat=6000)
    bench.run(60, HEATING, power=1000, heat=4000)
    bench.rest(1)
    now = bench.now
    assert now["heat_energy_hot_water"] == pytest.approx(3000, rel=0.01)
    assert now["heat_energy_heating"] == pytest.approx(4000, rel=0.01)
    assert now["active_energy_hot_water"] == pytest.approx(1000, rel=0.01)
    assert (now["hot_water_time"], now["heating_time"]) == (1800, 3600)


def test_counters_of_its_own_for_heating_and_hot_water_are_believed():
    bench = Bench()
    for number in range(20):
        split = {"heat_energy_heating": 100 * number, "heat_energy_hot_water": 5000 + 50 * number}
        bench.hear("heatpump", "pump", heat_energy=7000 + 150 * number, operating_mode=0, **split)
        bench.at_ms += 60_000
    assert bench.now["heat_energy"] == 19 * 150
    assert bench.now["heat_energy_heating"] == 1900
    assert bench.now["heat_energy_hot_water"] == 950


@pytest.mark.parametrize("heat", [-6000, 6000])
def test_heat_of_a_defrost_comes_out_of_the_house_whatever_sign_it_has(heat):
    bench = Bench()
    bench.rest(1)
    bench.run(54, power=1000, heat=4000)
    bench.run(6, DEFROST, power=1000, heat=heat)
    in_defrost = bench.now
    bench.rest(1)
    now = bench.now
    assert now["heat_energy"] == pytest.approx(3600, rel=0.01)
    assert now["heat_energy_defrost"] == pytest.approx(600, rel=0.01)
    assert now["active_energy_defrost"] == pytest.approx(100, rel=0.01)
    assert now["defrost_time"] == 360
    assert now["seasonal_performance"] == pytest.approx(3.0, rel=0.01)
    assert in_defrost.get("coefficient_of_performance", 0) < 1


@pytest.mark.parametrize("change", [-100, 100])
def test_a_counter_that_moves_during_a_defrost_counts_heat_taken(change):
    bench = Bench()
    for number in range(10):
        bench.hear("heatpump", "pump", heat_energy=5000 + 100 * number, operating_mode=0)
        bench.at_ms += 120_000
    for number in (0, 1, 2):
        bench.hear("heatpump", "pump", heat_energy=5900 + change * number, operating_mode=4)
        bench.at_ms += 120_000
    assert bench.now["heat_energy"] == 900
    assert bench.now["heat_energy_defrost"] == 200


def test_no_counter_of_it_ever_falls():
    bench = Bench()
    counters = [name for name in bench.it.quantities if catalogue()[name].kind == "counter"]
    assert {"heat_energy", "active_energy", "degree_days", "heat_pump_starts"} <= set(counters)
    last: dict[str, float] = {}
    for mode in (HEATING, DEFROST, HEATING, NONE, HOT_WATER, COOLING, NONE) * 3:
        bench.run(7, mode, heat=-2000.0 if mode == DEFROST else 3000.0, outside_temperature=2)
        for name in counters:
            assert bench.now.get(name, 0) >= last.get(name, 0), name
        last = bench.now


# Runs


def test_starts_and_runs_are_counted():
    bench = Bench()
    bench.rest(5)
    for minutes in (20, 8, 30):
        bench.run(minutes)
        bench.rest(5)
    now = bench.now
    assert (now["heat_pump_starts"], now["short_runs"]) == (3, 1)
    assert now["last_run_time"] == 1800
    assert now["heat_pump_time"] == 58 * 60
    assert now["starts_last_hour"] == 2
    bench.rest(60)
    assert bench.now["starts_last_hour"] == 0


def test_a_run_that_nobody_saw_begin_or_end_has_no_length():
    bench = Bench()
    bench.run(3)
    bench.rest(5)
    bench.run(3)
    bench.at_ms += 3_600_000
    bench.run(3)
    bench.rest(5)
    assert "last_run_time" not in bench.now
    assert (bench.now["heat_pump_starts"], bench.now["short_runs"]) == (1, 0)


def test_without_a_compressor_the_mode_says_that_it_runs():
    bench = Bench()
    for mode in (NONE, NONE, HEATING, HEATING, NONE, NONE, 3.0, HOT_WATER):
        bench.hear("heatpump", "pump", operating_mode=mode)
        bench.at_ms += 10_000
    assert bench.now["heat_pump_starts"] == 2


# Days


def live(bench, until, outside=8.0, every_s=600, **more):
    while bench.at_ms < ms(*until):
        bench.run(every_s / 60, every_s=every_s, outside_temperature=outside, **more)


def test_degree_days_are_those_of_local_days_also_where_clocks_change():
    bench = Bench(began=(2026, 10, 24))
    live(bench, (2026, 10, 27, 4), outside=8.0)
    days = [date(2026, 10, day) for day in (24, 25, 26)]
    assert [each.date() for each in bench.days] == days
    assert [each["daily_degree_days"] for each in bench.days.values()] == [pytest.approx(10)] * 3
    assert bench.now["degree_days"] == pytest.approx(30)
    energies = [each["daily_energy"] for each in bench.days.values()]
    assert energies[1:] == [pytest.approx(25_000, rel=0.01), pytest.approx(24_000, rel=0.01)]
    assert bench.days[datetime(2026, 10, 25, tzinfo=ROME)]["daily_run_time"] == 25 * 3600


def test_a_warm_day_has_none_and_the_base_is_an_option():
    bench = Bench(began=(2026, 5, 1))
    live(bench, (2026, 5, 2, 4), outside=19.5)
    assert bench.now["degree_days"] == 0
    bench = Bench(began=(2026, 5, 1), base_temperature=20)
    live(bench, (2026, 5, 2, 4), outside=19.5)
    assert bench.now["degree_days"] == pytest.approx(0.5)


@pytest.mark.parametrize(("hour", "missing"), [(3, 0), (5, 1)])
def test_a_day_of_less_than_20_hours_is_missing_and_not_partial(hour, missing):
    bench = Bench(began=(2026, 1, 10, hour))
    live(bench, (2026, 1, 11, 4))
    assert bench.now["weather_gaps"] == missing
    assert bench.now["degree_days"] == pytest.approx(0 if missing else 10)
    assert bool(bench.days) == (not missing)


def test_days_of_silence_are_missing():
    bench = Bench(began=(2026, 1, 10))
    live(bench, (2026, 1, 11))
    bench.at_ms = ms(2026, 1, 15)
    live(bench, (2026, 1, 16, 4))
    assert bench.now["degree_days"] == pytest.approx(20)
    assert bench.now["weather_gaps"] == 4


def test_electricity_by_degree_day_leaves_out_hot_water():
    bench = Bench(began=(2026, 1, 10))
    live(bench, (2026, 1, 10, 20))
    live(bench, (2026, 1, 11), mode=HOT_WATER)
    live(bench, (2026, 1, 11, 4))
    day = bench.days[datetime(2026, 1, 10, tzinfo=ROME)]
    assert day["daily_energy_per_degree_day"] == pytest.approx(2000, rel=0.02)
    assert bench.now["energy_per_degree_day"] == day["daily_energy_per_degree_day"]
    assert bench.now["active_energy_weather"] == pytest.approx(20_000, rel=0.02)


def test_a_day_has_its_runs_and_defrosts():
    bench = Bench(began=(2026, 1, 10))
    bench.rest(30)
    bench.run(30)
    bench.rest(30)
    bench.run(10, power=500, heat=1000)
    bench.run(10, DEFROST, power=500, heat=-1000)
    bench.rest(24 * 60 + 120)
    (day,) = bench.days.values()
    assert day["daily_starts"] == 2
    assert (day["daily_mean_run"], day["daily_shortest_run"]) == (1500, 1200)
    assert day["daily_defrost_share"] == pytest.approx(20)
    assert day["daily_performance"] == pytest.approx(2000 / 666.7, rel=0.02)
    assert "daily_degree_days" not in day


def test_what_was_used_until_midnight_is_of_the_day_before():
    bench = Bench(began=(2026, 1, 10, 20))
    while bench.at_ms < ms(2026, 1, 12, 4):
        power = 1000.0 if bench.at_ms < ms(2026, 1, 12) else 2000.0
        bench.run(5, power=power, every_s=300)
    day = bench.days[datetime(2026, 1, 11, tzinfo=ROME)]
    assert day["daily_energy"] == pytest.approx(24_000)
    assert day["daily_run_time"] == 24 * 3600


def test_the_temperature_may_come_from_a_weather_service_hours_later():
    bench = Bench(began=(2026, 1, 10), outside="weather")
    while bench.at_ms < ms(2026, 1, 11, 5):
        bench.run(60, every_s=60)
        now_ms, bench.at_ms = bench.at_ms, bench.at_ms - 7_200_000
        bench.hear("climate", "weather", temperature=3.0)
        bench.at_ms = now_ms
    day = bench.days[datetime(2026, 1, 10, tzinfo=ROME)]
    assert day["daily_degree_days"] == pytest.approx(15)


def test_a_season_begins_in_july():
    bench = Bench(began=(2026, 6, 30, 20))
    live(bench, (2026, 6, 30, 23, 59), heat=2000.0, every_s=60)
    assert bench.now["seasonal_performance"] == pytest.approx(2, rel=0.02)
    live(bench, (2026, 7, 1, 6), heat=5000.0, every_s=60)
    assert bench.now["seasonal_performance"] == pytest.approx(5, rel=0.02)


# What it makes, and remembers


def test_late_and_foreign_readings_change_nothing():
    bench = Bench()
    bench.run(20, outside_temperature=3)
    before = json.dumps(bench.it.state())
    bench.at_ms -= 60_000
    bench.hear("heatpump", "pump", heat_power=99999, operating_mode=4, outside_temperature=50)
    bench.hear("electricity", "mains", active_power=99999, active_energy=1e9)
    bench.at_ms += 600_000
    bench.hear("electricity", "shed", active_power=99999)
    assert json.dumps(bench.it.state()) == before


def test_the_memory_is_small_and_one_of_another_form_is_refused():
    bench = Bench()
    for _ in range(20):
        bench.run(12, outside_temperature=3)
        bench.rest(3)
    state = json.dumps(bench.it.state())
    assert len(state) < 4000
    other = HeatPump("hp", bench.it.options, Context("", Lines(), Path(), Path(), ROME))
    other.restore(json.loads(state))
    assert other.state() == bench.it.state()
    with pytest.raises(ValueError, match="another form"):
        other.restore({"slot": 1})


def test_readings_come_once_a_minute():
    bench = Bench()
    bench.run(10)
    assert len(bench.made) == 10
    assert {(each.kind, each.device) for each in bench.made} == {("heat_pump_performance", "hp")}
    assert datetime.fromtimestamp(bench.made[0].at_ms / 1000, UTC).second == 0


@pytest.mark.parametrize(
    ("more", "option", "sentence"),
    [
        ({"meter": "pump"}, "meter", "'pump' is the heat pump itself"),
        ({"outside": "mains"}, "outside", "'mains' is the electricity meter, no thermometer"),
    ],
)
def test_options_that_contradict_are_refused_at_their_place(more, option, sentence):
    with pytest.raises(BadOption, match=sentence) as refused:
        Bench(**more)
    assert refused.value.option == option
