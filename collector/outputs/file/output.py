"""Files by day: every reading in Parquet, CSV or line protocol below a folder.

Readings are appended to a working file per kind and day, which is forced onto the disk before the
cursor moves. When a day is over, its part is made out of it. A reading that comes again, or after
its day was finished, is the same row of the same part.
"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar, Literal

from collector.contract import BadOption, Context, OutputOptions
from collector.errors import ReadingsRefused
from collector.options import option
from collector.outputs.file import parts, tree, working
from collector.outputs.file.forms import Format, form_of
from collector.outputs.file.parts import Day, Place
from collector.outputs.file.working import Size
from collector.scalars import FilePath, Seconds

log = logging.getLogger(__name__)

OPEN = ".open"  # no reader of such folders looks into names that begin with '.'
SETTLED_MS = 3_600_000  # a day is finished when readings are this much beyond it,
SETTLED_S = 600.0  # and none has come for it for so long: a forecast ends no day


@dataclass(frozen=True, kw_only=True)
class FileOptions(OutputOptions):
    """Keeps readings in files by day, for DuckDB, pandas, Spark and spreadsheets."""

    folder: FilePath = option(
        "folder for the files; it must exist and belong to the service's user",
        example="/srv/energy",
    )
    format: Format = option(
        "'parquet', 'csv', or 'lp': InfluxDB line protocol, compressed by gzip",
        example="csv",
        default="parquet",
    )
    keep: Seconds = option(
        "delete files of days older than this (0 = keep all)", example="730d", default=Seconds(0)
    )
    every: Seconds = option(
        "interval at which readings are appended and forced onto the disk",
        example="5m",
        default=Seconds(60),
        low=0.05,
        high=7 * 86400,
    )

    def extras(self) -> tuple[str, ...]:
        return ("parquet",) if self.format == "parquet" else ()


class File:
    """One folder, in which this house has a folder of its own."""

    Options: ClassVar[type] = FileOptions
    batch_size = 5_000
    keeps_kinds = True
    wants: Literal["all", "newest"] = "all"
    resend: Literal["idempotent", "asks first", "newest only"] = "idempotent"

    def __init__(self, name: str, options: FileOptions, context: Context) -> None:
        if "://" in options.folder:
            raise BadOption("folder", f"{options.folder!r} is not a folder of this machine")
        self.options = options
        self.root = Path(options.folder)
        self.site, *_ = context.tags(options).values()
        self.tags = {tag: word for tag, word in context.tags(options).items() if tag != "site"}
        self.open_names = f"site={self.site}", OPEN, name
        self.sizes: dict[Day, Size] = {}
        self.touched_s: dict[Day, float] = {}
        self.settled_s = SETTLED_S

    def open(self) -> None:
        """Cut off what a power cut tore, and finish a day that is over.

        One at a time: deliveries wait for it. The next is finished when this is called again.
        """
        with tree.away(self.root), tree.opened(self.root, *self.open_names, make=True) as folder:
            self.look(folder)
            for day in self.over()[:1]:
                self.finish(folder, day)

    def look(self, folder: int) -> None:
        """Learn what is in the working files, where that is not known."""
        sizes = working.found(folder)
        self.sizes = {day: size for day, size in self.sizes.items() if day in sizes}
        for day, size in sizes.items():
            if day in self.sizes and self.sizes[day].size == size:
                continue
            mended = working.mend(folder, day)
            if mended is None:
                self.sizes.pop(day, None)
                continue
            if mended.size < size:
                log.warning(
                    "%d bytes were cut off %s of %s: an append was interrupted; it is repeated",
                    size - mended.size,
                    day.kind,
                    day.date,
                )
            self.sizes[day] = mended
            self.touched_s[day] = time.monotonic()

    def over(self) -> list[Day]:
        """Return the days that can be finished, the oldest first."""
        newest_ms, now_s = self.newest_ms() or 0, time.monotonic()
        return [
            day
            for day in sorted(self.sizes)
            if newest_ms >= day.end_ms + SETTLED_MS
            and now_s - self.touched_s[day] >= self.settled_s
        ]

    def finish(self, folder: int, day: Day) -> None:
        place = Place(self.root, self.site, form_of(self.options.format), self.tags)
        with working.reading(folder, day) as file:
            parts.finish(place, day, file)
            # By the disk's clock: what a source dates years ahead deletes nothing.
            written = parts.date_of(int(os.fstat(file.fileno()).st_mtime * 1000))
        working.cut(folder, working.file_name(day), 0)
        self.sizes.pop(day, None)
        if self.options.keep:
            newest = min(day.date, written)
            oldest = date.fromisoformat(newest) - timedelta(seconds=self.options.keep)
            for path in parts.drop_before(place, oldest.isoformat()):
                log.info("%s was deleted: it is older than 'keep'", path)

    def newest_ms(self) -> int | None:
        """Return the newest time in the working files; None where there are none."""
        return max((size.newest_ms for size in self.sizes.values()), default=None)

    def write(self, batch: Sequence[bytes]) -> None:
        """Store every reading of *batch*. Raise OutputAway or ReadingsRefused."""
        days, left_out = working.grouped(batch)
        appended = {day: working.packed(devices) for day, devices in days.items()}
        with tree.away(self.root), tree.opened(self.root, *self.open_names, make=True) as folder:
            working.append(folder, appended)
            for day, size in working.found(folder).items():
                if day in appended:
                    newest_ms = max(appended[day][1], self.sizes.get(day, Size(0, 0)).newest_ms)
                    self.sizes[day] = Size(size, newest_ms)
                    self.touched_s[day] = time.monotonic()
        if left_out:
            raise ReadingsRefused(
                {
                    at: "its kind or device is not a plain name"
                    for at, line in enumerate(batch)
                    if working.head_of(line[: line.index(b" ")]) is None
                }
            )

    def close(self) -> None:
        """Do nothing: no file stays open."""
