"""A backlog of 24 h, 86,400 readings of 12 values, into a local Redis, in each layout."""

import tempfile
from pathlib import Path

from tests.bench.backlog import deliver_day
from tests.servers import redis_server

MOST_S = 30
LAYOUTS = {
    "hash and stream": "",
    "the rows of vemonitor": ", layout: hmap_time_series, prefix: vm",
}


def measure():
    for name, options in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with redis_server.running(folder) as server:
                took = deliver_day(folder, f"type: redis, url: '{server.line}'{options}")
                used = server.client.info("memory")["used_memory"] / 1e6
        figure = f"a day's readings into Redis, {name}, s"
        yield figure, f"{took:.1f}", f"at most {MOST_S}", took <= MOST_S
        yield "what the server takes then, MB", f"{used:.1f}", "", True
