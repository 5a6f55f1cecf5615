"""A day of one meter, 10 quantities, by remote write into VictoriaMetrics and Prometheus."""

import tempfile
from pathlib import Path

from tests.bench.day import READINGS, drained, figures, journalled
from tests.fakes.outputs.prometheus_remote_write import RECEIVER, WINDOW
from tests.servers import prometheus, victoria

OUTPUT = "{{type: prometheus_remote_write, url: '{url}'}}"
SERIES = "energy_monitor_voltage_volts"


def measure():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with victoria.running(folder) as server:
            file = journalled(folder, OUTPUT.format(url=server.url))
            yield from figures("VictoriaMetrics by remote write", drained(file), 30, 64)
            assert len(server.export(SERIES)) == READINGS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        window = WINDOW.replace("1d", "2d")
        with prometheus.running(folder, window, RECEIVER) as server:
            file = journalled(folder, OUTPUT.format(url=server.url))
            yield from figures("Prometheus 2.42 with a window", drained(file), 120, 64)
            assert len(server.samples(f"{SERIES}[2d]")) == READINGS
