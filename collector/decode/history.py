"""The readings of the newest days again and again, and those of before in windows.

For sources that ask a service which corrects what it has said. What has been told and what is
still missing is in ``backfill``. A window counts as there when the next read begins, for the
collector journals in between.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from collector.clock import utc_minute
from collector.contract import BadOption
from collector.decode import backfill
from collector.decode.backfill import Memory, Span
from collector.decode.once import Once
from collector.errors import ReadFault
from collector.reading import Reading

log = logging.getLogger(__name__)

EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)

Row = TypeVar("Row")


class History:
    """What the source *name* has told *of* something, and what is wanted of it *since* a day.

    Without a day nothing is wanted but what was missed while the house was offline. A window has
    at most *longest_ms*. Raise BadOption.
    """

    def __init__(self, name: str, file: Path, of: str, since: str, longest_ms: int) -> None:
        self.name = name
        self.since_ms = day_ms(since) if since else None
        self.longest_ms = longest_ms
        self.memory = Memory(name, file, of)
        self.progress = backfill.Progress(of)
        self.recent = self.wanted = (0, 0)
        self.window: Span | None = None
        self.spans: list[Span] = []
        self.once = Once(log)

    def begin(self, recent: Span) -> Span | None:
        """Begin a read that tells of *recent*; return the window that is to be fetched with it."""
        self.progress = self.memory.begin()
        known = self.progress.spans
        since_ms = self.since_ms
        if since_ms is None:
            since_ms = min([recent[0], *(begin for begin, _ in known)])
        self.recent, self.wanted, self.spans = recent, (since_ms, recent[1]), [recent]
        self.window = backfill.next_window(self.wanted, (*known, recent), self.longest_ms)
        return self.window

    def older(self, fetch: Callable[[Span], dict[int, Row]]) -> dict[int, Row]:
        """Return the rows of the window, as *fetch* returns them; none where it can't now."""
        if self.window is None:
            return {}
        try:
            rows = fetch(self.window)
        except ReadFault as error:  # no reason to be without the rows of today
            self.once.warning("history", f"{self.name}: no history yet: {error}")
            return {}
        self.once.warning("history", "")
        self.spans.append(self.window)
        return rows

    def end(self, readings: Iterable[Reading]) -> list[Reading]:
        """End a read; return those of *readings* that have not been told just so."""
        news = backfill.news(self.progress, readings)
        done = backfill.after(self.progress, self.spans, news, self.recent[0])
        self.memory.end(done)
        if self.window and not backfill.missing(self.wanted, done.spans):
            log.info("%s: the history since %s is fetched", self.name, utc_minute(self.wanted[0]))
        return news


def day_ms(text: str) -> int:
    """Return the start of the day *text*. Raise BadOption."""
    with suppress(ValueError):
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
        if day >= EARLIEST:
            return round(day.timestamp() * 1000)
    raise BadOption("since", f"{text!r} is not a day since 1970-01-02 (example: 2025-01-01)")
