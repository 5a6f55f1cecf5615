"""How far long work is: a line that is rewritten on a terminal, and now and then one elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from collector.text import amount, duration

TERMINAL_EVERY_S = 0.2
JOURNAL_EVERY_S = 60.0  # systemd's journal keeps every line


class Progress:
    """Counts the bytes of one piece of work, and tells of them as they come.

    It is called with the size of each piece; *total* may be set once it is known.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        stream: TextIO | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what = what
        self.total = total
        self.done = 0
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.now_s = now_s
        self.began_s = self.shown_s = now_s()

    def __call__(self, size: int) -> None:
        self.done += size
        now_s = self.now_s()
        if now_s - self.shown_s >= (TERMINAL_EVERY_S if self.terminal else JOURNAL_EVERY_S):
            self.shown_s = now_s
            self.stream.write(f"\r\033[K{self}" if self.terminal else f"{self}\n")
            self.stream.flush()

    def __str__(self) -> str:
        took_s = self.now_s() - self.began_s
        rate = self.done / took_s if took_s else 0.0
        text = f"{self.what}: {amount(self.done)}"
        left = (self.total or 0) - self.done  # less than nothing where more came than was expected
        if left > 0:
            text += f" of {amount(self.done + left)}"
        text += f", {amount(rate)}/s"
        if left > 0 and rate:
            text += f", {duration(left / rate)} to go"
        return text

    @property
    def took_s(self) -> float:
        return self.now_s() - self.began_s

    def end(self) -> None:
        """Clear the line of the terminal, for what is said next."""
        if self.terminal:
            self.stream.write("\r\033[K")
            self.stream.flush()
