"""Victron's VE.Direct text protocol: bytes as they come, whole blocks, joined blocks.

A device sends blocks unasked, once a second. A block is fields CR LF label TAB value, of which
the last is labelled ``Checksum`` and has one byte as value, any byte, that brings the sum of all
bytes of the block to 0 mod 256. HEX messages, from a colon to a line feed, may stand between
blocks and anywhere inside one; they are no part of the sum. (VE.Direct Protocol 3.33; the sum and
the place of HEX messages as measured on recordings of a BMV-702 and a BlueSolar 75/15)

Nothing here knows a port or a clock.
"""

import re
from collections.abc import Callable, Iterator

BAUDRATE = 19200
LONGEST_BLOCK = 1024  # 22 fields of at most 8 + 33 characters, and room
LONGEST_HEX = 256  # the longest seen, of the daily history, has 77 bytes
HEX = re.compile(rb":([0-9A-F])((?:[0-9A-F]{2})+)\n")
HEX_SUM = 0x55
BELONG_WITHIN_S = 1.0  # the blocks of one reading follow one another within the device's second
END = b"\r\nChecksum\t"
MARKS = b"\r\n\t"
PRINTABLE = bytes(range(0x20, 0x7F))

Block = dict[str, str]
DAMAGED: Block = {}


def fields_of(block: bytes) -> Block:
    """Return text by label of a whole block, without its checksum; ``DAMAGED`` where it is none."""
    if sum(block) % 256 or not block.startswith(b"\r\n"):
        return DAMAGED
    body = block[:-1]
    marks = body.translate(None, PRINTABLE)
    count = body.count(b"\r\n")
    if marks != MARKS * count:
        return DAMAGED
    texts = iter(body[2:].replace(b"\r\n", b"\t").decode("ascii").split("\t"))
    fields = dict(zip(texts, texts, strict=True))  # a label, a text, and so on
    if "" in fields or fields.pop("Checksum", None) != "":
        return DAMAGED
    return fields


def is_hex(message: bytes) -> bool:
    """Is *message* a whole HEX message, by its sum? Pure."""
    match = HEX.fullmatch(message)
    if not match:
        return False
    return (int(match[1], 16) + sum(bytes.fromhex(match[2].decode()))) % 256 == HEX_SUM


class Parser:
    """Cuts a stream of bytes into blocks, however they are parcelled; *hex* counts HEX messages."""

    def __init__(self) -> None:
        self.buffer = b""
        self.hex = 0

    def feed(self, data: bytes) -> Iterator[Block]:
        """Yield each block that *data* ends; ``DAMAGED`` stands for one that was not whole."""
        buffer, start = self.buffer + data, 0
        while True:
            end = buffer.find(END, start)
            colon = buffer.find(b":", start, end if end >= 0 else len(buffer))
            if colon >= 0:
                after = end_of_hex(buffer, colon)
                if after < 0:
                    break
                self.hex += is_hex(buffer[colon:after])
                buffer, start = buffer[start:colon] + buffer[after:], 0
                continue
            after = end + len(END) + 1
            if end < 0 or after > len(buffer):
                break
            block = buffer[max(start, after - LONGEST_BLOCK) : after]
            start = after
            # What stands before the first line is noise, or the rest of a block cut in two.
            yield fields_of(block) or fields_of(block[block.find(b"\r") :])
        self.buffer = buffer[max(start, len(buffer) - LONGEST_BLOCK) :]


def end_of_hex(buffer: bytes, colon: int) -> int:
    """Return where the HEX message at *colon* is over; -1 while that is still to come.

    One that lost its line feed is over where the next line begins, so that it costs no block.
    """
    limit = colon + LONGEST_HEX
    line_feed = buffer.find(b"\n", colon, limit)
    line = buffer.find(b"\r", colon, line_feed if line_feed >= 0 else limit)
    if line >= 0:
        return line
    if line_feed >= 0:
        return line_feed + 1
    return limit if len(buffer) >= limit else -1


class Joiner:
    """Joins the blocks that make one reading: many devices split theirs into two.

    The first of them has the field PID, the others have not. They belong together when they
    follow one another without a damaged one between and within a second. How many there are is
    learnt from the reading before; *usual* tells it of the first, given the PID as sent. Where
    that is not known (0), the first reading is complete when the next one begins.
    """

    def __init__(self, usual: Callable[[str], int]) -> None:
        self.usual = usual
        self.joined: Block = {}
        self.count = 0
        self.wanted = 0
        self.began_s = 0.0

    def add(self, block: Block, at_s: float) -> Block:
        """Take a block that came at *at_s*; return the reading that it completes, or nothing.

        Where a block of it was damaged, the reading is complete with those before.
        """
        if not block:
            cut_short = self.joined if self.is_incomplete else DAMAGED
            self.joined, self.count = {}, 0
            return cut_short
        before = DAMAGED
        if "PID" in block:
            before = self.joined if self.count and not self.wanted else DAMAGED
            self.wanted = self.count or self.usual(block["PID"])
            self.joined, self.count, self.began_s = block, 1, at_s
        elif self.count and at_s - self.began_s <= BELONG_WITHIN_S:
            self.joined, self.count = self.joined | block, self.count + 1
        else:
            return DAMAGED
        return before if self.is_incomplete else self.joined

    @property
    def is_incomplete(self) -> bool:
        return not self.wanted or self.count < self.wanted
