"""The server that the benchmarks write to: a real InfluxDB 2, else Debian's VictoriaMetrics."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import influxd, victoria


@contextmanager
def database(folder: Path):
    """Yield (name, options of an output as YAML); the token is a secret beside the options."""
    (folder / "secrets").mkdir()
    try:
        influxd.find("2.")
    except pytest.skip.Exception:
        with victoria.running(folder) as server:
            (folder / "secrets" / "influxdb-token").write_text("none")
            yield "VictoriaMetrics", f"url: {server.url}, bucket: energy"
        return
    with influxd.running(folder) as server:
        (folder / "secrets" / "influxdb-token").write_text(server.token)
        yield "InfluxDB 2", f"url: {server.url}, org: {server.org}, bucket: {server.bucket}"
