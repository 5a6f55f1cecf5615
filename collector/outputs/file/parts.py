"""The finished parts: one file per site, kind and day, in the layout that Hive began.

    FOLDER/site=home/kind=electricity/date=2026-01-31/part-20260131T000000000-20260131T235959000.parquet

A part is named from its first and last reading. Where there is one already, its rows are taken into
the new one: whatever comes again or late, there is one part, and no row twice.
"""

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from pathlib import Path
from typing import BinaryIO, NamedTuple

from collector import files
from collector.errors import OutputAway
from collector.outputs.file import chunks, tree
from collector.outputs.file.chunks import Chunk
from collector.outputs.file.forms import Form
from collector.outputs.file.resample import resample
from collector.outputs.file.rows import BY_DEVICE_AND_TIME, Row, names_in, rows_of, unique

DAY_MS = 86_400_000
STAMP = "%Y%m%dT%H%M%S"
PART = re.compile(r"part-(\d{8}T\d{6})(\d{3})-(\d{8}T\d{6})(\d{3})")
BESIDE = re.compile(r"\.part-[^/]*\.new")


class Day(NamedTuple):
    """All readings of one kind on one day, in UTC."""

    date: str
    kind: str

    @property
    def end_ms(self) -> int:
        begins = datetime.fromisoformat(self.date).replace(tzinfo=UTC)
        return int(begins.timestamp()) * 1000 + DAY_MS


class Place(NamedTuple):
    """Where parts are kept, in which form, and the tags of their rows; *site* is not among them.

    With *strict* a part whose rows have other tags is left as it is.
    """

    root: Path
    site: str
    form: Form
    tags: Mapping[str, str]
    strict: bool = False

    def below(self, day: Day) -> tuple[str, str, str]:
        return f"site={self.site}", f"kind={day.kind}", f"date={day.date}"


def date_of(at_ms: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=at_ms // DAY_MS)).isoformat()


def finish(place: Place, day: Day, working: BinaryIO, every_ms: int = 1) -> Path | None:
    """Make the part of *day* out of its *working* file and the part that is there; return it.

    With *every_ms* the readings of each such interval become one. None where the working file holds
    nothing. Raise OSError, and OutputAway where the part that is there cannot be read.
    """
    found = list(chunks.scan(working))
    if not found:
        return None
    with tree.opened(place.root, *place.below(day), make=True) as folder, ExitStack() as stack:
        with suppress(OSError):  # a file system of a network may have no locks
            fcntl.flock(folder, fcntl.LOCK_EX)  # an export may write here at the same time
        for name in filter(BESIDE.fullmatch, os.listdir(folder)):  # of a run that was killed
            os.unlink(name, dir_fd=folder)
        old = {name: stack.enter_context(reading(folder, name)) for name in parts(folder, place)}
        oldest_ms = min(
            [floor(chunk.oldest_ms, every_ms) for chunk in found] + [times(name)[0] for name in old]
        )
        newest_ms = max(
            [floor(chunk.newest_ms, every_ms) for chunk in found] + [times(name)[1] for name in old]
        )
        name = f"part-{stamp(oldest_ms)}-{stamp(newest_ms)}.{place.form.suffix}"
        path = place.root.joinpath(*place.below(day), name)
        columns = names_in(working, found)
        for each, file in old.items():
            with readable(path.with_name(each)):
                heads = place.form.heads(file)
                file.seek(0)
            columns.update(heads.names)
            if place.strict and set(heads.tags) != set(place.tags):
                raise OutputAway(
                    f"{path.with_name(each)} has other tags ({', '.join(heads.tags) or 'none'}), "
                    "so nothing can be added to it: write into another folder"
                )
        rows = merge(
            *(old_rows(place, path.with_name(each), file) for each, file in old.items()),
            rows_in(working, found, every_ms),
            key=BY_DEVICE_AND_TIME,
        )
        with files.replacing(path, folder=folder, give=True) as made:
            place.form.write(made, day.kind, unique(rows), sorted(columns), tags_of(place))
        for each in old.keys() - {name}:
            os.unlink(each, dir_fd=folder)
        os.fsync(folder)
    return path


def rows_in(working: BinaryIO, found: Iterable[Chunk], every_ms: int = 1) -> Iterable[Row]:
    """Return the rows of a working file, sorted; with *every_ms* one per device and interval."""
    rows = unique(rows_of(working, found))
    return rows if every_ms == 1 else resample(rows, every_ms)


def floor(at_ms: int, every_ms: int) -> int:
    return at_ms - at_ms % every_ms


def tags_of(place: Place) -> Mapping[str, str]:
    """Return the tags of each row: line protocol is stored elsewhere, so it has the site too."""
    return {"site": place.site, **place.tags} if place.form.suffix == "lp.gz" else place.tags


def parts(folder: int, place: Place) -> list[str]:
    """Return the names of the parts in *folder*, in order."""
    names = (name for name in os.listdir(folder) if PART.fullmatch(name.partition(".")[0]))
    return sorted(name for name in names if name.partition(".")[2] == place.form.suffix)


def stamp(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):{STAMP}}{at_ms % 1000:03d}"


def times(name: str) -> tuple[int, int]:
    """Return the first and the last time that the name of a part says, in ms."""
    found = PART.match(name)
    assert found is not None
    first, last = (
        int(datetime.strptime(each, STAMP).replace(tzinfo=UTC).timestamp()) * 1000 + int(ms)
        for each, ms in ((found[1], found[2]), (found[3], found[4]))
    )
    return first, last


@contextmanager
def reading(folder: int, name: str) -> Iterator[BinaryIO]:
    with files.open_file(name, folder) as file:
        yield file


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say of a part that is not what we wrote that it stands in the way."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise unreadable(path) from error  # what gzip raises of damage
    except (OutputAway, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a format raises of damage: arro3 may panic
        raise unreadable(path) from error


def unreadable(path: Path) -> OutputAway:
    return OutputAway(f"{path} is damaged, so nothing can be added to it: move it away")


def old_rows(place: Place, path: Path, file: BinaryIO) -> Iterator[Row]:
    with readable(path):
        yield from place.form.rows(file)


def drop_before(place: Place, oldest: str) -> list[Path]:
    """Delete the parts of days before *oldest*, of every kind; return them. Raise OSError."""
    dropped = []
    site = f"site={place.site}"
    with tree.opened(place.root, site) as folder:
        kinds = sorted(each for each in os.listdir(folder) if each.startswith("kind="))
    for kind in kinds:
        with tree.opened(place.root, site, kind) as folder:
            days = sorted(each for each in os.listdir(folder) if is_before(each, oldest))
            for day in days:
                inner = tree.open_in(folder, day, place.root / site / kind / day, make=False)
                try:
                    for name in parts(inner, place):
                        os.unlink(name, dir_fd=inner)
                        dropped.append(place.root / site / kind / day / name)
                finally:
                    os.close(inner)
                with suppress(OSError):  # somebody else's files are in it
                    os.rmdir(day, dir_fd=folder)
    return dropped


def is_before(name: str, oldest: str) -> bool:
    return bool(re.fullmatch(r"date=\d{4}-\d{2}-\d{2}", name)) and name < f"date={oldest}"
