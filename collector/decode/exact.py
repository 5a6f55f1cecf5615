"""Numbers as their senders mean them: decimals, scaled and added exactly, and rounded only once.

In binary 5512000 times 0.00001 is 55.120000000000005, and 0.1 + 0.2 is 0.30000000000000004. Here
they are 55.12 and 0.3: the float that is nearest to what is meant.
"""

import functools
import math
from collections.abc import Iterable
from fractions import Fraction


@functools.cache
def ratio(scale: float) -> tuple[int, int]:
    """Return the decimal that *scale* is written as, as numerator and denominator."""
    return Fraction(repr(scale)).as_integer_ratio()


def meant(number: float) -> Fraction:
    """Return the decimal that *number* is written as. It must be finite."""
    return Fraction(int(number)) if number == int(number) else Fraction(repr(number))


def scaled(number: float, factor: Fraction) -> float:
    """Return *number* times *factor*; infinity where no float is as large."""
    try:
        return float(meant(number) * factor)
    except OverflowError:
        return math.inf


def total(numbers: Iterable[float]) -> float:
    """Return the sum of finite *numbers*."""
    return float(sum(map(meant, numbers), Fraction(0)))
