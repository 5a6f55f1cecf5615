"""The formats of a finished part: how its rows are written, and read again to add others.

The columns are the time, the device, the tags of the output and the quantities. What is not known
is empty or null.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import BinaryIO, Literal, NamedTuple, Protocol, cast

from collector.contract import extras
from collector.contract.rolled import quantity_of
from collector.outputs.file.rows import Row

Format = Literal["parquet", "csv", "lp"]
LEVEL = 6
LONGEST_HEAD = 1 << 20
AT_ONCE = 1000  # rows that are written together


class Heads(NamedTuple):
    """The columns of a part besides time and device; the site is not among the tags."""

    tags: list[str]
    names: list[str]


class Form(Protocol):
    """A module or class that writes and reads one format."""

    suffix: str

    def write(
        self,
        file: BinaryIO,
        kind: str,
        rows: Iterable[Row],
        names: Sequence[str],
        tags: Mapping[str, str],
    ) -> None:
        """Write *rows*, whose quantities are *names*. Raise OSError."""

    def heads(self, file: BinaryIO) -> Heads:
        """Return which columns *file* has."""

    def rows(self, file: BinaryIO) -> Iterator[Row]:
        """Yield the rows of *file*, in their order."""


def form_of(name: Format) -> Form:
    """Return a format by its name; its library is imported only now. Raise PackageMissing."""
    if name == "parquet":
        with extras.importing("parquet"):
            return cast("Form", import_module("collector.outputs.file.parquet"))
    return CSV() if name == "csv" else LineProtocol()


class LineProtocol:
    """The lines of the journal with the tags of the output, deflated."""

    suffix = "lp.gz"

    def write(
        self,
        file: BinaryIO,
        kind: str,
        rows: Iterable[Row],
        names: Sequence[str],  # noqa: ARG002  a line has its own
        tags: Mapping[str, str],
    ) -> None:
        tag_text = "".join(f",{name}={word}" for name, word in tags.items())
        with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
            for some in parts_of(rows):
                packed.writelines(
                    b"%s,device=%s%s %s %d\n"
                    % (kind.encode(), device.encode(), tag_text.encode(), fields, at_ms)
                    for device, at_ms, fields in some
                )

    def heads(self, file: BinaryIO) -> Heads:
        names: set[bytes] = set()
        for _, _, fields in self.rows(file):
            names.update(field.partition(b"=")[0] for field in fields.split(b","))
        file.seek(0)
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            head = packed.readline(LONGEST_HEAD).partition(b" ")[0].decode("ascii")
        tags = [tag.partition("=")[0] for tag in head.split(",")[2:]]
        return Heads([tag for tag in tags if tag != "site"], [name.decode() for name in names])

    def rows(self, file: BinaryIO) -> Iterator[Row]:
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            for line in packed:
                head, fields, at_ms = line.split(b" ")
                device = head.split(b",")[1].removeprefix(b"device=")
                yield device.decode("ascii"), int(at_ms), fields


class CSV:
    """RFC 4180: a row per device and time, a column per quantity, ISO 8601 in UTC.

    No cell can be a formula: names begin with a letter or digit, and all else is a number.
    """

    suffix = "csv"

    def write(
        self,
        file: BinaryIO,
        kind: str,  # noqa: ARG002  it stands in the path
        rows: Iterable[Row],
        names: Sequence[str],
        tags: Mapping[str, str],
    ) -> None:
        file.write(",".join(["time", "device", *tags, *names]).encode() + b"\r\n")
        words = "".join(f",{word}" for word in tags.values()).encode()
        keys = [name.encode() for name in names]
        for some in parts_of(rows):
            lines = []
            for device, at_ms, fields in some:
                values = dict(field.split(b"=") for field in fields.split(b","))
                cells = b",".join(as_float(values.get(key, b"")) for key in keys)
                at = iso(at_ms).encode()
                lines.append(b"%s,%s%s,%s\r\n" % (at, device.encode(), words, cells))
            file.writelines(lines)

    def heads(self, file: BinaryIO) -> Heads:
        return self.split(file.readline(LONGEST_HEAD).decode("ascii").rstrip("\r\n").split(","))

    @staticmethod
    def split(cells: Sequence[str]) -> Heads:
        """Tell tags from quantities: no tag has the name of one."""
        found: tuple[list[str], list[str]] = ([], [])
        for cell in cells[2:]:
            found[quantity_of(cell) is not None].append(cell)
        return Heads(*found)

    def rows(self, file: BinaryIO) -> Iterator[Row]:
        with io.TextIOWrapper(file, "ascii", newline="") as text:
            lines = csv.reader(text)
            heads = next(lines)
            names = set(self.split(heads).names)
            for cells in lines:
                at_ms = round(datetime.fromisoformat(cells[0]).timestamp() * 1000)
                fields = ",".join(
                    f"{head}={cell}"
                    for head, cell in zip(heads, cells, strict=True)
                    if cell and head in names
                )
                yield cells[1], at_ms, fields.encode("ascii")


def as_float(value: bytes) -> bytes:
    """Return a value with its fraction; nothing for nothing."""
    return value if not value or b"." in value else repr(float(value)).encode()


def iso(at_ms: int) -> str:
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def parts_of(rows: Iterable[Row], size: int = AT_ONCE) -> Iterator[list[Row]]:
    """Yield *rows* in lists of up to *size*."""
    some: list[Row] = []
    for row in rows:
        some.append(row)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
