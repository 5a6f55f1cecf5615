"""Redis, for the suite over all outputs: streams, the newest values alone, vemonitor's hashes."""

import json
from contextlib import contextmanager

from collector.outputs.redis.hmap import MOST_ROWS
from collector.reading import Reading
from tests.fakes.outputs.far import TOKEN, Far
from tests.servers import redis_server

PASSWORD = "the-password-of-this-test"
FULL = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
ENDLESS = b"+" + b"x" * 3_000_000


@contextmanager
def hurried(output):
    patient = output.server.line.answer_s
    output.server.line.answer_s = 0.5
    yield
    output.server.line.answer_s = patient


@contextmanager
def far(folder, stored, refuses=None, keeps=1_000_000, request_bytes=10_000, **options):
    with redis_server.running(folder, password=PASSWORD) as server:
        yield Far(
            url=server.line,
            options={"password": TOKEN, **options},
            secrets={"token": PASSWORD},
            stored=lambda device: stored(server.client, device),
            hurried=hurried,
            full=FULL,
            endless=ENDLESS,
            refuses=refuses,
            credential="token",
            keeps=keeps,
            request_bytes=request_bytes,
        )


def too_late(device, at_ms):
    return Reading("electricity", device, at_ms - 86_400_000, {"voltage": 1.0})


def redis_streams(folder):
    def stored(client, device):
        entries = client.xrange(f"em:electricity:{device}:history")
        return {int(number.split(b"-")[0]): float(row[b"voltage"]) for number, row in entries}

    return far(folder, stored, too_late)


def redis_newest(folder):
    def stored(client, device):
        row = client.hgetall(f"em:electricity:{device}")
        return {int(row[b"time"]): float(row[b"voltage"])} if row else {}

    return far(folder, stored, request_bytes=100, keep=0)


def redis_hmap(folder):
    def stored(client, device):
        rows = client.hgetall(f"vm_{device}")
        return {int(at) * 1000: json.loads(row)["voltage"] for at, row in rows.items()}

    return far(folder, stored, keeps=MOST_ROWS, layout="hmap_time_series", prefix="vm")
