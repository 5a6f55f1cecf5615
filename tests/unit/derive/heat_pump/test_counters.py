"""Counters that fall and jump: what counts is what was used."""

import pytest

from collector.derive.heat_pump.counters import Counter, Held, Limits

LIMITS = Limits(43_470, 100)
MINUTE = 60_000
HOUR = 3_600_000
DAY = 24 * HOUR


def total(series, limits=LIMITS):
    counter = Counter()
    return sum(counter.step(value, at_ms, limits) for at_ms, value in series)


def every(step_ms, *values):
    return [(1_000_000 + step_ms * number, value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "series", "right"),
    [
        ("E1 a low value", every(15 * MINUTE, 25567548, 3, 25567550), 2),
        ("E2 a false 0", every(MINUTE, 13423700, 0, 13423700), 0),
        ("E2 ten false zeros within a minute", every(5000, 13423700, *[0] * 10, 13423700), 0),
        ("E3 it trembles", every(MINUTE, 215600, 215700, 215600, 215600, 215700), 100),
        ("E4 a restart", every(MINUTE, 439534, 718, 718, 718, 800), 800),
        ("E5 0 at the end", [(1, 10420), *[(90 * DAY + n * MINUTE, 0) for n in range(3)]], 0),
        ("E11 a jump", every(MINUTE, 33470, 15508510, 33480), 10),
        ("E12 two values in turn", every(MINUTE, 280, 83871349, 290), 10),
        ("E15 more than the fuse", every(1000, 1000, 2000, 1001), 1),
        ("E16 three days away", [(1, 100000), (3 * DAY, 141200)], 41200),
        (
            "E17 a restart while away",
            [(1, 900000), *[(3 * HOUR + n * MINUTE, 5000) for n in range(3)], (4 * HOUR, 5100)],
            5100,
        ),
        ("a new counter that shows more", every(MINUTE, 100, *[9e6] * 4, 9.0001e6), 100),
        (
            "what a new counter adds until it is believed",
            every(MINUTE, 100, 9e6, 9.0001e6, 9.0002e6),
            200,
        ),
        ("false zeros for an hour", every(MINUTE, 13423700, *[0] * 60, 13424700, 13424800), 1100),
    ],
)
def test_a_series_comes_to_what_was_used(name, series, right):
    assert total(series) == pytest.approx(right), name


def test_where_it_may_a_fall_is_a_fall():
    counter = Counter()
    counter.step(5000, 0, LIMITS)
    assert counter.step(4900, MINUTE, LIMITS, may_fall=True) == -100
    assert counter.step(5100, 2 * MINUTE, LIMITS) == 200


def test_a_power_holds_until_the_next_reading_and_over_no_gap():
    held = Held()
    for number in range(6):
        held.step(0.0, number * 10_000)
    assert held.step(6000.0, 20 * DAY) == (0.0, 0)
    assert sum(held.step(6000.0, 20 * DAY + 10_000 * n)[0] for n in range(1, 181)) == pytest.approx(
        3000
    )
