"""Where ``export`` takes readings from, and what of them was asked for."""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collector.clock import utc
from collector.config import Config
from collector.contract import BadOption, Context, OutputOptions, SelectOptions
from collector.errors import EnergyMonitorError, OutputAway
from collector.journal.layout import Segment, find_readable
from collector.journal.reader import read_segment, times_of
from collector.quantity import wildcard
from collector.reading import time_ms
from collector.run.selection import Selection
from collector.text import counted

if TYPE_CHECKING:
    from collector.outputs.influxdb.output import InfluxDB

END_OF_TIME_MS = 1 << 62
JOURNAL = "journal"


class Origin(Protocol):
    """Yields encoded readings; ``lacks`` says afterwards what could not be had."""

    def __iter__(self) -> Iterator[bytes]: ...

    def lacks(self) -> list[str]: ...


class FromJournal:
    """The readings of a range in the journal in *folder*; those that are lost are counted."""

    def __init__(self, folder: Path, since_ms: int | None, until_ms: int | None) -> None:
        self.folder = folder
        self.since_ms = since_ms or 0
        self.until_ms = END_OF_TIME_MS if until_ms is None else until_ms
        self.has_begin = since_ms is not None
        self.lost = 0
        self.first: Segment | None = None

    def __iter__(self) -> Iterator[bytes]:
        segments = find_readable(self.folder)
        self.first = segments[0] if segments else None
        for segment, following in zip_longest(segments, segments[1:]):
            times = times_of(segment)
            if times and (times[1] < self.since_ms or times[0] >= self.until_ms):
                continue
            expected, before_ms = segment.first, segment.first_ms
            for number, line in read_segment(segment):
                at_ms = time_ms(line)
                if number > expected:
                    self.miss(number - expected, before_ms, at_ms)
                expected, before_ms = number + 1, at_ms
                if self.since_ms <= at_ms < self.until_ms:
                    yield line
            if following and following.first > expected:
                self.miss(following.first - expected, before_ms, following.first_ms)

    def miss(self, count: int, before_ms: int, after_ms: int) -> None:
        if after_ms >= self.since_ms and before_ms < self.until_ms:
            self.lost += count

    def lacks(self) -> list[str]:
        lacks = []
        if self.lost:
            lost = counted(self.lost, "reading")
            lacks.append(f"the journal lacks {lost} of this range: damaged, or lost in a power cut")
        first = self.first
        if self.has_begin and first and first.first > 1 and self.since_ms < first.first_ms:
            lacks.append(
                f"the journal begins at {utc(first.first_ms)}: what is older was dropped as "
                "'journal.keep' says; '--from influxdb' may have it"
            )
        return lacks


class FromDatabase:
    """The readings of a range in the bucket of an output of InfluxDB."""

    def __init__(
        self, name: str, output: "InfluxDB", since_ms: int | None, until_ms: int | None
    ) -> None:
        from collector.outputs.influxdb.stored import Stored  # noqa: PLC0415  only then needed

        self.name = name
        self.stored = Stored(name, output)
        self.since_ms = since_ms or 0
        self.until_ms = END_OF_TIME_MS if until_ms is None else until_ms

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.stored.lines(self.since_ms, self.until_ms)
        finally:
            self.stored.output.close()

    def lacks(self) -> list[str]:
        left_out = counted(self.stored.left_out, "point")
        what = f"{left_out} in the bucket of {self.name!r} that are not readings are left out"
        return [what] if self.stored.left_out else []


def from_database(
    config: Config, name: str, since_ms: int | None, until_ms: int | None
) -> FromDatabase:
    """Return the database that *name* means: an output, or 'influxdb' where there is one.

    Raise EnergyMonitorError.
    """
    from collector.lines.serial import Lines  # noqa: PLC0415
    from collector.outputs.influxdb.output import InfluxDB, InfluxDBOptions  # noqa: PLC0415

    known = [each for each, options in config.outputs.items() if options.type == "influxdb"]
    names = known if name == "influxdb" and name not in known else [name]
    if len(names) != 1 or names[0] not in known:
        those = ", ".join(["journal", *known])
        raise EnergyMonitorError(f"--from {name}: expected one of {those}")
    options = config.outputs[names[0]]
    context = Context(config.main.site, Lines(), config.file.parent, config.data_dir)
    try:
        assert isinstance(options, InfluxDBOptions)
        output = InfluxDB(names[0], options, context)
        return FromDatabase(names[0], output, since_ms, until_ms)
    except (BadOption, OutputAway) as error:
        raise EnergyMonitorError(f"output {names[0]!r}: {error}") from error


class Selected:
    """Those of *origin* that are of these devices and quantities; all, where nothing is named."""

    def __init__(
        self, origin: Origin, devices: tuple[str, ...], quantities: tuple[str, ...]
    ) -> None:
        self.origin = origin
        select = SelectOptions(devices=devices, quantities=quantities)
        self.selection = Selection(OutputOptions(type="export", select=select))
        self.unmet = {("--device", each): wildcard(each) for each in devices}
        self.unmet |= {("--quantity", each): wildcard(each) for each in quantities}
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self.origin:
            chosen = self.selection.apply(line)
            if chosen is None:
                continue
            if self.unmet:
                self.meet(chosen.decode("ascii"))
            self.count += 1
            yield chosen

    def meet(self, line: str) -> None:
        """Note which of the patterns name something."""
        head, fields, _ = line.split(" ")
        names = {
            "--device": [head.partition(",device=")[2]],
            "--quantity": re.findall(r"(?:^|,)([^=,]+)=", fields),
        }
        for key, pattern in list(self.unmet.items()):
            if any(map(pattern.fullmatch, names[key[0]])):
                with suppress(KeyError):
                    del self.unmet[key]

    def lacks(self) -> list[str]:
        unmet = [f"nothing in this range is of {option} {text}" for option, text in self.unmet]
        return [*self.origin.lacks(), *unmet]
