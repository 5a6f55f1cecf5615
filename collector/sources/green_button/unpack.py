"""Opens a downloaded file: XML, or packed as GZ or in a ZIP; what else there is, is refused.

Nothing is unpacked to disk. What a packed file unpacks to is bounded, and so is the list of files
in a ZIP, which is read whole into memory.
"""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from collector.errors import FrameDamaged
from collector.files import open_file

LARGEST_BYTES = 200_000_000  # every 15 minutes for 30 years; minutes of work for a Raspberry Pi
LARGEST_LIST = 100_000  # bytes; a thousand files
HEAD = 4096
GZ = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
END_OF_LIST = b"PK\x05\x06"
END_OF_LONG_LIST = b"PK\x06\x07"
LONGEST_END = 22 + 65_535
ENCRYPTED = 1
PACKED_AS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED = (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error)


class Unpacked:
    """A file that is read through *inner*, with those *before* up to ``LARGEST_BYTES``.

    Raise FrameDamaged.
    """

    def __init__(self, inner: BinaryIO, before: int = 0) -> None:
        self.inner = inner
        self.before = before
        self.bytes = 0
        self.most = 0  # of them all

    def read(self, size: int) -> bytes:
        try:
            data = self.inner.read(size)
        except DAMAGED as error:
            raise FrameDamaged(f"it cannot be unpacked: {error}") from error
        self.bytes += len(data)
        self.most = max(self.most, self.before + self.bytes)
        if self.most > LARGEST_BYTES:
            raise FrameDamaged(f"it is larger than {LARGEST_BYTES / 1e6:.0f} MB: divide it")
        return data

    def seek(self, place: int) -> int:
        self.bytes = 0
        return self.inner.seek(place)


def opened(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield each XML file in the file at *path*, with its name in a ZIP, in order of the names.

    Raise FrameDamaged, OSError.
    """
    with open_file(path, follow=True) as file:
        head = file.read(len(ZIP))
        file.seek(0)
        if head.startswith(GZ):
            with gzip.GzipFile(fileobj=file) as inner:
                yield "", checked(Unpacked(cast(BinaryIO, inner)))
        elif head == ZIP:
            yield from zipped(file)
        else:
            yield "", checked(Unpacked(file))


def zipped(file: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the XML files in a ZIP. Raise FrameDamaged."""
    check_list(file)
    with unpacking():
        archive = zipfile.ZipFile(file)
    with archive:
        before = 0
        for each in the_xml(archive):
            with unpacking():
                inner = archive.open(each)
            with inner:
                unpacked = Unpacked(cast(BinaryIO, inner), before)
                yield each.filename, checked(unpacked)
                before = unpacked.most


@contextmanager
def unpacking() -> Iterator[None]:
    """Raise FrameDamaged for what is wrong with a ZIP."""
    try:
        yield
    except (*DAMAGED, NotImplementedError, ValueError) as error:
        raise FrameDamaged(f"it cannot be unpacked: {error}") from error


def the_xml(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the XML files in *archive*, in order of their names. Raise FrameDamaged."""
    found = [each for each in archive.infolist() if is_xml(each.filename)]
    if not found:
        raise FrameDamaged("the ZIP contains no file that ends in .xml")
    if any(each.flag_bits & ENCRYPTED or each.compress_type not in PACKED_AS for each in found):
        raise FrameDamaged("the ZIP is encrypted or packed in an unusual way: unpack it")
    return sorted(found, key=lambda each: each.filename)


def check_list(file: BinaryIO) -> None:
    """Raise FrameDamaged where the list of files in a ZIP is too large to be read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - LONGEST_END - len(END_OF_LONG_LIST) - 16))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(END_OF_LIST)
    if at < 0 or len(tail) < at + 22:
        raise FrameDamaged("it cannot be unpacked: the ZIP is cut short")
    (length,) = struct.unpack_from("<I", tail, at + 12)
    if length > LARGEST_LIST or END_OF_LONG_LIST in tail[:at]:
        raise FrameDamaged("the ZIP contains too many files: unpack it")


def is_xml(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() == ".xml" and not path.name.startswith(".")


def checked(file: Unpacked) -> BinaryIO:
    """Return *file* from its beginning, unless it is a table. Raise FrameDamaged."""
    head = file.read(HEAD)
    file.seek(0)
    text = head.decode("utf-8-sig", errors="ignore").lstrip()
    if ("," in text or ";" in text) and not text.startswith("<") and "\0" not in text:
        raise FrameDamaged(
            "it is a table (CSV), not Green Button XML: the utility's page offers XML beside it"
        )
    return cast(BinaryIO, file)
