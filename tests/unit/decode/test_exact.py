"""Decimals are scaled and added as they are meant, and rounded once."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.exact import ratio, scaled, total

decimals = st.decimals(-(10**9), 10**9, places=5)


@pytest.mark.parametrize(
    ("number", "factor", "value"),
    [
        (5_512_000, Fraction(1, 100_000), 55.12),
        (2_820_001, Fraction(1, 100_000), 28.20001),
        (0.1, Fraction(3), 0.3),
        (1e308, Fraction(1000), math.inf),
        (0.0, Fraction(7), 0.0),
    ],
)
def test_what_is_scaled_is_the_nearest_float(number, factor, value):
    assert scaled(number, factor) == value


@given(decimals, decimals)
def test_decimals_are_what_they_are_on_paper(one, other):
    assert scaled(float(one), Fraction(other)) == float(one * other)
    assert total([float(one), float(other)]) == float(one + other)


def test_a_sum_has_no_noise_of_its_parts():
    assert total([0.1, 0.2]) == 0.3
    assert total([]) == 0
    assert ratio(0.001) == (1, 1000)
    assert Decimal(str(total([55.12, 28.2]))) == Decimal("83.32")
