"""Capacity at a current: Victron's worked example and makers' tables."""

import pytest

from collector.derive.battery_bank.capacity import BadTable, Capacity, check, exponent

VICTRON = [(5, 75), (20, 100)]
T105 = [(5, 185), (10, 207), (20, 225), (100, 250)]


def reserve(minutes, capacity):
    """Return both rows of a data sheet with the minutes at 25 A and the Ah at 20 h."""
    return (20, capacity), (minutes / 60, 25 * minutes / 60)


def test_victrons_example_has_the_exponent_1_26():
    assert exponent((20, 100), (5, 75)) == pytest.approx(1.26186, abs=1e-5)


@pytest.mark.parametrize(
    ("rows", "slope", "current", "hours"),
    [
        (VICTRON, 0, 10, 8.340),
        (VICTRON, 0, 30, 2.085),
        (VICTRON, 0, 50, 1.094),
        ([(20, 100)], 1.25, 10, 8.409),
        ([(20, 100)], 1.25, 20, 3.536),
        ([(20, 100)], 1.25, 50, 1.125),
        ([(20, 100)], 1, 50, 2.0),
        ([(20, 100)], 1.25, 5, 20.0),
    ],
)
def test_a_current_lasts_as_long_as_victron_says(rows, slope, current, hours):
    assert Capacity(rows, slope).hours(current) == pytest.approx(hours, abs=6e-4)


@pytest.mark.parametrize(
    ("name", "minutes", "capacity", "wanted"),
    [
        ("8GGC", 375, 180, 1.14),
        ("T-105", 447, 225, 1.237),
        ("T-125", 488, 235, 1.19),
        ("T-145", 530, 244, 1.14),
        ("J250", 535, 250, 1.165),
        ("J305", 660, 305, 1.21),
        ("L16", 760, 350, 1.28),
        ("24TM", 135, 85, 1.23),
        ("EV8D", 450, 216, 1.17),
    ],
)
def test_reserve_minutes_and_rating_give_the_exponent(name, minutes, capacity, wanted):
    assert exponent(*reserve(minutes, capacity)) == pytest.approx(wanted, abs=0.0051), name


def test_at_its_own_rows_a_table_is_exact_where_one_exponent_is_not():
    capacity = Capacity(T105, 1)
    for hours, ah in T105:
        assert capacity.at(ah / hours) == pytest.approx(ah)
    assert capacity.rated == 225


def test_between_rows_the_capacity_lies_on_the_line_of_the_logarithms():
    capacity = Capacity(T105, 1)
    middle = (185 / 5 * 207 / 10) ** 0.5
    assert capacity.at(middle) == pytest.approx((185 * 207) ** 0.5)


def test_outside_the_end_slope_goes_on_and_beyond_a_factor_of_2_that_is_said():
    capacity = Capacity(T105, 1)
    n = exponent((10, 207), (5, 185))
    assert capacity.hours(74) == pytest.approx(5 * 0.5**n)
    assert not capacity.is_far(74)
    assert not capacity.is_far(1.25)
    assert capacity.is_far(75)
    assert capacity.is_far(1.2)
    assert not Capacity([(20, 225)], 1.25).is_far(225)


def test_a_table_without_a_row_of_20_hours_counts_from_the_nearest():
    assert Capacity([(5, 185), (10, 207)], 1).rated == 207
    assert Capacity([(10, 207), (100, 250)], 1).rated == pytest.approx(
        207 * (250 / 207) ** 0.30103, rel=1e-5
    )


@pytest.mark.parametrize(
    ("rows", "row", "sentence"),
    [
        ([(20, 100), (5, 75)], 1, "5 h follows 20 h: the hours must rise from row to row"),
        ([(5, 75), (5, 80)], 1, "the hours must rise"),
        ([(5, 75), (10, 90), (20, 200)], 2, "from 10 h to 20 h the current rises from 9 to 10 A"),
        ([(0.75, 36.5), (20, 32)], 1, "a Peukert exponent of 0.96: below 1 a battery would give"),
    ],
)
def test_a_table_that_no_battery_has_is_refused_with_its_row(rows, row, sentence):
    with pytest.raises(BadTable, match=sentence) as refused:
        check(rows)
    assert refused.value.row == row


def test_a_table_whose_capacity_does_not_depend_on_the_current_is_one():
    check([(1, 100), (5, 100), (20, 100)])
    assert Capacity([(1, 100), (5, 100)], 1).at(400) == pytest.approx(100)
