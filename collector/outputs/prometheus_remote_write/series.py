"""Readings as series: the protobuf message of remote write 1.0, written by hand.

    WriteRequest  1: TimeSeries …
    TimeSeries    1: Label …, sorted by name    2: Sample …, from the oldest
    Label         1: name    2: value
    Sample        1: value, a double    2: time in ms

The message is the same since 2016 and has these four parts; a protobuf library would add 2 MB of
memory and a generated module for them.
"""

import functools
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from collector.contract.metric_names import Metric, metric_of
from collector.quantity import catalogue
from collector.reading import decode

DOUBLE = struct.Struct("<d")
FIRST, SECOND = b"\x0a", b"\x12"  # fields of variable length
VALUE, TIME = b"\x09", b"\x10"
SEVEN_BITS = 0x7F


class Sample(NamedTuple):
    """A value as it is sent; *position* is that of its reading in the batch."""

    at_ms: int
    message: bytes
    position: int


@dataclass(frozen=True)
class Series:
    """The samples of one quantity of one device, from the oldest; *labels* are encoded."""

    key: tuple[str, str]
    labels: bytes
    samples: Sequence[Sample] = field(default_factory=list)


@functools.cache
def known() -> Mapping[str, Metric]:
    """Return the metric of every quantity: a sample has its time, so also of those of the past."""
    return MappingProxyType({each.name: metric_of(each) for each in catalogue().values()})


def series_of(
    batch: Sequence[bytes], tags: Mapping[str, str]
) -> tuple[list[Series], dict[int, str]]:
    """Return the series that *batch* consists of, and why readings have no place there."""
    found: dict[tuple[str, str], tuple[Metric, dict[int, Sample]]] = {}
    refused, times = {}, dict[int, bytes]()
    for position, line in enumerate(batch):
        reading = decode(line)
        at_ms = reading.at_ms
        time = times.get(at_ms) or times.setdefault(at_ms, TIME + varint(at_ms))
        for quantity, value in reading.values.items():
            key = reading.device, quantity
            if key not in found:
                if quantity not in known():
                    refused[position] = f"{quantity!r} is not in the catalogue"
                    continue
                found[key] = known()[quantity], {}
            metric, samples = found[key]
            body = VALUE + DOUBLE.pack(in_base_unit(metric, value)) + time
            # A later reading of the same time replaces the earlier, as in a database.
            samples[at_ms] = Sample(at_ms, SECOND + bytes((len(body),)) + body, position)
    return [
        Series(key, labels({**tags, "device": key[0], "__name__": metric.name}), in_order(samples))
        for key, (metric, samples) in found.items()
    ], refused


def in_order(samples: Mapping[int, Sample]) -> list[Sample]:
    return [samples[at_ms] for at_ms in sorted(samples)]


def in_base_unit(metric: Metric, value: float) -> float:
    """Return *value* rounded once, as the page has it: 230.1 Wh are 828360.0 J."""
    if metric.times == metric.by:
        return value
    return float(Decimal(repr(value)) * metric.times / metric.by)


def labels(words: Mapping[str, str]) -> bytes:
    return b"".join(
        chunk(FIRST, chunk(FIRST, name.encode()) + chunk(SECOND, words[name].encode()))
        for name in sorted(words)
    )


def request(group: Iterable[Series]) -> bytes:
    """Return the message that has all series of *group*."""
    return b"".join(
        chunk(FIRST, each.labels + b"".join([sample.message for sample in each.samples]))
        for each in group
    )


def chunk(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content


def varint(number: int) -> bytes:
    """Write a number that is not negative in groups of seven bits, the lowest first."""
    written = bytearray()
    while number > SEVEN_BITS:
        written.append(number & SEVEN_BITS | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
