from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.unit.derive.alerts.house import House

ROME = "Europe/Rome"
BEGAN = datetime(2026, 9, 1, tzinfo=ZoneInfo(ROME))


def days(it, count, night_w=100.0, day_wh=8_000.0):
    """Let days pass, a reading every 5 minutes."""
    for _ in range(count):
        for step in range(288):
            hour = step / 12
            power = night_w if hour < 6 else (day_wh - 6 * night_w) / 18
            it.energy += power / 12
            it.hear("electricity", "mains", active_power=power, active_energy=it.energy)
            it.tick()
            it.now_ms += 300_000


def begin(text=""):
    it = House(text, ROME, round(BEGAN.timestamp() * 1000))
    it.energy = 1_000_000.0
    return it


def test_something_that_stays_on_for_three_nights_is_told():
    it = begin()
    days(it, 20)
    assert it.said == []
    days(it, 2, night_w=130.0)
    assert it.said == []
    days(it, 2, night_w=130.0)
    assert it.said == [("stays-on.mains", True)]
    assert round(it.alarms[0].value) == 30


def test_a_day_that_used_far_more_than_its_weekday_does_is_told_the_day_after():
    it = begin()
    days(it, 35)
    days(it, 1, day_wh=20_000.0)
    assert it.said == []
    days(it, 1)
    assert it.said == [("day-unusual.mains", True)]
    told = datetime.fromtimestamp(it.alarms[0].at_ms / 1000, ZoneInfo(ROME))
    assert told.date() == (BEGAN + timedelta(days=36)).date()


def test_an_outage_or_a_counter_that_is_reset_makes_no_unusual_day():
    it = begin()
    days(it, 35)
    it.now_ms += 24 * 3_600_000
    it.energy += 50_000
    days(it, 2)
    it.energy = 1.0
    days(it, 2)
    assert [name for name, _ in it.said] == ["counter-fell.mains"]


def test_a_new_peak_of_the_month_is_told_while_it_is_on_its_way():
    it = begin("peak_of: mains, rules: {day-unusual: {off: true}, stays-on: {off: true}}")
    days(it, 3)
    assert it.said == []
    for step in range(45):
        it.hear("electricity", "mains", active_power=3000.0)
        it.now_ms += 20_000
        if step == 10:
            assert it.said == []
    assert it.said == [("month-peak.mains", True)]
    assert it.alarms[0].at_ms < it.now_ms - 500_000


def test_three_starts_within_an_hour_are_told():
    it = House("")
    for running in (10, 20, 30, 10, 20, 10, 20):
        it.tick(running_time=float(running))
        it.now_ms += 10_000
    assert it.said == []
    it.tick(running_time=10.0)
    assert it.said == [("restarts", True)]
