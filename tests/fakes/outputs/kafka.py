"""Kafka, for the suite over all outputs."""

import time
from contextlib import contextmanager
from urllib.parse import urlsplit

from collector.reading import Reading, decode
from tests.fakes.outputs.far import METER, TOKEN, Far
from tests.servers import kafka as servers

TOPIC = "energy"


@contextmanager
def kafka(folder):
    with servers.running(folder) as broker:

        def stored(device):
            """Return what a reader of the topic has of a meter: one message per key and time."""
            lines = [line for key, line in broker.messages(TOPIC) if key == f"home/{device}"]
            readings = [decode(line.replace(",site=home", "").encode()) for line in lines]
            return {each.at_ms: each.values["voltage"] for each in readings if each.kind == METER}

        yield Far(
            url=f"kafka://{broker.clients}",
            options={
                "topic": TOPIC,
                "user": servers.USER,
                "password": TOKEN,
                "mechanism": servers.MECHANISM,
            },
            secrets={"token": servers.PASSWORD},
            stored=stored,
            hurried=hurried,
            full=b"\xff" * 1000,
            endless=b"\x7f\xff\xff\xff" + b"x" * 3_000_000,
            refuses=refuses,
            credential="token",
            at=lambda url: {"brokers": [urlsplit(url).netloc]},
            port=broker.port,
        )


def refuses(device, at_ms):
    """Return a reading that is larger than the broker takes, packed as it may be."""
    values = {
        f"voltage_{number * 7919 % 10007}{time.monotonic_ns()}": number / 7
        for number in range(9000)
    }
    return Reading("electricity", device, at_ms, values)


@contextmanager
def hurried(output):
    output.patience_s, patience_s = 2.0, output.patience_s
    yield
    output.patience_s = patience_s
