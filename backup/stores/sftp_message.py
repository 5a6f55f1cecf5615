"""What SFTP version 3 says (draft-ietf-secsh-filexfer-02): kinds of messages, and their fields."""

import struct
from dataclasses import dataclass, field

from collector.errors import StoreAway
from collector.text import plain

VERSION = 3
INIT, OPEN, CLOSE, READ, WRITE, STAT = 1, 3, 4, 5, 6, 17
OPENDIR, READDIR, REMOVE, MKDIR, RENAME, EXTENDED = 11, 12, 13, 14, 18, 200
FIRST, STATUS, HANDLE, DATA, NAME, ATTRIBUTES = 2, 101, 102, 103, 104, 105
OK, END, NO_SUCH_FILE, PERMISSION_DENIED = 0, 1, 2, 3
TO_READ, TO_MAKE = 0x01, 0x02 | 0x08 | 0x20  # write, create, and only where nothing is there
WITH_SIZE, WITH_OWNER, WITH_MODE, WITH_TIMES, WITH_MORE = 0x01, 0x02, 0x04, 0x08, 0x80000000


class Lost(StoreAway):
    """The connection broke, or never came about: asking again may help."""


class Refused(StoreAway):
    """The server refused a request; *code* is its reason."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Fields:
    """The rest of an answer, read from its beginning. Raise Lost where it ends too early."""

    data: bytes
    at: int = field(default=0)

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Lost("an answer is cut short: is this an SFTP server?")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def text(self) -> bytes:
        return self.take(self.number())

    def size(self) -> int | None:
        """Read the attributes of a file; return its size, None where they do not say it."""
        flags = self.number()
        size = int.from_bytes(self.take(8), "big") if flags & WITH_SIZE else None
        for each, length in ((WITH_OWNER, 8), (WITH_MODE, 4), (WITH_TIMES, 8)):
            self.take(length if flags & each else 0)
        if flags & WITH_MORE:
            for _ in range(2 * self.number()):
                self.text()
        return size


def refusal(answer: Fields, *, may_end: bool) -> Refused | None:
    """Return what a status says, None where all went well, or there is no more."""
    code = answer.number()
    if code == OK or (code == END and may_end):
        return None
    words = plain(answer.text().decode(errors="replace")) if answer.at < len(answer.data) else ""
    return Refused(words or f"error {code}", code)


def packed(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def named(path: str) -> bytes:
    return packed(path.encode())
