"""The cases on which other programs fail, each with its right answer."""

import random
from typing import Any

import pytest

from collector.ledger.decisions import Code
from collector.reading import Reading
from tests.unit.derive.energy.house import (
    BEGIN_MS,
    DAY,
    HOUR,
    MINUTE,
    QUANTITY,
    SECOND,
    codes,
    counted,
    counter,
    derivation,
    events,
    exact,
    replaced,
    series,
)

EXPORT = "active_energy_export"


def minutely(*values, begin=0, every=MINUTE):
    return [(begin + number * every, value) for number, value in enumerate(values)]


def rising(at, value, steps, step, every=MINUTE):
    """Go on from a value: *steps* readings, *step* more each time."""
    return [(at + n * every, round(value + n * step, 6)) for n in range(1, steps + 1)]


ORNO = {"mains": {"rolls_over_at": {QUANTITY: 1e9}}}
CASES: dict[str, Any] = {
    "E1 a low value, and back fifteen minutes later": (
        {},
        [*minutely(25567546.5, 25567548), (2 * MINUTE, 31.25), (16 * MINUTE, 25567550)],
        3.5,
        [Code.SET_ASIDE],
    ),
    "E2 a false zero": ({}, minutely(13423700, 0, 13423700), 0, [Code.SET_ASIDE]),
    "E3 jitter of one step": ({}, minutely(215600, 215700, 215600, 215600, 215700), 100, []),
    "E4 a restart": (
        {},
        [
            (0, 38534),
            (5 * DAY, 439534),
            (5 * DAY + 5 * MINUTE, 718),
            *rising(5 * DAY + 5 * MINUTE, 718, 10, 8.2),
            (10 * DAY, 6800),
        ],
        407800,
        [Code.RESET],
    ),
    "E5 zero after three months": (
        {},
        [*minutely(10410, 10420), *minutely(0, 0, 0, 0, begin=90 * DAY)],
        10,
        [],
    ),
    "E6 the same value after a month": ({}, [*minutely(1400, 1400), (30 * DAY, 1400)], 0, []),
    "E8 a gas meter that starts at zero": (
        {},
        [*minutely(553.10, 553.10, 0, 0, 0, 0)],
        0,
        [],
    ),
    "E8 the same, and it counts on": (
        {},
        minutely(553.10, 553.10, 0, 0, 0, 0, 0.01, 0.02),
        0.02,
        [Code.RESET],
    ),
    "E9 23 bits of 0.1 Wh": (
        {"devices": {"mains": {"rolls_over_at": {QUANTITY: 838860.8}}}},
        [*minutely(838850.1, 838857.6, 10.2), *rising(2 * MINUTE, 10.2, 4, 1.1)],
        7.5 + 13.4 + 4.4,
        [Code.ROLL_OVER],
    ),
    "E10 a display of three digits": (
        {"devices": {"mains": {"rolls_over_at": {QUANTITY: 1000}}}},
        [*minutely(999.80, 999.93, 9.11), *rising(2 * MINUTE, 9.11, 4, 0.1)],
        0.13 + 9.18 + 0.4,
        [Code.ROLL_OVER],
    ),
    "E11 a sum that no house can use in ten seconds": (
        {},
        [
            *minutely(33450, 33470, every=10 * SECOND),
            (20 * SECOND, 15508510),
            *minutely(33480, 33490, 33500, 33510, begin=30 * SECOND, every=10 * SECOND),
        ],
        60,
        [Code.SET_ASIDE],
    ),
    "E12 one sample of another counter": (
        {},
        minutely(838713498922641, 280854869492039, 838713498922899),
        258,
        [Code.SET_ASIDE],
    ),
    "E14 eight digits of 0.01 kWh": (
        {"devices": ORNO},
        [*minutely(999_999_970, 999_999_990, 10), *rising(2 * MINUTE, 10, 4, 10)],
        20 + 20 + 40,
        [Code.ROLL_OVER],
    ),
    "E14 it does not roll over at 16 bits": (
        {"devices": ORNO},
        minutely(655_340, 655_350, 655_360, 655_370),
        30,
        [],
    ),
    "E15 a step that the fuse does not allow": (
        {"devices": {"mains": {"fuse": "25 A"}}},
        [
            *[(n * SECOND, 1000.5 + n) for n in range(10)],
            (10 * SECOND, 2010.5),
            *[(n * SECOND, 1000.5 + n) for n in range(11, 61)],
        ],
        60,
        [Code.SET_ASIDE],
    ),
    "E15 a step that stays is a replacement and no energy": (
        {"devices": {"mains": {"fuse": "25 A"}}},
        [
            *[(n * SECOND, 1000.5 + n) for n in range(10)],
            *[(n * SECOND, 2000.5 + n) for n in range(10, 181)],
        ],
        9 + 170,
        [Code.JUMP],
    ),
    "E16 three days away": (
        {},
        [*minutely(8000, 8010), *minutely(49210, 49220, begin=3 * DAY)],
        41220,
        [],
    ),
    "E17 reset while nothing was read": (
        {},
        [
            *minutely(899990, 900000),
            *[(3 * HOUR + at, value) for at, value in [(0, 5000), *rising(0, 5000, 4, 1)]],
        ],
        10 + 5000 + 4,
        [Code.RESET_IN_GAP],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_right_answer(case):
    options, values, right, decided = CASES[case]
    made = derivation(**options).derive(series(*values))
    assert counted(made) == pytest.approx(right, abs=1e-9)
    assert codes(made) == decided
    energies = [each.values[QUANTITY] for each in made if each.kind == "energy"]
    assert energies == sorted(energies)


def test_e7_old_and_new_part_of_a_replacement_that_is_told_before_during_and_after():
    before = minutely(12345100, 12345200)
    after = [(10 * MINUTE, 400), *rising(10 * MINUTE, 400, 5, 100)]
    told: dict[str, int] = {"final": 12345600, "first": 300, "when": 5 * MINUTE}
    right = 100 + 400 + 100 + 500
    for said_at in (6 * MINUTE, 11 * MINUTE, 15 * MINUTE, 20 * MINUTE):
        readings = [*series(*before, *after), replaced(said_at, **told)]
        readings.sort(key=lambda each: each.at_ms)
        made = derivation().derive(readings)
        assert counted(made) == right, said_at
        assert Code.REPLACED in codes(made)


def test_e13_a_heater_at_zero_for_20_days_and_then_at_6_kw():
    def power(at_ms, value):
        return Reading("electricity", "mains", BEGIN_MS + at_ms, {"active_power": value})

    begin = 20 * DAY
    on = [power(begin + n * SECOND, 6000.0) for n in range(1801)]
    made = derivation().derive([power(0, 0.0), power(1000, 0.0), *on])
    assert counted(made) == 3000
    assert all(each.values["from_power"] == 1 for each in made)
    gap = [each.at_ms for each in made if each.at_ms in {BEGIN_MS + 1000, BEGIN_MS + begin}]
    assert len(gap) == 2


def test_e18_import_and_export_of_a_meter_are_reset_together_once():
    def both(minute, imported, exported):
        values = {QUANTITY: float(imported), EXPORT: float(exported)}
        return Reading("electricity", "mains", BEGIN_MS + minute * MINUTE, values)

    made = derivation().derive(
        [
            both(0, 5000, 7000),
            both(1, 5010, 7000),
            both(2, 10, 0),
            *[both(3 + n, 20 + 10 * n, 0) for n in range(6)],
            both(9, 80, 5),
        ]
    )
    assert counted(made) == 90
    assert counted(made, quantity=EXPORT) == 5
    assert codes(made) == [Code.RESET, Code.RESET]
    assert {each["event_number"] for each in events(made)} == {1.0}
    assert len({each.at_ms for each in made if each.kind == "counter_event"}) == 2


@pytest.mark.parametrize("every", [5 * MINUTE, MINUTE, 10 * SECOND])
def test_what_is_counted_before_a_reset_is_decided_is_of_its_own_minute(every):
    used = (7, 3000, 20, 900, 11, 5, 60, 80)  # Wh by five minutes
    totals = [sum(used[:n]) for n in range(len(used) + 1)]
    readings = []
    for at in range(0, len(used) * 5 * MINUTE + 1, every):
        full, rest = divmod(at, 5 * MINUTE)
        value = totals[full] + (used[full] * rest / (5 * MINUTE) if rest else 0)
        readings.append(counter(at, value if at else 900_000))
    made = derivation().derive(readings)
    shown = {each.at_ms - BEGIN_MS: each.values[QUANTITY] for each in made if each.kind == "energy"}
    for at in (15 * MINUTE, 30 * MINUTE):
        assert shown[at] == pytest.approx(900_000 + totals[at // (5 * MINUTE)], abs=1e-3), at


def test_a_drop_is_neither_accepted_nor_forgotten():
    it = derivation()
    it.derive(series(*minutely(1000.5, 1001.5, 0, 0, 0, 0, 0)))
    (known,) = it.devices["mains"].counters.values()
    assert (known.raw, known.total) == (exact(1001.5), exact(1001.5))
    assert known.pending is not None
    assert known.pending.begin == 0
    assert it.derive([counter(8 * MINUTE, 1004.5)])[-1].kind == "counter_event"
    assert known.total == exact(1004.5)


@pytest.mark.parametrize(
    "shown",
    [
        lambda chance, _: chance.randrange(5000),  # a power
        lambda chance, _: chance.randrange(50) / 10,  # the energy of each minute
        lambda chance, _: 230 + chance.randrange(-50, 50) / 10,
        lambda _, minute: minute % 1440 * 2.0,  # since midnight
    ],
)
def test_a_counter_that_is_none_is_told_never_falls_and_harms_no_other(shown):
    chance, it, made = random.Random(1), derivation(), []
    days = 3
    for minute in range(days * 1440 + 1):
        values = {QUANTITY: float(shown(chance, minute)), EXPORT: 7000 + minute * 2.0}
        made += it.derive([Reading("electricity", "mains", BEGIN_MS + minute * MINUTE, values)])
    counts = [
        each.values[QUANTITY] for each in made if each.kind == "energy" and QUANTITY in each.values
    ]
    assert counts == sorted(counts)
    assert 2 <= len(codes(made)) < days * 150  # each fall that lasts, but not each value
    assert counted(made) <= days * 24 * 6_000 * 1.1  # what the fuse lets through
    assert counted(made, quantity=EXPORT) == days * 1440 * 2
