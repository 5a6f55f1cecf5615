"""A day of one meter at 1 Hz, 10 quantities, into a Kafka broker."""

import tempfile
from pathlib import Path

from tests.bench.day import READINGS, drained, figures, journalled
from tests.servers import kafka


def measure():
    with tempfile.TemporaryDirectory() as temporary, kafka.running(Path(temporary)) as broker:
        file = journalled(Path(temporary), f"{{type: kafka, brokers: ['{broker.own}']}}")
        yield from figures(f"Kafka {kafka.VERSION}", drained(file), 60, 80)
        assert len(broker.messages("energy")) == READINGS
