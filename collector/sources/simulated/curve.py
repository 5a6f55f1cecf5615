"""Power over one day as straight lines between corners, and the exact energy under them.

Corners are (seconds since local midnight, watts) in the order of time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat
from operator import add, mul, sub, truediv

Corners = list[tuple[float, float]]

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Curve:
    """Power over one day. *energy_wh* is what has flowed from midnight to each corner."""

    seconds: tuple[float, ...]
    watts: tuple[float, ...]
    energy_wh: tuple[float, ...]


def through(corners: Corners) -> Curve:
    """Return the curve through *corners*."""
    seconds, watts = zip(*corners, strict=True)
    heights, widths = map(add, watts, watts[1:]), map(sub, seconds[1:], seconds)
    areas = map(truediv, map(mul, heights, widths), repeat(2 * SECONDS_PER_HOUR))
    return Curve(seconds, watts, tuple(accumulate(areas, initial=0.0)))


def corner_before(curve: Curve, second: float) -> int:
    return min(bisect_right(curve.seconds, second), len(curve.seconds) - 1) - 1


def power_at(curve: Curve, second: float) -> float:
    """Return the power in W at *second* of the day."""
    index = corner_before(curve, second)
    start_s, end_s = curve.seconds[index : index + 2]
    start_w, end_w = curve.watts[index : index + 2]
    return start_w + (end_w - start_w) * (second - start_s) / (end_s - start_s)


def energy_until(curve: Curve, second: float) -> float:
    """Return the Wh that flowed from midnight to *second*; the curve must not go below 0 W."""
    index = corner_before(curve, second)
    mean_w = (curve.watts[index] + power_at(curve, second)) / 2
    flowed_wh = mean_w * (second - curve.seconds[index]) / SECONDS_PER_HOUR
    # Rounding must not carry it beyond the next corner: a counter would seem to step back there.
    return min(curve.energy_wh[index] + flowed_wh, curve.energy_wh[index + 1])


def extremes(curve: Curve, start: float, end: float) -> tuple[float, float]:
    """Return the lowest and the highest power in W from *start* to *end*."""
    inside = slice(bisect_right(curve.seconds, start), bisect_left(curve.seconds, end))
    watts = (power_at(curve, start), power_at(curve, end), *curve.watts[inside])
    return min(watts), max(watts)


def weighted_sum(weighted: Iterable[tuple[Corners, float]]) -> Corners:
    """Return the corners of the sum of lines over the same time, each times its weight."""
    weighted = list(weighted)
    seconds = sorted({second for corners, _ in weighted for second, _ in corners})
    watts = [0.0] * len(seconds)
    for corners, weight in weighted:
        first = 0
        for (start_s, start_w), (end_s, end_w) in pairwise(corners):
            after = bisect_left(seconds, end_s, first)
            slope = (end_w - start_w) / (end_s - start_s)
            if start_w or end_w:
                for index in range(first, after):
                    watts[index] += weight * (start_w + slope * (seconds[index] - start_s))
            first = after
        watts[-1] += weight * corners[-1][1]
    return list(zip(seconds, watts, strict=True))


def cut_at_zero(corners: Corners) -> Corners:
    """Return *corners* with one more wherever the line crosses 0 W."""
    cut = corners[:1]
    for (start_s, start_w), (end_s, end_w) in pairwise(corners):
        if start_w * end_w < 0:
            crossing_s = start_s + (end_s - start_s) * start_w / (start_w - end_w)
            if start_s < crossing_s < end_s:
                cut.append((crossing_s, 0.0))
        cut.append((end_s, end_w))
    return cut


def above_zero(corners: Corners, sign: int = 1) -> Corners:
    """Return the side of *corners*, cut at zero, that lies above 0 W; below it with *sign* -1."""
    return [(second, max(sign * watts, 0.0)) for second, watts in corners]
