"""Files of another computer, over SFTP.

The system's ``ssh`` brings the connection, its keys and its ciphers; here are the requests.
"""

import os
import select
import struct
import subprocess
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import IO

from backup.stores.sftp_message import (
    ATTRIBUTES,
    CLOSE,
    DATA,
    EXTENDED,
    FIRST,
    HANDLE,
    INIT,
    MKDIR,
    NAME,
    NO_SUCH_FILE,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    REMOVE,
    RENAME,
    STAT,
    STATUS,
    TO_MAKE,
    TO_READ,
    VERSION,
    WITH_MODE,
    WRITE,
    Fields,
    Lost,
    Refused,
    named,
    packed,
    refusal,
)
from collector.errors import StoreAway
from collector.text import plain

START_S = 45.0  # name, connection and keys, also of a disk that has to spin up
ANSWER_S = 60.0
MOST_BYTES = 260 << 10  # of one answer; OpenSSH sends up to 256 kB
SHORTEST = 5  # a type and a number
MOST_WORDS = 4096  # of ssh, about why it ended
MOST_NAMES = 1_000_000  # in one folder
PIECE = 32 << 10  # every server takes this much in one request
WINDOW = 16  # requests under way: 10 MB/s over a line of 50 ms

FSYNC = b"fsync@openssh.com"


class NotAdmitted(StoreAway):
    """The server does not take our key."""


class OtherServer(StoreAway):
    """The server's key is not the one that is known."""


# What asking again would not change; ssh has one exit status for everything.
FINAL = {"Permission denied": NotAdmitted, "Host key verification failed": OtherServer}


class Session:
    """One connection, through the program *command*. Raise Lost, StoreAway where it is refused."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self.process = subprocess.Popen(  # noqa: S603  ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # no terminal to ask at, and no ^C but ours
            )
        except FileNotFoundError:
            raise StoreAway(
                f"there is no program {command[0]}: apt install openssh-client"
            ) from None
        process = self.process
        pipes = [each for each in (process.stdin, process.stdout, process.stderr) if each]
        self.close = weakref.finalize(self, end, process, pipes)
        self.stdin, self.stdout, self.stderr = (each.fileno() for each in pipes)
        for each in (self.stdin, self.stderr):
            os.set_blocking(each, False)
        self.number = 0
        self.can_sync = False
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        self.send(bytes([INIT]) + struct.pack(">I", VERSION))
        answer = self.receive(START_S)
        if answer.take(1)[0] != FIRST or answer.number() < VERSION:
            raise StoreAway("the server does not answer as SFTP 3 does: does it offer SFTP?")
        while answer.at < len(answer.data):
            self.can_sync |= answer.text() == FSYNC
            answer.text()

    # --- files ---------------------------------------------------------------------------------

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield name and size of what is in *folder*, in no order; nothing where there is none."""
        try:
            handle = self.handle(bytes([OPENDIR]), named(folder))
        except Refused as error:
            if error.code == NO_SUCH_FILE:
                return
            raise
        left = MOST_NAMES
        while (answer := self.one(READDIR, packed(handle), expected=NAME)) is not None:
            left -= 1  # also where it says that none comes
            for _ in range(answer.number()):
                name = answer.text()
                answer.text()  # as 'ls -l' shows it
                size = answer.size()
                left -= 1
                if size is not None:
                    yield name.decode(errors="replace"), size
            if left <= 0:
                raise StoreAway(f"{plain(folder)}: it lists more than {MOST_NAMES:,} files")
        self.one(CLOSE, packed(handle))

    def size(self, path: str) -> int | None:
        """Return the size of a file, None where there is none."""
        try:
            answer = self.one(STAT, named(path), expected=ATTRIBUTES)
        except Refused as error:
            if error.code == NO_SUCH_FILE:
                return None
            raise
        return answer.size() if answer else None

    def open(self, path: str) -> bytes:
        return self.handle(bytes([OPEN]), named(path) + struct.pack(">II", TO_READ, 0))

    def read(self, handle: bytes, at: int) -> bytes:
        """Return some bytes of an open file from *at* on; none at its end."""
        asked = packed(handle) + struct.pack(">QI", at, 4 * PIECE)
        answer = self.one(READ, asked, expected=DATA)
        return answer.text() if answer else b""

    def make(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a new file. Raise Refused where there is one."""
        how = struct.pack(">III", TO_MAKE, WITH_MODE, 0o600)
        handle = self.handle(bytes([OPEN]), named(path) + how)
        at, waiting = 0, []
        for piece in cut(pieces):
            waiting.append(packed(handle) + struct.pack(">Q", at) + packed(piece))
            at += len(piece)
            if len(waiting) == WINDOW:
                self.ask(WRITE, waiting)
                waiting.clear()
        self.ask(WRITE, waiting)
        if self.can_sync:
            self.one(EXTENDED, packed(FSYNC) + packed(handle))
        self.one(CLOSE, packed(handle))

    def close_file(self, handle: bytes) -> None:
        self.one(CLOSE, packed(handle))

    def rename(self, old: str, new: str) -> None:
        """Give a file another name. Raise Refused where something has it."""
        self.one(RENAME, named(old) + named(new))

    def remove(self, path: str) -> None:
        self.one(REMOVE, named(path))

    def make_folder(self, path: str) -> None:
        """Make a folder where there is none. Raise Refused where its parent is missing."""
        with suppress(Refused):  # for what is there, no server has a reason of its own
            self.one(MKDIR, named(path) + struct.pack(">II", WITH_MODE, 0o700))
            return
        if self.size(path) is None:
            self.one(MKDIR, named(path) + struct.pack(">II", WITH_MODE, 0o700))

    # --- requests and answers ------------------------------------------------------------------

    def handle(self, kind: bytes, fields: bytes) -> bytes:
        answer = self.one(kind[0], fields, expected=HANDLE)
        if answer is None:
            raise Lost("no handle came: is this an SFTP server?")
        return answer.text()

    def one(self, kind: int, fields: bytes, expected: int = STATUS) -> Fields | None:
        return self.ask(kind, [fields], expected)[0]

    def ask(
        self, kind: int, requests: Sequence[bytes], expected: int = STATUS
    ) -> list[Fields | None]:
        """Send requests of one kind; return their answers, None for "done" and "no more".

        Raise Refused, Lost.
        """
        numbers = [(self.number + each) % (1 << 32) for each in range(len(requests))]
        self.number += len(requests)
        for number, fields in zip(numbers, requests, strict=True):
            self.send(bytes([kind]) + struct.pack(">I", number) + fields)
        answers: dict[int, Fields | None] = {}
        refused: Refused | None = None
        for _ in requests:
            answer = self.receive()
            got, number = answer.take(1)[0], answer.number()
            answers[number] = None if got == STATUS else answer
            if got == STATUS:
                refused = refused or refusal(answer, may_end=expected != STATUS)
            elif got != expected:
                raise Lost(f"an answer of type {got} came: is this an SFTP server?")
        if refused:
            raise refused
        if answers.keys() != set(numbers):
            raise Lost("answers came to what was not asked: is this an SFTP server?")
        return [answers[number] for number in numbers]

    def send(self, message: bytes) -> None:
        until = time.monotonic() + ANSWER_S
        data = memoryview(packed(message))
        while data:
            self.wait(self.stdin, select.POLLOUT, until)
            try:
                data = data[os.write(self.stdin, data) :]
            except BlockingIOError:  # there was room, but not for this much
                continue
            except BrokenPipeError:
                raise self.lost() from None

    def receive(self, within_s: float | None = None) -> Fields:
        until = time.monotonic() + (within_s or ANSWER_S)
        size = int.from_bytes(self.exactly(4, until), "big")
        if not SHORTEST <= size <= MOST_BYTES:
            raise Lost(f"an answer of {size:,} bytes came: is this an SFTP server?")
        return Fields(self.exactly(size, until))

    def exactly(self, size: int, until: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self.wait(self.stdout, select.POLLIN, until)
            piece = os.read(self.stdout, size - len(data))
            if not piece:
                raise self.lost()
            data += piece
        return bytes(data)

    def wait(self, descriptor: int, what: int, until: float) -> None:
        poll = select.poll()
        poll.register(descriptor, what)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise Lost("no answer in time")

    def lost(self) -> StoreAway:
        """Say why ssh ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        words = b""  # where it goes on without a word
        with suppress(BlockingIOError):
            words = os.read(self.stderr, MOST_WORDS)
        lines = [
            plain(each.strip().rstrip(".")) for each in words.decode(errors="replace").splitlines()
        ]
        said = "; ".join([each for each in lines if each][-3:]) or "the connection was closed"
        return next((kind for words, kind in FINAL.items() if words in said), Lost)(said)


def end(process: subprocess.Popen[bytes], pipes: Iterable[IO[bytes]]) -> None:
    process.kill()
    process.wait()
    for pipe in pipes:
        pipe.close()


def cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), PIECE):
            yield piece[at : at + PIECE]
