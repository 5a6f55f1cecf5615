"""What InfluxDB holds of this site, as lines of the journal, hour by hour, in little memory.

It is asked by InfluxQL, which 1.8 and 2.x answer, in pieces of JSON: in CSV they leave errors out.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from collector.contract.documents import parsed
from collector.errors import EnergyMonitorError, ReadFault
from collector.outputs.influxdb.output import Answer, InfluxDB, message_in, token_in
from collector.reading import NAME

WINDOW_MS = 3_600_000
ROWS_AT_ONCE = 1000
LONGEST_LINE = 8_000_000  # so many rows of 100 quantities take 2 MB
LATEST_MS = 9_000_000_000_000  # InfluxDB's nanoseconds end in 2262
UNUSABLE = (ReadFault, ValueError, LookupError, TypeError, AttributeError)
Series = dict[str, Any]  # as InfluxDB names it: 'name', 'tags', 'columns' and 'values'


class NotAnswered(EnergyMonitorError):
    """The database did not give what was asked."""


class Stored:
    """The points of this site in the bucket of *output*; *left_out* counts what is no reading."""

    def __init__(self, name: str, output: InfluxDB) -> None:
        self.output = output
        if output.options.read_token is None:
            raise NotAnswered(
                f"output {name!r} has no read_token: 'energy-monitor setup influxdb' makes one"
            )
        self.token = token_in(output.options.read_token)
        self.left_out = 0

    def lines(self, since_ms: int, until_ms: int) -> Iterator[bytes]:
        """Yield the readings from *since_ms* on and before *until_ms*. Raise NotAnswered."""
        try:
            for kind in self.kinds():
                yield from self.of_kind(kind, max(since_ms, 0), min(until_ms, LATEST_MS))
        except UNUSABLE as error:
            raise NotAnswered(f"InfluxDB's answer cannot be used: {error}") from error

    def of_kind(self, kind: str, since_ms: int, until_ms: int) -> Iterator[bytes]:
        """Yield what there is of one kind, hour by hour; where an hour is empty, on to the next."""
        asked = f'FROM "{kind}" WHERE {self.output.ours} AND time >= {{}}ms AND time < {{}}ms'
        at_ms = self.next_time(asked, since_ms, until_ms)
        while at_ms is not None:
            end_ms = min(at_ms - at_ms % WINDOW_MS + WINDOW_MS, until_ms)
            empty = True
            for series in self.found(
                f'SELECT *::field {asked.format(at_ms, end_ms)} GROUP BY "device"'
            ):
                empty = False
                yield from self.lines_of(kind, series)
            at_ms = self.next_time(asked, end_ms, until_ms) if empty else end_ms
            if at_ms is not None and at_ms >= until_ms:
                return

    def next_time(self, asked: str, since_ms: int, until_ms: int) -> int | None:
        if since_ms >= until_ms:
            return None
        return self.time_of(f"SELECT * {asked.format(since_ms, until_ms)} ORDER BY time ASC")

    def kinds(self) -> list[str]:
        found = self.found(f"SHOW MEASUREMENTS WHERE {self.output.ours}")
        names = [str(row[0]) for series in found for row in series["values"]]
        if not names:  # also where there is no such bucket, of which only this is an error
            self.time_of('SELECT * FROM "collector"')
        self.left_out += sum(not NAME.fullmatch(name) for name in names)
        return sorted(name for name in names if NAME.fullmatch(name))

    def time_of(self, query: str) -> int | None:
        times = [row[0] for series in self.found(f"{query} LIMIT 1") for row in series["values"]]
        return max(times, default=None)

    def lines_of(self, kind: str, series: Series) -> Iterator[bytes]:
        """Yield the rows of one device as lines; what is not a reading is left out."""
        device, heads = series.get("tags", {}).get("device", ""), series["columns"]
        rows = series["values"]
        if not NAME.fullmatch(device):
            self.left_out += len(rows)
            return
        plain = [bool(NAME.fullmatch(head)) for head in heads]
        for at_ms, *cells in rows:
            fields = [
                f"{head}={float(cell)!r}"
                for head, cell, is_plain in zip(heads[1:], cells, plain[1:], strict=True)
                if is_plain and type(cell) in (int, float) and math.isfinite(cell)
            ]
            self.left_out += len(fields) < len(cells) - cells.count(None)
            if fields:
                yield f"{kind},device={device} {','.join(fields)} {int(at_ms)}".encode()

    def found(self, query: str) -> Iterator[Series]:
        """Yield the series that *query* finds, as they come. Raise NotAnswered, UNUSABLE."""
        database, _, policy = self.output.options.bucket.partition("/")
        fields = {"db": database, "epoch": "ms", "chunked": "true", "q": query}
        fields |= {"chunk_size": str(ROWS_AT_ONCE)} | ({"rp": policy} if policy else {})
        headers = {"Authorization": f"Token {self.token}"}
        answer = self.output.server.begin("GET", f"/query?{urlencode(fields)}", headers)
        with closing(answer):
            if answer.status != HTTPStatus.OK:
                answer.read()
                raise self.refused(answer.status, message_in(answer.text))
            yield from self.series_in(map(parsed, lines_of(answer.pieces())))

    def series_in(self, documents: Iterable[Any]) -> Iterator[Series]:
        more = True
        for document in documents:
            (result,) = document["results"]
            if "error" in result:
                raise self.refused(HTTPStatus.OK, str(result["error"]))
            more = result.get("partial", False)
            yield from result.get("series", ())
        if more:
            raise ValueError("it ends too early")

    def refused(self, status: int, message: str) -> NotAnswered:
        options = self.output.options
        answer = Answer(status, message.replace(self.token, "…"))
        assert options.read_token is not None
        hint = {
            401: f"; the token in secret {options.read_token.name!r} is not known there",
            403: f"; the token in secret {options.read_token.name!r} may not read this bucket",
            404: f"; is there a bucket {options.bucket!r}, and may the token read it?",
        }.get(status, "")
        return NotAnswered(f"InfluxDB at {options.url}: answered {answer}{hint}")


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut what comes into lines, none of which may be endless. Raise ValueError."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, last = rest.split(b"\n")
            yield from (bytes(line) for line in lines if line)
            rest = last
        if len(rest) > LONGEST_LINE:
            raise ValueError("a line does not end")
    if rest:
        yield bytes(rest)
