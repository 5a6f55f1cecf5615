import json

import pytest

from collector.contract.alert import alarm_of
from tests.unit.derive.alerts.house import House, made_of, rules, watts

HOT = "when: 'mains.active_power > 5 kW'"


def house(text, **options):
    return House(f"defaults: false, rules: {{{text}}}", **options)


def test_it_rises_when_the_condition_has_held_and_says_since_when_and_how_bad():
    it = house(f"hot: {{{HOT}, for: 30s}}")
    it.pass_s(20, mains=watts(6000))
    it.pass_s(5, mains=watts(100))
    assert it.alarms == []
    began_ms = it.now_ms
    it.pass_s(60, mains=lambda second: watts(9000 if second == 7 else 6000))
    (alarm,) = it.alarms
    assert (alarm.name, alarm.is_raised, alarm.since_ms) == ("hot", True, began_ms)
    assert alarm.at_ms == alarm.notice_ms == began_ms + 30_000
    assert (alarm.value, alarm.worst, alarm.count) == (6000, 9000, 1)


def test_it_is_over_when_it_was_clear_for_long_enough_with_its_duration_and_worst():
    it = house(f"hot: {{{HOT}, clear_for: 1m}}")
    it.pass_s(120, mains=lambda second: watts(8000 if second == 60 else 6000))
    it.pass_s(70, mains=watts(100))
    rose, over = it.alarms
    assert not over.is_raised
    assert (over.since_ms, over.duration_s, over.worst) == (rose.since_ms, 120, 8000)
    assert it.said == [("hot", True), ("hot", False)]


def test_a_value_near_its_limit_ends_nothing():
    it = house(f"hot: {{{HOT}, clear_for: 10s}}, low: {{{HOT}, clear: 3 kW, clear_for: 10s}}")
    it.pass_s(10, mains=watts(5100))
    it.pass_s(60, mains=watts(4800))
    assert it.said == [("hot", True), ("low", True)]
    it.pass_s(60, mains=watts(4000))
    assert it.said[2:] == [("hot", False)]
    it.pass_s(60, mains=watts(2900))
    assert it.said[3:] == [("low", False)]


def test_a_condition_of_its_own_may_end_it():
    it = house(f"hot: {{{HOT}, clear: shed.active_power < 1 W, clear_for: 0}}")
    it.pass_s(10, mains=watts(6000), shed=watts(50))
    it.pass_s(100, mains=watts(10), shed=watts(50))
    assert it.said == [("hot", True)]
    it.pass_s(10, mains=watts(10), shed=watts(0))
    assert it.said == [("hot", True), ("hot", False)]


def test_a_hundred_flaps_in_ten_minutes_are_one_message_and_one_recovery():
    it = house(f"hot: {{{HOT}}}")
    it.pass_s(600, mains=lambda second: watts(6000 if second % 6 < 3 else 100))
    it.pass_s(600, mains=watts(100))
    assert it.said == [("hot", True), ("hot", False)]


def test_a_wildcard_is_an_alert_for_each_device():
    it = house("hot: {when: '*.active_power > 5 kW'}")
    it.pass_s(3, mains=watts(6000), shed=watts(7000), barn=watts(1))
    assert it.said == [("hot.mains", True), ("hot.shed", True)]


def test_a_device_that_falls_silent_is_missed_and_one_that_never_spoke_too():
    it = house("gone: {when: 'age of mains > 2min'}, never: {when: attic missing}")
    it.pass_s(300, mains=watts(1))
    assert it.said == []
    it.pass_s(115)
    assert it.said == []
    it.pass_s(20)
    assert it.said == [("gone", True)]
    it.pass_s(200)
    assert it.said[1:] == [("never", True)]


def test_after_an_absence_of_the_collector_nothing_is_called_missing_at_once():
    it = house("gone: {when: 'age of mains > 2min'}")
    it.pass_s(60, mains=watts(1))
    it.now_ms += 6 * 3_600_000
    it.pass_s(100)
    assert it.said == []
    it.pass_s(60)
    assert it.said == [("gone", True)]


def test_a_clock_that_is_set_back_blinds_no_rule():
    it = house(f"hot: {{{HOT}}}, gone: {{when: 'age of mains > 2min'}}")
    it.pass_s(60, mains=watts(1))
    it.now_ms -= 7_200_000
    it.pass_s(30, mains=watts(1))
    it.pass_s(30, mains=watts(6000))
    assert it.said == [("hot", True)]


def test_a_forecast_raises_nothing_and_a_late_reading_neither():
    it = house(f"hot: {{{HOT}}}")
    it.pass_s(30, mains=watts(1))
    it.hear("electricity", "mains", it.now_ms + 7_200_000, active_power=9e3)
    it.hear("electricity", "mains", it.now_ms - 20_000, active_power=9e3)
    assert it.said == []


def test_it_is_told_again_after_ever_longer_pauses():
    it = house(f"hot: {{{HOT}, repeat: 1h}}")
    it.pass_s(8 * 3600, every_s=10, mains=watts(6000))
    times = sorted({each.notice_ms for each in it.alarms})
    hours = [round((each - times[0]) / 3_600_000) for each in times]
    assert hours == [0, 1, 3, 7]
    never = house(f"hot: {{{HOT}, repeat: 0}}")
    never.pass_s(3 * 86_400, every_s=60, mains=watts(6000))
    assert len(never.said) == 1


def test_in_quiet_hours_only_what_is_urgent_is_told_and_the_rest_at_their_end():
    began_ms = 1_792_972_800_000  # 2026-10-26 00:00 UTC, 01:00 in Rome
    text = f"hot: {{{HOT}}}, fire: {{{HOT}, urgent: true}}"
    it = House(f"defaults: false, quiet: '22:00-07:00', rules: {{{text}}}", "Europe/Rome", began_ms)
    it.pass_s(600, every_s=10, mains=watts(6000))
    it.pass_s(7 * 3600, every_s=10, mains=watts(100))
    assert it.said == [("fire", True), ("fire", False), ("hot", False)]
    last = it.alarms[-1]
    assert last.notice_ms == began_ms + 6 * 3_600_000
    assert (last.since_ms, last.duration_s) == (began_ms, 600)


def test_another_alert_silences_it_on_the_same_device():
    it = house("off: {when: '*.voltage < 1'}, hot: {when: '*.active_power > 1', unless: [off]}")
    it.pass_s(10, mains={"voltage": 0.0, "active_power": 9.0}, shed=watts(9))
    assert it.said == [("off.mains", True), ("hot.shed", True)]
    it.pass_s(400, mains={"voltage": 230.0, "active_power": 9.0})
    assert ("hot.mains", True) in it.said


def test_a_counter_that_falls_is_told_once_without_an_end():
    it = House("")
    it.pass_s(20, mains=lambda second: {"active_energy": 1000.0 + second})
    it.pass_s(4000, every_s=10, mains=lambda second: {"active_energy": 5.0 + second})
    assert it.said == [("counter-fell.mains", True)]
    assert it.alarms[0].value == 1014
    assert not it.alarms[-1].is_raised


def test_no_reading_is_no_reason_to_end_or_to_raise():
    it = house(f"hot: {{{HOT}, clear_for: 0}}")
    it.pass_s(10, mains=watts(6000))
    it.pass_s(600)
    it.pass_s(10, mains={"voltage": 230.0})
    assert it.said == [("hot", True)]


@pytest.mark.parametrize(
    ("reading", "name"),
    [
        (("collector", "mains", {"silence": 130.0}), "collection-failing.mains"),
        (("collector", "history", {"backlog_age": 3700.0}), "backlog.history"),
        (("backup", "backups", {"backup_age": 140_000.0}), "backup-old.backups"),
        (("host", "pi", {"disk_free": 1e9, "disk_used": 15e9}), "disk-full.pi"),
        (("host", "pi", {"under_voltage": 1.0}), "under-voltage.pi"),
        (("collector", "collector", {"clock_trusted": 0.0}), "clock"),
        (("heatpump", "heating", {"status_line1": 3.0}), "heat-pump-error.heating"),
        (("battery", "bank", {"state_of_charge": 12.0}), "battery-low.bank"),
        (("electricity", "mains", {"active_power": 3200.0}), "overload.mains"),
    ],
)
def test_the_projects_rules_see_what_they_are_for(reading, name):
    it = House("contract: 3300")
    kind, device, values = reading
    for _ in range(70):
        it.hear(kind, device, **values)
        if device != "collector":
            it.tick()
        it.now_ms += 10_000
    assert it.said[:1] == [(name, True)]


def test_the_projects_rules_say_nothing_of_a_house_in_which_all_is_well():
    it = House("contract: 3300, peak_of: mains")
    for _ in range(400):
        it.hear("electricity", "mains", active_power=500.0, active_energy=it.now_ms / 1e6)
        it.hear("host", "pi", disk_free=9e9, disk_used=5e9, under_voltage=0.0)
        it.hear("collector", "mains", silence=0.0)
        it.hear("collector", "history", backlog_age=2.0)
        it.hear("backup", "backups", backup_age=3000.0)
        it.hear("battery", "bank", state_of_charge=80.0)
        it.tick(clock_trusted=1.0, running_time=(it.now_ms - 1_792_000_000_000) / 1000)
        it.now_ms += 10_000
    assert it.alarms == []


def test_its_state_is_small_in_a_large_house_and_bounded_with_one_that_makes_up_names():
    it = House("")
    for number in range(3_000):
        it.hear("electricity", f"meter{number}", active_power=1.0, active_energy=1.0)
        it.now_ms += 1
    assert len(json.dumps(it.it.state())) < 500_000


def test_an_alert_whose_rule_is_gone_is_forgotten_at_the_start():
    it = house(f"hot: {{{HOT}}}, old: {{{HOT}}}")
    it.pass_s(10, mains=watts(6000))
    after = rules(f"hot: {{{HOT}}}")
    after.restore(json.loads(json.dumps(it.it.state())))
    assert [each.name for each in after.standing()] == ["hot"]


@pytest.mark.parametrize(
    "state", [None, [], {}, {"form": 0}, {"form": 1}, {"form": 1, "alerts": 3}]
)
def test_a_state_of_another_form_is_refused(state):
    with pytest.raises(ValueError, match="another form"):
        made_of("").restore(state)


def test_an_alarm_is_a_reading_and_back():
    it = house(f"hot: {{{HOT}}}")
    it.pass_s(3, mains=watts(6000))
    (alarm,) = it.alarms
    assert alarm_of(alarm.reading()) == alarm
