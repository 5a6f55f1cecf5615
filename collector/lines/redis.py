"""A connection to a Redis or Valkey server, in its protocol RESP 2 (redis.io/docs, protocol spec).

Spoken by hand because every length on the wire must have a limit, and the redis package, which
takes 14 MB of memory, reads whatever it is sent.
"""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Union

from collector.errors import DeviceRefused, DeviceSilent, FrameDamaged, LineAway
from collector.lines.tcp import TcpLine
from collector.text import plain

ANSWER_S = 5.0
LONGEST_LINE = 1024
LONGEST_VALUE = 65_536  # what is longer is passed over
LARGEST_ANSWER = 16_000_000
ELEMENT_BYTES = 100  # in memory, whatever it is
MOST_ELEMENTS = 200_000
DEEPEST = 6
AT_ONCE = 65_536
LENGTH = re.compile(rb"-?\d{1,18}")

Word = str | int | bytes


class Refusal(str):
    """An error as one of several answers: the server's words, in plain characters."""

    __slots__ = ()


Answer = Union[int, bytes, Refusal, None, list["Answer"]]  # noqa: UP007  it names itself


class RedisLine:
    """One connection, used by one thread at a time. Raise ValueError for a wrong *url*."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tcp = TcpLine(url)
        self.come = bytearray()
        self.room = 0
        self.until_s = 0.0
        self.latest_s = float("inf")
        self.answer_s = ANSWER_S

    @property
    def is_open(self) -> bool:
        return self.tcp.connection is not None

    def open(self, user: str, password: str, database: int) -> None:
        """Connect and log in. Raise LineAway, DeviceRefused, DeviceSilent or FrameDamaged."""
        self.close()
        self.latest_s = float("inf")
        self.tcp.open()
        try:
            if password:
                self.ask("AUTH", *([user] if user else []), password)
            self.ask("SELECT", database)
        except DeviceRefused:
            self.close()
            raise

    def close(self) -> None:
        self.tcp.close()
        self.come.clear()

    def ask(self, *words: Word) -> Answer:
        """Return the answer to a command; None for what is not there, or is too long.

        It comes before *latest_s* on the monotonic clock. Raise DeviceRefused where it is an error;
        any other ReadFault ends the connection.
        """
        (answer,) = self.ask_all([words])
        if isinstance(answer, Refusal):
            raise DeviceRefused(f"{self.url} refuses: {answer}")
        if isinstance(answer, list) and any(isinstance(each, Refusal) for each in answer):
            self.close()
            raise FrameDamaged(f"{self.url} did not answer like a Redis server: an error in a list")
        return answer

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Answer]:
        """Send several commands at once; return their answers, as many, errors among them.

        They come before *latest_s* on the monotonic clock. Any ReadFault ends the connection: some
        of the commands may have been carried out.
        """
        self.until_s = min(time.monotonic() + self.answer_s, self.latest_s)
        self.room = LARGEST_ANSWER
        try:
            self.tcp.send(b"".join(map(encode, commands)))
            return [self.answer(DEEPEST) for _ in commands]
        except (FrameDamaged, DeviceSilent, LineAway):
            self.close()
            raise

    def count(self, *words: Word) -> int:
        """Return the answer to a command that counts. Raise ReadFault."""
        answer = self.ask(*words)
        return answer if isinstance(answer, int) else 0

    def texts(self, *words: Word) -> list[str]:
        """Return the answer to a command that lists texts, without those too long or no UTF-8.

        Raise ReadFault.
        """
        answer = self.ask(*words)
        found = []
        for each in answer if isinstance(answer, list) else []:
            with suppress(UnicodeDecodeError):
                found += [each.decode()] if isinstance(each, bytes) else []
        return found

    def answer(self, depth: int) -> Answer:
        self.room -= ELEMENT_BYTES
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            return Refusal(plain(rest.decode("ascii", errors="replace")))
        if kind == b"+":
            return rest
        if kind not in (b":", b"$", b"*") or not LENGTH.fullmatch(rest):
            raise FrameDamaged(
                f"{self.url} did not answer like a Redis server: {bytes(line[:40])!r}"
            )
        size = int(rest)
        if kind == b":":
            return size
        if size < 0:
            return None
        return self.value(size) if kind == b"$" else self.elements(size, depth)

    def value(self, size: int) -> bytes | None:
        if size <= LONGEST_VALUE:
            return self.take(size + 2)[:-2]
        left = size + 2
        while left:
            piece = self.take(min(left, AT_ONCE))
            self.room += len(piece)  # it takes no memory
            left -= len(piece)
        return None

    def elements(self, size: int, depth: int) -> list[Answer]:
        if size > MOST_ELEMENTS or not depth:
            raise FrameDamaged(f"{self.url} sends a list of {size}; too long, or nested too deep")
        return [self.answer(depth - 1) for _ in range(size)]

    def line(self) -> bytes:
        """Return the next line, without its end."""
        while (end := self.come.find(b"\r\n")) < 0:
            if len(self.come) > LONGEST_LINE:
                raise FrameDamaged(f"{self.url} sends an endless line, unlike a Redis server")
            self.receive()
        return self.take(end + 2)[:-2]

    def take(self, size: int) -> bytes:
        self.room -= size
        if self.room < 0:
            raise FrameDamaged(f"{self.url} sends more than {LARGEST_ANSWER / 1e6:.0f} MB at once")
        while len(self.come) < size:
            self.receive()
        taken = bytes(self.come[:size])
        del self.come[:size]
        return taken

    def receive(self) -> None:
        if time.monotonic() > self.until_s:
            raise DeviceSilent(f"{self.url}: no complete answer in time")
        piece = self.tcp.receive_some(AT_ONCE, self.until_s)
        if not piece:
            raise DeviceSilent(f"{self.url}: no complete answer in time")
        self.come += piece


def encode(words: Sequence[Word]) -> bytes:
    """Return a command as it is sent. Pure."""
    data = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word if isinstance(word, bytes) else str(word).encode()
        data.append(b"$%d\r\n%s\r\n" % (len(text), text))
    return b"".join(data)
