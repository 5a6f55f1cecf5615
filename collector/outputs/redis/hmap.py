"""Rows by the second in hashes, as vemonitor writes them (its HmapTimeSeries).

    set   NODE           the names of the hashes
    hash  NODE_DEVICE    JSON of the values by second since 1970, the newest 3,600 of them
    hash  vemonitor_meta marks the database as vemonitor's

vemonitor asked for all fields of a hash after each row; here they are asked for once.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from collector.lines.redis import Answer, Word
from collector.outputs.redis.rows import Row, row_of
from collector.outputs.redis.server import Server

MOST_ROWS = 3_600
SECOND = re.compile(rb"[0-9]{1,12}")
MARK = "vemonitor_meta"
MARKED = {"controled_by": "vemonitor_m8", "version": "0.1.2"}


class Hmap:
    """The hashes of one *node*; ``NODE_DEVICE`` has a row for each second of a device."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.seconds: dict[str, list[int]] = {}

    def forget(self) -> None:
        """Ask again before the next write."""
        self.seconds.clear()

    def newest_ms(self, server: Server) -> int | None:
        """Return the end of the newest second of any device; 0 where there is none."""
        (names,) = server.look([("SMEMBERS", self.node)])
        found = names if isinstance(names, list) else []
        keys = [each for each in found if isinstance(each, bytes)]
        answers = server.look([("HKEYS", key) for key in keys])
        newest = max((second for each in answers for second in seconds_in(each)), default=-1)
        return 1000 * newest + 999 if newest >= 0 else 0

    def write(self, server: Server, batch: Sequence[bytes]) -> dict[int, str]:
        """Store *batch*; of a second of a device its last reading counts."""
        rows: dict[str, dict[int, bytes]] = defaultdict(dict)
        for line in batch:
            row = row_of(line)
            rows[f"{self.node}_{row.device}"][row.at_ms // 1000] = as_json(row)
        commands = self.look(server, [key for key in rows if key not in self.seconds])
        for key, documents in rows.items():
            commands += self.store(key, documents)
        server.transact(commands)
        return {}

    def look(self, server: Server, keys: Sequence[str]) -> list[Sequence[Word]]:
        """Ask for the seconds under *keys*; return what makes them known to vemonitor."""
        if not keys:
            return []
        for key, answer in zip(keys, server.look([("HKEYS", key) for key in keys]), strict=True):
            self.seconds[key] = sorted(seconds_in(answer))
        marks: list[Sequence[Word]] = [("HSETNX", MARK, *pair) for pair in MARKED.items()]
        return [*marks, ["SADD", self.node, *keys]]

    def store(self, key: str, documents: dict[int, bytes]) -> list[Sequence[Word]]:
        """Return the commands that add *documents*, and remove what is too much then."""
        kept = self.seconds[key]
        for second in documents:
            at = bisect_left(kept, second)
            if kept[at : at + 1] != [second]:
                kept.insert(at, second)
        old = kept[: max(len(kept) - MOST_ROWS, 0)]
        del kept[: len(old)]
        added: list[Word] = []
        for second, document in documents.items():
            if second >= kept[0]:
                added += (second, document)
        commands: list[Sequence[Word]] = []
        if added:
            commands.append(["HSET", key, *added])
        if old:
            commands.append(["HDEL", key, *old])
        return commands


def as_json(row: Row) -> bytes:
    """Return the values as JSON, each number as it stands. Pure."""
    return b"{%s}" % b", ".join(b'"%s": %s' % pair for pair in row.fields)


def seconds_in(answer: Answer) -> Iterable[int]:
    keys = answer if isinstance(answer, list) else []
    return [int(each) for each in keys if isinstance(each, bytes) and SECOND.fullmatch(each)]
