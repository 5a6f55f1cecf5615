"""Lines and bars as SVG: what is seen before, or without, the page's script. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from collector.contract.views import EnergyView, Point
from collector.page.figures import Figure, Writer

SPARK_HEIGHT = 30.0
STILL_POINTS = 160  # of a line without script
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
LEAST_SPAN = 0.01  # of a line that is nearly flat
RULES = 4  # at most so many lines across
BARS_LOW, BARS_HIGH = 250, 14  # px: foot of the bars, top; the chart is 280 high
PARTS = 6  # colours of parts; a heat pump, the largest of them, has its own
HEAT_PUMP = "heat_pump"
MOST_NAMES = 8  # under the bars of a phone


class Spark(NamedTuple):
    """A small line: *d* the line, *under* the area, of 100 by 30."""

    d: str
    under: str
    low: float
    high: float


def sparkline(points: Sequence[tuple[int, float]]) -> Spark | None:
    """Return the line through *points*; None where two are missing."""
    if len(points) < 2:  # noqa: PLR2004
        return None
    values = [value for _, value in points]
    low, high = min(values), max(values)
    begin, span = points[0][0], (points[-1][0] - points[0][0]) or 1
    margin = max((high - low) * 0.08, abs(high) * 0.01, 0.5)
    bottom, height = low - margin, (high - low) + 2 * margin
    places = [
        (100 * (at - begin) / span, SPARK_HEIGHT * (1 - (value - bottom) / height))
        for at, value in points
    ]
    d = f"M{' '.join(f'{x:.1f} {y:.1f}' for x, y in places)}"
    return Spark(d, f"{d}V{SPARK_HEIGHT:.0f}H{places[0][0]:.1f}z", low, high)


def scale_of(low: float, high: float) -> tuple[float, float, float]:
    """Return bottom, top and step of a scale of round numbers that holds *low* to *high*."""
    low = min(low, 0.0) if low < high / 2 else low
    high = max(high, low + max(abs(low) * LEAST_SPAN, 1e-6))
    raw = (high - low) / RULES
    size = 10.0 ** len(f"{int(raw)}") / 10 if raw >= 1 else 10.0 ** -_zeros(raw)
    step = next(each * size for each in NICE if each * size >= raw - 1e-12)
    bottom = step * (low // step)
    top = step * -(-high // step)
    return bottom, top if top > bottom else bottom + step, step


def _zeros(share: float) -> int:
    """Return by how many decimals the first figure of a number below 1 is behind the point."""
    return next((each for each in range(1, 12) if share * 10**each >= 1), 12)


def rules(bottom: float, top: float, step: float) -> list[float]:
    count = round((top - bottom) / step)
    return [bottom + step * each for each in range(count + 1)]


class Still(NamedTuple):
    """A line with its band from the lowest to the highest value, of 1000 by 1000."""

    lines: tuple[str, ...]
    bands: tuple[str, ...]
    before: tuple[str, ...]
    bottom: float
    top: float


def still(
    points: Sequence[Point], before: Sequence[Point], begin_ms: int, end_ms: int, shift_ms: int
) -> Still | None:
    """Return the drawing of a history, thinned out: every step keeps its extremes."""
    seen = [each for each in points if each[1] is not None]
    if not seen:
        return None
    lows = [low if low is not None else mean or 0.0 for _, mean, low, _ in seen]
    highs = [high if high is not None else mean or 0.0 for _, mean, _, high in seen]
    bottom, top, _ = scale_of(min(lows), max(highs))
    span = (end_ms - begin_ms) or 1

    def place(at_ms: int, value: float) -> str:
        return f"{1000 * (at_ms - begin_ms) / span:.0f} {1000 * (top - value) / (top - bottom):.0f}"

    lines, bands = [], []
    for run in runs(thinned(points, STILL_POINTS)):
        lines.append("M" + " ".join(place(at, mean) for at, mean, _, _ in run))
        if all(low != high for _, _, low, high in run):
            there = [place(at, high) for at, _, _, high in run]
            back = [place(at, low) for at, _, low, _ in reversed(run)]
            bands.append(f"M{' '.join([*there, *back])}z")
    earlier = [
        "M" + " ".join(place(at + shift_ms, mean) for at, mean, _, _ in run)
        for run in runs(thinned(before, STILL_POINTS))
    ]
    return Still(tuple(lines), tuple(bands), tuple(earlier), bottom, top)


def runs(points: Iterable[Point]) -> list[list[tuple[int, float, float, float]]]:
    """Return the stretches between gaps."""
    found = []
    for missing, group in groupby(points, key=lambda each: each[1] is None):
        if not missing:
            found.append(
                [
                    (at, mean, mean if low is None else low, mean if high is None else high)
                    for at, mean, low, high in group
                    if mean is not None
                ]
            )
    return found


def thinned(points: Sequence[Point], most: int, *, add: bool = False) -> list[Point]:
    """Return at most *most* points, each with the extremes of those that it stands for.

    What was used adds up where *add* is true; what was measured has its mean.
    """
    size = -(-len(points) // most) or 1
    found: list[Point] = []
    for start in range(0, len(points), size):
        several = points[start : start + size]
        means = [mean for _, mean, _, _ in several if mean is not None]
        lows = [each for _, mean, low, _ in several for each in (mean, low) if each is not None]
        highs = [each for _, mean, _, high in several for each in (mean, high) if each is not None]
        if not means:
            found.append((several[0][0], None, None, None))
        else:
            value = sum(means) / (1 if add else len(means))
            low, high = (None, None) if add else (min(lows), max(highs))
            found.append((several[0][0], value, low, high))
    return found


class Block(NamedTuple):
    """A part of a bar; *y* and *height* in px."""

    colour: str
    y: float
    height: float


class Bar(NamedTuple):
    """What a period used, stacked; *x* and *width* in percent, *partly* if not all is known.

    *named* is 0 where its name is left out, and 2 where only a wide screen has room for it.
    """

    x: float
    width: float
    blocks: tuple[Block, ...]
    name: str
    tick: str
    named: int
    text: str
    partly: bool


class Bars(NamedTuple):
    """The whole chart of bars."""

    bars: tuple[Bar, ...]
    rules: tuple[tuple[float, str], ...]
    parts: tuple[tuple[str, str, float], ...]  # name, colour, Wh in all
    whole: bool


def colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each part of the house, on every page the same."""
    return {
        name: HEAT_PUMP if "pump" in name else f"part{index % PARTS}"
        for index, name in enumerate(sorted(names))
    }


def bars(view: EnergyView, writer: Writer, rest: str) -> Bars:
    """Stack what each period used by part, the rest on top."""
    names = [name for name in view.labels if view.total.parts.get(name)]
    colour = {**colours(view.labels), "": "rest"}
    largest = max((each.house for each in view.periods), default=0.0)
    _, top, step = scale_of(0.0, max(largest, 100.0))
    per_wh = (BARS_LOW - BARS_HIGH) / top
    count = slots(view)
    width = 100 / count
    every = -(-count // MOST_NAMES)
    made = []
    for index, period in enumerate(view.periods):
        y, blocks = float(BARS_LOW), []
        for name in (*names, ""):
            height = (period.parts.get(name, 0.0) if name else period.rest) * per_wh
            y -= height
            if height >= 0.5:  # noqa: PLR2004  what is thinner cannot be seen
                blocks.append(Block(colour[name], round(y, 1), round(height, 1)))
        name = period_name(view, period.begin_ms, writer)
        figures = [f"{writer.figure(period.house, 'Wh')}"]
        figures += [
            f"{view.labels[each]} {writer.figure(period.parts[each], 'Wh')}"
            for each in names
            if period.parts.get(each)
        ]
        if names:
            figures.append(f"{rest} {writer.figure(period.rest, 'Wh')}")
        x = index * width
        made.append(
            Bar(
                round(x, 2),
                round(width, 2),
                tuple(blocks),
                name,
                tick_of(view, period.begin_ms, writer, count),
                0 if index % every else 1 + index // every % 2,
                f"{name}: {' · '.join(figures)}",
                period.known < 0.95,  # noqa: PLR2004
            )
        )
    places = next((each for each in (0, 1) if round(step / 1000, each) * 1000 == step), 2)
    lines = [
        (
            round(BARS_LOW - each * per_wh, 1),
            str(Figure(writer.number(each / 1000, places if each else 0), "kWh")),
        )
        for each in rules(0.0, top, step)
    ]
    listed = tuple((each, colour[each], view.total.parts[each]) for each in names)
    return Bars(tuple(made), tuple(lines), listed, len(view.periods) == count)


def slots(view: EnergyView) -> int:
    """Return for how many bars there is room: those of the whole time, also of what is to come."""
    if not view.periods:
        return 1
    length = max(each.end_ms - each.begin_ms for each in view.periods)
    return max(len(view.periods), round((view.end_ms - view.begin_ms) / length))


def tick_of(view: EnergyView, at_ms: int, writer: Writer, count: int) -> str:
    """Write what stands under a bar: little, where there are many."""
    if view.by == "month":
        return writer.words(f"month.m{writer.at(at_ms).month}")
    if view.by == "day" and count > MOST_NAMES:
        return str(writer.at(at_ms).day)
    return writer.day(at_ms, "tick") if view.by == "day" else writer.clock(at_ms)


def period_name(view: EnergyView, at_ms: int, writer: Writer) -> str:
    if view.by in {"quarter", "hour"}:
        return writer.clock(at_ms)
    if view.by == "month":
        return writer.day(at_ms, "month")
    return writer.day(at_ms, "short_day")
