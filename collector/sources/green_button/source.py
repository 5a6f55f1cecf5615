"""What the meters of a utility counted, from Green Button files that its customers may download.

A new or changed file is read once, and of it what has not been told just so: a later download may
overlap an earlier one, and correct it. A reading stands at the start of its interval. Electricity
stands under the name of the source, gas and water under SOURCE-gas and SOURCE-water. The newest
readings are told again at every start.
"""

import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, ClassVar

from collector.contract import BadOption, Context, SourceOptions
from collector.decode import intervals
from collector.decode.backfill import Memory, Progress
from collector.decode.intervals import Interval
from collector.errors import DeviceRefused, LineAway, ReadFault
from collector.options import option
from collector.reading import Reading, encode
from collector.scalars import InputPath, Seconds
from collector.sources.green_button import meaning as green_button
from collector.sources.green_button import unpack
from collector.sources.green_button.meaning import NoIntervals, NoUsagePoint, Series, Survey

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
MOST_READINGS = 5000  # of one read
ENDINGS = (".xml", ".gz", ".zip")
TABLE = ".csv"
MOST_FILES = 1000
PATIENCE_S = 600.0


@dataclass(frozen=True, kw_only=True)
class GreenButtonOptions(SourceOptions):
    """A utility's meter from the Green Button files (ESPI XML) that its customers may download."""

    path: InputPath = option(
        "the file, or a folder: every file in it that ends in .xml, .gz or .zip is read, also one "
        "that is added later, and every .xml in a .zip; one folder per house",
        example="/var/lib/energy-monitor/green-button",
    )
    usage_point: str = option(
        "end of the address of the usage point, if a file has several of one kind",
        example="UsagePoint/1",
        default="",
    )
    every: Seconds = option(
        "interval of the search for new files",
        example="1m",
        default=Seconds(60),
        low=10,
        high=86400,
    )


@dataclass(frozen=True)
class Download:
    """A file as it was found; *mark* changes with it."""

    path: Path
    size: int
    changed_ns: int

    @property
    def mark(self) -> str:
        return f"file {self.path.name} {self.changed_ns}"


@dataclass(frozen=True)
class Chunk:
    """Readings that stand together in a file: of one series, block and day.

    It is known again by its *mark*; without one it is told in any case.
    """

    mark: str
    readings: list[Reading]

    @property
    def checksum(self) -> int:
        return zlib.crc32(b"\n".join(map(encode, self.readings)))


class GreenButton:
    """Reads the files of one house."""

    Options: ClassVar[type] = GreenButtonOptions
    quantities = intervals.QUANTITIES
    patience_s = PATIENCE_S

    def __init__(self, name: str, options: GreenButtonOptions, context: Context) -> None:
        self.name = name
        self.options = options
        if options.read:
            raise BadOption("read", "a file is read as a whole; leave 'read' out")
        self.path = context.config_dir / options.path
        self.line = str(self.path)
        of = " ".join([self.line, options.usage_point, *options.quantities])
        self.memory = Memory(name, context.state_dir / "files.json", of)
        self.expected: Progress | None = None
        self.file: Download | None = None
        self.chunks: Iterator[Chunk] = iter(())
        self.faults: dict[str, ReadFault] = {}
        self.is_first = True

    def open(self) -> None:
        """Do nothing: a file is opened when it is read."""

    def close(self) -> None:
        """Forget what is being read: it is begun anew."""
        self.file, self.chunks = None, iter(())

    def journalled(self) -> None:
        self.memory.journalled()

    def read(self, at_ms: int, quantities: frozenset[str]) -> list[Reading]:  # noqa: ARG002  a file is read whole, with times of its own
        """Read on in a file that is new, as far as is told at once. Raise ReadFault."""
        while True:
            progress = self.memory.begin()
            if progress is not self.expected:  # what the last read returned has not been kept
                self.close()
            if not self.file and not self.begin(progress):
                return []
            assert self.file
            told, news = dict(progress.told), list[Reading]()
            try:
                if self.read_on(told, news):
                    log.info("%s: %s is read", self.name, self.file.path.name)
                    self.close()
            except (ReadFault, OSError) as error:
                self.put_aside(self.file, error)
                if not news:
                    continue  # with the next file, or with the fault where there is none
            self.expected = Progress(progress.of, progress.spans, told)
            self.memory.end(self.expected)
            return news

    def begin(self, progress: Progress) -> bool:
        """Begin with a file that has not been read; False where there is none.

        Raise the fault of one that can't be read, as long as it is there.
        """
        there = downloads(self.path)
        self.faults = {
            each.mark: self.faults[each.mark] for each in there if each.mark in self.faults
        }
        sound = [each for each in there if each.mark not in self.faults]
        new = [each for each in sound if progress.told.get(each.mark) != each.size]
        again = sound[-1:] if self.is_first and not new else []
        self.is_first = False
        for each in (*new[:1], *again):
            self.file = each
            self.chunks = self.read_chunks(each, tells_newest=bool(again))
            return True
        for fault in self.faults.values():
            raise fault
        return False

    def read_on(self, told: dict[str, int], news: list[Reading]) -> bool:
        """Add to *news* what is not *told*, and that to *told*; return whether that is all.

        Raise ReadFault, OSError.
        """
        for chunk in self.chunks:
            if not chunk.mark:
                news += [each for each in chunk.readings if each not in news]
            elif told.get(chunk.mark) != chunk.checksum:
                news += chunk.readings
                told[chunk.mark] = chunk.checksum
            if len(news) >= MOST_READINGS:
                return False
        assert self.file
        told[self.file.mark] = self.file.size
        return True

    def put_aside(self, file: Download, error: ReadFault | OSError) -> None:
        """Leave a file that can't be read alone until it changes; what it is about is told."""
        if isinstance(error, OSError):
            error = LineAway(f"{file.path} cannot be read: {error.strerror}")
        else:
            error = type(error)(f"{file.path}: {error}")
        log.warning("%s: %s", self.name, error)
        self.faults[file.mark] = error
        self.close()

    def read_chunks(self, file: Download, *, tells_newest: bool) -> Iterator[Chunk]:
        """Yield what stands in *file*, and the newest of it once more. Raise ReadFault, OSError."""
        newest: dict[str, list[Reading]] = {}
        parts = surveys(file.path, self.options.usage_point)
        left_out = [each for part in parts for each in part.left_out]
        if not any(part.series for part in parts):
            raise DeviceRefused(f"nothing in it can be read: {'; '.join(left_out)}")
        for each in left_out:
            log.warning("%s: %s: left out: %s", self.name, file.path.name, each)
        for (_, opened), known in zip(unpack.opened(file.path), parts, strict=False):
            for (name, *_), group in groupby(green_button.intervals(opened, known), place):
                while rows := list(islice(group, MOST_READINGS)):
                    readings = [intervals.reading(self.name, row[2]) for row in rows]
                    if name not in newest or newest[name][-1].at_ms < readings[-1].at_ms:
                        newest[name] = readings
                    yield Chunk(f"{name} {readings[0].at_ms}", readings)
        if not newest:
            raise DeviceRefused("none of its readings has a value, a length and a time that can be")
        if tells_newest:
            yield from (Chunk("", each) for each in newest.values())

    def read_raw(self) -> list[dict[str, Any]]:
        """Return what the newest file holds, series by series. Raise ReadFault."""
        there = downloads(self.path)
        try:
            parts = surveys(there[-1].path, self.options.usage_point)
        except OSError as error:
            raise LineAway(f"{there[-1].path} cannot be read: {error.strerror}") from error
        rows = []
        for extent, series in (
            (part.extents[name], series) for part in parts for name, series in part.series.items()
        ):
            label = f"{series.kind} {series.amount}{series.flow}"
            text = f"{extent.count} intervals of {extent.shortest_s:g} s"
            rows.append(raw(label, text, extent.text))
        return rows + [raw("left out", "", each) for part in parts for each in part.left_out]


def surveys(path: Path, usage_point: str) -> list[Survey]:
    """Find out what each XML file in the file at *path* means; of some it may be nothing.

    Raise ReadFault where one of them is damaged, or none means anything; OSError.
    """
    found: list[Survey] = []
    nothing: list[ReadFault] = []
    for name, opened in unpack.opened(path):
        try:
            found.append(green_button.survey(opened, usage_point))
        except (NoIntervals, NoUsagePoint) as error:
            nothing.append(error)
            found.append(Survey(left_out=[f"{name}: {error}"]))
        except ReadFault as error:
            raise type(error)(f"{name}: {error}" if name else str(error)) from error
    if len(nothing) == len(found):
        raise nothing[0]
    series = [each for part in found for each in part.series.values()]
    green_button.check_points(each for each in series if each.usage_point)
    return found


def raw(label: str, text: str, meaning: str) -> dict[str, Any]:
    return {"label": label, "text": text, "quantity": "", "value": None, "meaning": meaning}


def place(row: tuple[int, Series, Interval]) -> tuple[str, int, int]:
    """Return by what rows stand together: the series, its block and the day in UTC. Pure."""
    block, series, interval = row
    name = f"{interval.span}-{series.kind}-{series.amount}{series.flow}"
    return name, block, interval.begin_ms // DAY_MS


def downloads(path: Path) -> list[Download]:
    """Return the files at *path*, at least one; the one that changed last is at the end.

    Raise LineAway.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        if len(files) > MOST_FILES:
            raise LineAway(f"{path} contains more than {MOST_FILES} files")
        wanted = [each for each in files if each == path or is_wanted(each)]
        found = [Download(each, (was := each.stat()).st_size, was.st_mtime_ns) for each in wanted]
    except OSError as error:
        raise LineAway(f"{error.filename} cannot be read: {error.strerror}") from error
    if not found:
        has_tables = any(each.suffix.lower() == TABLE for each in files)
        hint = ". CSV is not read: download Green Button XML" if has_tables else ""
        raise LineAway(f"{path} contains no file that ends in {', '.join(ENDINGS)}{hint}")
    return sorted(found, key=lambda each: each.changed_ns)


def is_wanted(file: Path) -> bool:
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()
