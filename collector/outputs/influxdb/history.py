"""Readings back out of InfluxDB, as the journal had them: what a lost ledger is made again from.

Asked in InfluxQL, a piece of time at once, with the token that may read. A point of several fields
comes back as one reading; the tags of this site are left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from collector.contract.counters import DECISION
from collector.contract.documents import parsed
from collector.errors import OutputAway
from collector.lines.http_answer import Limits
from collector.outputs.influxdb.output import InfluxDB, token_in
from collector.reading import NAME, Reading, check_line, encode

PIECE_MS = 6 * 3_600_000  # of one kind of device; a piece that is too large is halved
SHORTEST_MS = 60_000
LIMITS = Limits(connect_s=5.0, wait_s=60.0, answer_s=300.0, most_bytes=16_000_000)
EMPTY_MS = 64 * PIECE_MS  # as far is looked at once while nothing is found


class History:
    """What one InfluxDB has of this site. Raise OutputAway where it does not answer."""

    def __init__(self, output: InfluxDB) -> None:
        if output.options.read_token is None:
            raise OutputAway("its option 'read_token' is needed: a token that may read the bucket")
        self.output = output
        self.token = output.options.read_token
        self.output.server.limits = LIMITS

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series that answer *query*."""
        database, _, policy = self.output.options.bucket.partition("/")
        fields = {"db": database, "epoch": "ms", "q": query} | ({"rp": policy} if policy else {})
        answer = self.output.ask("GET", "/query", fields, token_in(self.token))
        with suppress(ValueError, LookupError, TypeError, AttributeError):
            result = parsed(answer.said)["results"][0]
            if answer.status == HTTPStatus.OK and "error" not in result:
                series = result.get("series", [])
                return series if isinstance(series, list) else []
        raise OutputAway(f"InfluxDB at {self.output.options.url}: answered {answer}")

    def kinds(self) -> list[str]:
        """Return the kinds of devices that it has."""
        found = self.ask(f"SHOW MEASUREMENTS WHERE {self.output.ours}")
        names = [str(row[0]) for each in found for row in each["values"]]
        return [name for name in names if NAME.fullmatch(name)]

    def readings(
        self, wanted: Callable[[str], Iterable[str]], since_ms: int, until_ms: int
    ) -> Iterator[bytes]:
        """Yield readings, kind by kind and by time, with the quantities that are *wanted* of it.

        A '*' in a quantity stands for anything. Events come last, for they correct energies.
        """
        for kind in sorted(self.kinds(), key=lambda kind: (kind == DECISION, kind)):
            shape = "|".join(map(re.escape, wanted(kind))).replace(r"\*", ".*")
            at, length = max(since_ms, self.first_ms(kind)), PIECE_MS
            while shape and at < until_ms:
                end = min(at + length, until_ms)
                try:
                    lines = list(self.piece(kind, shape, at, end))
                except OutputAway:
                    if length // 2 < SHORTEST_MS:
                        raise
                    length //= 2
                    continue
                yield from lines
                at, length = end, min(length * 2, PIECE_MS if lines else EMPTY_MS)

    def first_ms(self, kind: str) -> int:
        """Return the time of the oldest point of a kind."""
        query = f'SELECT * FROM "{kind}" WHERE {self.output.ours} ORDER BY time LIMIT 1'  # noqa: S608  NAME
        return min((int(row[0]) for each in self.ask(query) for row in each["values"]), default=0)

    def piece(self, kind: str, shape: str, begin_ms: int, end_ms: int) -> Iterator[bytes]:
        query = (
            f'SELECT /^({shape})$/ FROM "{kind}" WHERE {self.output.ours} '  # noqa: S608  names and numbers
            f'AND time >= {begin_ms}ms AND time < {end_ms}ms GROUP BY "device"'
        )
        for series in self.ask(query):
            names, device = series["columns"][1:], str(series["tags"]["device"])
            for at_ms, *values in series["values"]:
                found = {
                    str(name): float(value)
                    for name, value in zip(names, values, strict=True)
                    if isinstance(value, int | float)
                }
                if found:
                    line = encode(Reading(kind, device, int(at_ms), found))
                    yield check_line(line.decode("ascii"))
