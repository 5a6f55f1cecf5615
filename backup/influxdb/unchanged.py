"""Which shards have not changed since the last backup, by what InfluxDB says without reading them.

Nothing here trusts a file's time: a Pi has none when it boots.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from backup.influxdb.buckets import Shard
from backup.influxdb.influxdb_2 import DISK_SIZE, HINTS, Hints
from backup.manifest import Manifest

SWEEP = timedelta(days=1)  # a hint may fail us: so often every shard is read all the same


def last_sweep(previous: Manifest | None, seen: Hints | None, now: datetime) -> datetime | None:
    """Return when every shard was last read; None where that is to be done now.

    It is after a restart, which begins the hints anew, daily, and when the clock was set back.
    """
    if not (previous and previous.hints and seen) or previous.hints["server"] != seen.started:
        return None
    at = datetime.fromisoformat(previous.hints["swept_at"])
    return at if timedelta(0) <= now - at < SWEEP else None


def unchanged(shard: Shard, previous: Manifest | None, seen: Hints | None, now: datetime) -> bool:
    """Tell whether a shard is as it was, by its hints; the one of this moment never is."""
    if not (previous and seen) or shard.start <= now < shard.end:
        return False
    hint = seen.shards.get(str(shard.id))
    return hint is not None and previous.hints["shards"].get(str(shard.id)) == hint


def hints_of(seen: Hints | None, swept_at: datetime, doubtful: Collection[int]) -> dict[str, Any]:
    """Return the hints for the next backup, by which it reads the shards *doubtful* again."""
    if not seen:
        return {}
    shards = {shard: hint for shard, hint in seen.shards.items() if int(shard) not in doubtful}
    return {"server": seen.started, "swept_at": swept_at.isoformat(), "shards": shards}


def expected_bytes(shard: Shard, seen: Hints | None) -> int:
    return int(seen.shards.get(str(shard.id), [0.0] * len(HINTS))[DISK_SIZE]) if seen else 0
