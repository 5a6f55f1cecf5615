"""Parquet by arro3: columns of doubles, null where a value is not known, packed by zstd.

Measured with 432,000 rows of 10 quantities: 37 MB at most and 4.2 s, where pyarrow takes 153 MB and
5.5 s. This module is imported only where Parquet is written.
"""

import io
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import read_parquet, write_parquet

from collector.outputs.file.forms import Heads, parts_of
from collector.outputs.file.rows import Row

suffix = "parquet"
COMPRESSION = "zstd(3)"
GROUP = 43_200  # rows: half a day of one meter at 1 Hz
AT_ONCE = 2_048
TIME = DataType.timestamp("ms", tz="UTC")
TEXT = DataType.string()
NUMBER = DataType.float64()


class Sink(io.RawIOBase):
    """Takes what is written, and remembers the first error: raised within arro3 it is a panic."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                self.file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def flush(self) -> None:
        if self.error is None:
            try:
                self.file.flush()
            except OSError as error:
                self.error = error


def write(
    file: BinaryIO,
    kind: str,  # noqa: ARG001  it stands in the path
    rows: Iterable[Row],
    names: Sequence[str],
    tags: Mapping[str, str],
) -> None:
    """Write *rows*, whose quantities are *names*. Raise OSError."""
    columns = [
        Field("time", TIME, nullable=False),
        Field("device", TEXT, nullable=False),
        *(Field(tag, TEXT, nullable=False) for tag in tags),
        *(Field(name, NUMBER) for name in names),
    ]
    schema = Schema(columns)
    sink = Sink(file)
    failed: list[BaseException] = []

    def batches() -> Iterator[RecordBatch]:
        try:
            for some in parts_of(rows, AT_ONCE):
                sink.check()
                yield RecordBatch.from_arrays(arrays(some, names, tags), schema=schema)
        except BaseException as error:
            failed.append(error)  # arro3 would raise a plain Exception of its own
            raise

    try:
        write_parquet(
            RecordBatchReader.from_batches(schema, batches()),
            cast("BinaryIO", sink),
            compression=COMPRESSION,
            max_row_group_size=GROUP,
        )
    except Exception:
        if failed:
            raise failed[0] from None
        raise
    sink.check()


def arrays(rows: Sequence[Row], names: Sequence[str], tags: Mapping[str, str]) -> list[Array]:
    devices, times, every = zip(*rows, strict=True)
    at = Array.from_buffer(array("q", times)).cast(TIME)
    words = [Array([word] * len(rows), type=TEXT) for word in tags.values()]
    numbers = [Array(column, type=NUMBER) for column in columns_of(every, names)]
    return [at, Array(devices, type=TEXT), *words, *numbers]


def columns_of(every: Sequence[bytes], names: Sequence[str]) -> Iterator[Sequence[float | None]]:
    """Yield a column per name, None where a row does not have it.

    Rows mostly have the same quantities, so all rows of one shape are taken apart at once.
    """
    shapes: dict[tuple[bytes, ...], tuple[list[int], list[list[bytes]]]] = {}
    for place, fields in enumerate(every):
        cells = fields.replace(b"=", b",").split(b",")
        places, rows = shapes.setdefault(tuple(cells[::2]), ([], []))
        places.append(place)
        rows.append(cells[1::2])
    columns: dict[bytes, list[float | None]] = {}
    for shape, (places, rows) in shapes.items():
        for name, column in zip(shape, zip(*rows, strict=True), strict=True):
            values = map(float, column)
            if len(places) == len(every):
                columns[name] = list(values)
                continue
            sparse = columns.setdefault(name, [None] * len(every))
            for place, value in zip(places, values, strict=True):
                sparse[place] = value
    nothing = [None] * len(every)
    for each in names:
        yield columns.get(each.encode(), nothing)


def heads(file: BinaryIO) -> Heads:
    """Return which columns *file* has: a number is a quantity, a text a tag."""
    schema = read_parquet(file).schema
    found: tuple[list[str], list[str]] = ([], [])
    for name in schema.names:
        if name not in ("time", "device"):
            found[schema.field(name).type == NUMBER].append(name)
    return Heads(*found)


def rows(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of *file*, in their order."""
    names = heads(file).names
    file.seek(0)
    for batch in read_parquet(file, batch_size=AT_ONCE):
        times = batch.column("time").cast(DataType.int64()).to_pylist()
        columns = [batch.column(name).to_pylist() for name in names]
        for device, at_ms, *values in zip(
            batch.column("device").to_pylist(), times, *columns, strict=True
        ):
            fields = ",".join(
                f"{name}={value!r}"
                for name, value in zip(names, values, strict=True)
                if value is not None
            )
            yield device, at_ms, fields.encode("ascii")
