"""Starts Debian's VictoriaMetrics, which takes InfluxDB's write requests, on a free port."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from tests.servers.influxd import ANSWER_S, free_port, started


@dataclass(frozen=True)
class Victoria:
    """A server that runs at *url*."""

    url: str
    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """End it as systemd does; another one may go on with its data."""
        self.process.terminate()
        self.process.wait(ANSWER_S)

    def count(self, name: str) -> int:
        """Return how many samples all series of *name* have."""
        urllib3.request("GET", f"{self.url}/internal/force_flush", timeout=ANSWER_S)
        answer = urllib3.request(
            *("GET", f"{self.url}/api/v1/export"),
            fields={"match[]": name},
            timeout=ANSWER_S,
            preload_content=False,
        )
        return sum(len(json.loads(line)["values"]) for line in answer)

    def export(self, match: str) -> dict[tuple[str, int], float]:
        """Return the value for each quantity and time in ms of the series that *match*."""
        urllib3.request("GET", f"{self.url}/internal/force_flush", timeout=ANSWER_S)
        answer = urllib3.request(
            "GET", f"{self.url}/api/v1/export", fields={"match[]": match}, timeout=ANSWER_S
        )
        return {
            (series["metric"]["__name__"], at): value
            for series in map(json.loads, answer.data.splitlines())
            for at, value in zip(series["timestamps"], series["values"], strict=True)
        }


@contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Victoria]:
    """Run VictoriaMetrics with its data in *folder*; skip the test where it is not installed."""
    program = shutil.which("victoria-metrics")
    if not program:
        pytest.skip("no victoria-metrics on the PATH: apt install victoria-metrics")
    url = f"127.0.0.1:{port or free_port()}"
    command = [program, f"-storageDataPath={folder}/data", f"-httpListenAddr={url}"]
    with started([*command, "-retentionPeriod=10y"], folder, f"http://{url}") as process:
        yield Victoria(f"http://{url}", process)
