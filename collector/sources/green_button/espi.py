"""Green Button files, read piece by piece: XML of NAESB's ESPI 1.1 (espi.xsd) in an Atom feed.

    <feed><entry><link rel="self" href="…/UsagePoint/1/MeterReading/1/IntervalBlock/173"/>
      <link rel="up" href="…/UsagePoint/1/MeterReading/1/IntervalBlock"/><content><IntervalBlock>
        <IntervalReading><cost>1750</cost><ReadingQuality><quality>17</quality></ReadingQuality>
          <timePeriod><duration>3600</duration><start>1293868800</start></timePeriod>
          <value>450</value></IntervalReading>…

A file comes from anywhere: ``decode.xml`` refuses what could harm.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from collector.decode.xml import PIECE, parse
from collector.errors import FrameDamaged

LONGEST_TEXT = 200
LONGEST_LINK = 1000
MOST_LINKS = 20
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")

CONTENTS = {"UsagePoint", "MeterReading", "ReadingType", "IntervalBlock"}
# In ReadingType, in ServiceCategory of UsagePoint, and in IntervalReading.
LEAVES = {
    *("accumulationBehaviour", "commodity", "currency", "defaultQuality", "flowDirection"),
    *("intervalLength", "powerOfTenMultiplier", "uom"),
    "kind",
    *("cost", "duration", "quality", "start", "value"),
}

Numbers = dict[str, float]


@dataclass
class Entry:
    """An entry of the feed: what it contains, with its numbers, and its first link of each kind."""

    content: str = ""
    links: dict[str, str] = field(default_factory=dict)
    related: list[str] = field(default_factory=list)
    numbers: Numbers = field(default_factory=dict)


@dataclass
class IntervalReading:
    """The numbers of an interval reading: some of value, cost, start, duration and quality."""

    numbers: Numbers = field(default_factory=dict)


def walk(file: BinaryIO) -> Iterator[Entry | IntervalReading]:
    """Yield what is in *file*: an entry when it ends, so behind the interval readings in it.

    Raise FrameDamaged.
    """
    reader = Reader()
    pieces = iter(partial(file.read, PIECE), b"")
    for _ in parse(pieces, reader.start, reader.end, reader.text):
        yield from reader.events
        reader.events.clear()


class Reader:
    """Takes elements as they come, and puts what is known of them into *events*."""

    def __init__(self) -> None:
        self.events: list[Entry | IntervalReading] = []
        self.entry = Entry()
        self.reading: IntervalReading | None = None
        self.written = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.written = ""
        name = tag.rpartition(":")[2]
        if name == "entry":
            self.entry = Entry()
        elif name == "link":
            self.link(attributes.get("rel", ""), attributes.get("href", ""))
        elif name == "IntervalReading":
            self.reading = IntervalReading()
        elif name in CONTENTS:
            self.entry.content = name

    def link(self, rel: str, href: str) -> None:
        if len(href) > LONGEST_LINK or len(self.entry.related) > MOST_LINKS:
            raise FrameDamaged("an entry has too many links, or too long ones")
        if rel == "related":
            self.entry.related.append(href.rstrip("/"))
        elif rel in {"self", "up"}:
            self.entry.links.setdefault(rel, href.rstrip("/"))

    def text(self, text: str) -> None:
        if len(self.written) < LONGEST_TEXT:
            self.written += text[:LONGEST_TEXT]

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name == "entry":
            self.events.append(self.entry)
            self.entry = Entry()
        elif name == "IntervalReading" and self.reading:
            self.events.append(self.reading)
            self.reading = None
        elif name in LEAVES and NUMBER.fullmatch(text := self.written.strip()):
            holder = self.reading or (self.entry if self.entry.content != "IntervalBlock" else None)
            if holder:
                holder.numbers[name] = float(text)
        self.written = ""
