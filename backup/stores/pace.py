"""Reads what is uploaded, no faster than the owner of the line allows."""

import time
from collections.abc import Iterator
from typing import BinaryIO

from collector.lines.http_answer import PIECE


def pieces_of(opened: BinaryIO, rate: int = 0) -> Iterator[bytes]:
    """Yield a file's bytes from its beginning, at most *rate* of them a second; 0 is no limit."""
    began, sent = time.monotonic(), 0
    opened.seek(0)
    while piece := opened.read(min(PIECE, rate or PIECE)):
        yield piece
        sent += len(piece)
        if rate:
            time.sleep(max(0, began + sent / rate - time.monotonic()))
