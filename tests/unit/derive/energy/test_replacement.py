"""What the owner says of a meter, and what becomes of a decision that was wrong."""

import json
import logging
from typing import Any

import pytest

from collector.contract import BadOption
from collector.ledger.decisions import MEANINGS, Code, meaning, sentence
from collector.reading import Reading
from tests.unit.derive.energy.house import (
    BEGIN_MS,
    HOUR,
    MINUTE,
    QUANTITY,
    codes,
    counted,
    counter,
    derivation,
    events,
    in_ledger,
    replaced,
    series,
    undo,
)

FELL = [(0, 5000.5), (MINUTE, 5010.5), *[((2 + n) * MINUTE, 700.5 + n) for n in range(8)]]
JUMPED = [(0, 5000.5), (MINUTE, 5010.5), *[((2 + n) * MINUTE, 95000.5 + n) for n in range(8)]]


def test_a_reset_that_was_a_replacement_is_undone_and_nothing_is_counted_for_it():
    readings = series(*FELL)
    made = derivation().derive(readings)
    assert counted(made) == 10 + 700.5 + 7
    it = derivation()
    made = it.derive([*readings, undo(HOUR, 1)])
    assert codes(made) == [Code.RESET, Code.UNDONE]
    assert events(made)[1]["event_correction"] == -700.5
    assert events(made)[1]["event_of"] == 1
    assert counted(made) == 17
    assert sum(in_ledger(made)[1:]) == -700_500_000  # at the time of the reset
    assert it.derive([undo(2 * HOUR, 1)]) == []


def test_a_jump_that_was_energy_is_undone_and_all_of_it_is_counted():
    made = derivation().derive([*series(*JUMPED), undo(HOUR, 1)])
    assert codes(made) == [Code.JUMP, Code.UNDONE]
    assert counted(made) == 95007.5 - 5000.5


def test_a_replacement_that_was_told_late_can_be_undone_again():
    told = replaced(HOUR, 5020, 700, 2 * MINUTE)
    it = derivation()
    made = it.derive([*series(*FELL), told])
    assert counted(made) == 10 + 9.5 + 0.5 + 7
    assert codes(made) == [Code.RESET, Code.REPLACED]
    made += it.derive([undo(2 * HOUR, 2)])
    assert counted(made) == 10 + 7


def test_what_does_not_fit_what_was_read_changes_nothing():
    for told in (
        replaced(HOUR, 3000, 0, 2 * MINUTE),  # the old meter had shown more
        replaced(HOUR, 5020, 800, 2 * MINUTE),  # the new one had shown less
    ):
        made = derivation().derive([*series(*FELL), told])
        assert codes(made) == [Code.RESET, Code.REFUSED]
        assert counted(made) == 717.5


def test_a_display_shows_fewer_digits_than_the_line():
    made = derivation().derive([*series(*FELL), replaced(HOUR, 5010, 0, 2 * MINUTE)])
    assert counted(made) == 10 + 0 + 700.5 + 7


def test_what_the_owner_says_of_an_unknown_meter_is_told_in_the_log(caplog):
    with caplog.at_level(logging.WARNING):
        assert derivation().derive([undo(0, 1), replaced(0, 1, 1, 0, device="shed")]) == []
    assert "no counter of shed is known" in caplog.text
    it = derivation()
    it.derive(series(*FELL))
    record = Reading("meter_undo", "mains", BEGIN_MS + HOUR, {"x": 1.0})
    with caplog.at_level(logging.WARNING):
        assert it.derive([record, counter(2 * HOUR, 710)]) != []
    assert "lacks 'undo_event'" in caplog.text


def test_the_log_says_a_decision_in_one_sentence(caplog):
    with caplog.at_level(logging.WARNING):
        derivation().derive(series(*FELL))
    assert caplog.messages[0] == (
        "mains: 1: active_energy_import fell from 5.0105 kWh to 0.7005 kWh and counts on: taken "
        "for a reset, 0.7005 kWh counted; if the meter was replaced, tell it with "
        "'energy-monitor meter replace'"
    )


def test_every_code_has_a_sentence():
    assert set(MEANINGS) == set(Code)
    for code in Code:
        assert "{" not in sentence(QUANTITY, {QUANTITY: 1.0, "event": code})
    assert meaning(99).name == "unknown"


def test_false_zeros_all_the_time_are_told_once_an_hour():
    values = [(n * MINUTE, 0 if n % 2 else 1000.5 + n) for n in range(300)]
    made = derivation().derive(series(*values))
    assert len(codes(made)) == 5
    assert counted(made) == 298
    assert sum(each["event_count"] for each in events(made)) > 100


def test_a_counter_that_comes_late_goes_on_from_what_power_came_to():
    def power(at_ms):
        return Reading("electricity", "mains", BEGIN_MS + at_ms, {"active_power": 600.0})

    readings = [power(n * 10_000) for n in range(91)]
    made = derivation().derive(
        [*readings, *series(*[(15 * MINUTE + n, 9000) for n in (1, 60_000)])]
    )
    assert counted(made) == 150
    energies = [each.values[QUANTITY] for each in made]
    assert energies == sorted(energies)


def test_power_of_a_device_with_a_counter_is_left_alone():
    values = {"active_power": 1000.0}
    readings = [Reading("electricity", "mains", BEGIN_MS + n * 1000, values) for n in range(900)]
    made = derivation().derive([counter(-1000, 5), *readings])
    assert [each.values for each in made] == [{QUANTITY: 5.0}]


def test_power_that_is_fed_in_is_export():
    def power(at_ms, value):
        return Reading("electricity", "mains", BEGIN_MS + at_ms, {"active_power": value})

    readings = [power(n * 10_000, 360.0 if n < 90 else -720.0) for n in range(181)]
    made = derivation().derive(readings)
    assert counted(made) == 90
    assert counted(made, quantity="active_energy_export") == 180


def test_readings_each_five_minutes_are_shared_at_the_quarters():
    made = derivation().derive(series(*[(n * 5 * MINUTE + 60_000, n * 30) for n in range(20)]))
    assert in_ledger(made)[1] == 0
    edges = [each.at_ms % 900_000 for each in made[3:]]
    assert set(edges) == {0}


def test_devices_and_their_state_are_bounded(caplog):
    it = derivation()
    with caplog.at_level(logging.WARNING):
        for number in range(2000):
            it.derive([counter(0, 123456.789, device=f"m{number}")])
    assert len(json.dumps(it.state())) < 500_000
    assert caplog.text.count("no more are used") == 1


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"devices": {"a": {"rolls_over_at": {"voltage": 5}}}}, "devices.a.rolls_over_at.voltage"),
        (
            {"devices": {"a": {"rolls_over_at": {QUANTITY: 0}}}},
            f"devices.a.rolls_over_at.{QUANTITY}",
        ),
        ({"kinds": ["energy"]}, "kinds"),
    ],
)
def test_a_wrong_option_is_named(options, path):
    with pytest.raises(BadOption) as caught:
        derivation(**options)
    assert caught.value.option == path


def test_a_state_that_is_none_is_refused():
    states: list[Any] = [[], {"a": 1}, {"a": [{}, None, 1, 2]}]
    for state in [*states, {"a": [{"b": [1]}, None, 1, 2, []]}]:
        with pytest.raises(ValueError):  # noqa: PT011  any
            derivation().restore(state)


def test_readings_years_apart_make_few_points():
    values = [(n * 365 * 24 * HOUR, n * 1000) for n in range(6)]
    made = derivation().derive(series(*values))
    assert len(made) < 20
    assert counted(made) == 5000


def test_a_record_of_what_is_no_counter_changes_nothing():
    it = derivation()
    it.derive(series(*FELL))
    values = {"voltage": 1.0, "meter_final": 1.0, "meter_time": 1.0}
    record = Reading("meter_replaced", "mains", BEGIN_MS + HOUR, values)
    assert it.derive([record]) == []


def test_what_is_told_of_two_counters_that_fell_together_is_undone_for_both():
    def both(minute, imported, exported):
        values = {QUANTITY: float(imported), "active_energy_export": float(exported)}
        return Reading("electricity", "mains", BEGIN_MS + minute * MINUTE, values)

    fell = [both(2 + n, 10 + n, 5) for n in range(8)]
    made = derivation().derive([both(0, 5000, 700), both(1, 5000, 700), *fell, undo(HOUR, 1)])
    assert counted(made) == 7
    assert counted(made, quantity="active_energy_export") == 0
