"""A quantity of a device out of the journal: mean, lowest and highest of each step.

A record takes a microsecond to step over and ten to read. So blocks are rejected whole, only lines
of the device are looked into, and of a long time some blocks only: then it is *thinned*.
"""

import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collector import files
from collector.contract.views import Point
from collector.journal import frames
from collector.journal.layout import Segment, find_readable
from collector.journal.reader import times_of
from collector.page.views.span import HOUR_MS, Span

# On disk, that are read at once: a day of a meter that is read each second is 0.8 MB.
MOST_BYTES, MOST_OF_LONG = 8 << 20, 2 << 20
LONG_MS = 36 * HOUR_MS
USUAL_GAPS = 4  # so many usual pauses without a reading are a gap
LEAST_GAP_MS = 3_000
LATE_MS = 3_600_000  # readings come some time after their own time
LOOK_EVERY = 100  # records that are stepped over

Pace = Callable[[], None]


@dataclass
class Step:
    """The readings of one step."""

    total: float = 0.0
    count: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    first_ms: int = 0
    last_ms: int = 0


@dataclass
class Collected:
    """What was read: steps by their number, and whether some blocks were left out."""

    steps: dict[int, Step] = field(default_factory=dict)
    thinned: bool = False


def thinning(segments: list[Segment], span: Span) -> int:
    """Return of how many blocks one is read; 1 where that is quick enough for all."""
    most = MOST_BYTES if span.length_ms <= LONG_MS else MOST_OF_LONG
    return -(-sum(each.size for each in segments) // most) or 1


def collect(
    segments: list[Segment], device: str, quantity: str, span: Span, step_ms: int, pace: Pace
) -> Collected:
    """Read a quantity of *device* in *span* from *segments* of the log. Raise OSError."""
    every = thinning(segments, span)
    found = Collected(thinned=every > 1)
    needle = b",device=%b " % device.encode()
    line = re.compile(
        rb"^[^, \n]+%b(?:[^ \n]*?,)?%b=([^, \n]+)[^ \n]* (\d+)$"
        % (re.escape(needle), re.escape(quantity.encode())),
        re.MULTILINE,
    )
    for data in bodies(segments, every, needle, pace):
        add(found.steps, line.findall(data), span, step_ms)
    return found


def add(
    steps: dict[int, Step], readings: list[tuple[bytes, bytes]], span: Span, step_ms: int
) -> None:
    """Add values with their times; those of a block are mostly of one step, in order."""
    times = [int(each[1]) for each in readings]
    is_inside = times and span.begin_ms <= times[0] and times[-1] < span.end_ms
    is_one = is_inside and times[0] // step_ms == times[-1] // step_ms
    if is_one and times == sorted(times):
        values = [float(each[0]) for each in readings]
        take(steps, times[0] // step_ms, times, values)
        return
    for at_ms, (value, _) in zip(times, readings, strict=True):
        if span.begin_ms <= at_ms < span.end_ms:
            take(steps, at_ms // step_ms, [at_ms], [float(value)])


def take(steps: dict[int, Step], number: int, times: list[int], values: list[float]) -> None:
    """Add readings to the step that all of them are in."""
    step = steps.get(number)
    if step is None:
        step = steps[number] = Step(first_ms=times[0], last_ms=times[0])
    step.total += sum(values)
    step.count += len(values)
    step.low = min(step.low, *values)
    step.high = max(step.high, *values)
    step.first_ms, step.last_ms = min(step.first_ms, times[0]), max(step.last_ms, times[-1])


def reaching(folder: Path, span: Span, pace: Pace) -> Iterator[Segment]:
    """Yield the segments that can hold readings of a time. Raise OSError."""
    for each in find_readable(folder):
        oldest_ms, newest_ms = times_of(each) or (span.begin_ms, span.begin_ms)
        if not each.closed and each.first_ms - LATE_MS >= span.end_ms:
            continue
        if newest_ms >= span.begin_ms and oldest_ms < span.end_ms:
            yield each
        pace()


def bodies(segments: list[Segment], every: int, needle: bytes, pace: Pace) -> Iterator[bytes]:
    """Yield records with *needle*, as lines, of one in *every* blocks."""
    for segment in segments:
        data, is_closed = data_of(segment)
        if not is_closed:
            yield from open_bodies(data, segment.first, needle, pace)
            continue
        for number, frame in enumerate(frames.scan(data, number=segment.first)):
            if number % every == 0 and needle in (lines := zlib.decompress(frame.body)):
                yield lines
            pace()


def open_bodies(data: bytes, number: int, needle: bytes, pace: Pace) -> Iterator[bytes]:
    """Yield records with *needle* of an open segment; only those are proved to be whole."""
    start = 0
    while start + frames.HEADER.size <= len(data):
        _, length, found = frames.HEADER.unpack_from(data, start)
        end = start + frames.HEADER.size + length
        if found != number or end > len(data):  # damage
            frame = next(frames.scan(data, start, number), None)
            if frame is None:
                return
            start, found, end = frame.start, frame.number, frame.end
        if data.find(needle, start, end) >= 0 and (whole := frames.frame_at(data, start, found)):
            yield whole.body
        start, number = end, found + 1
        if not number % LOOK_EVERY:
            pace()


def data_of(segment: Segment) -> tuple[bytes, bool]:
    """Return what is in a segment, and whether it is closed: that may happen at any moment."""
    try:
        return files.read(segment.path), segment.closed
    except FileNotFoundError:
        path = segment.path.with_suffix(".z")
        return (files.read(path) if path.exists() else b""), True


def points_of(found: Collected, step_ms: int) -> list[Point]:
    """Return a point for each step with readings, and one without a mean in each gap."""
    points: list[Point] = []
    usual_ms = usual_pause_ms(found, step_ms)
    last_ms = 0
    for number, step in sorted(found.steps.items()):
        if points and step.first_ms - last_ms > usual_ms:
            points.append((last_ms + usual_ms // 2, None, None, None))
        mean = step.total / step.count
        points.append((number * step_ms, round(mean, 6), step.low, step.high))
        last_ms = step.last_ms
    return points


def usual_pause_ms(found: Collected, step_ms: int) -> int:
    """Return a pause between readings that is longer than usual."""
    if found.thinned:
        return 10 * step_ms
    steps = [each for _, each in sorted(found.steps.items())]
    within = [(each.last_ms - each.first_ms) / (each.count - 1) for each in steps if each.count > 1]
    between = [after.first_ms - each.last_ms for each, after in itertools.pairwise(steps)]
    pauses = sorted([*within, *between])
    middle = pauses[len(pauses) // 2] if pauses else 0
    return max(round(USUAL_GAPS * middle), LEAST_GAP_MS)


def total_of(found: Collected) -> Step:
    """Return all steps as one."""
    whole = Step()
    for step in found.steps.values():
        whole.total += step.total
        whole.count += step.count
        whole.low, whole.high = min(whole.low, step.low), max(whole.high, step.high)
    return whole
