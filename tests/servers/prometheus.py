"""Starts Debian's Prometheus on a free port of loopback, and asks its promtool."""

import json
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.servers.influxd import ANSWER_S, free_port

START_S = 30


@dataclass(frozen=True)
class Prometheus:
    """A server that runs at *url*."""

    url: str

    def query(self, promql: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the value of each series of now, by its labels without job and instance."""
        path = f"/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        return {
            tuple(sorted(labels_of(each["metric"]).items())): float(each["value"][1])
            for each in self.get(path)["data"]["result"]
        }

    def samples(self, selector: str) -> dict[int, float]:
        """Return the value for each time in ms of the series that a range *selector* finds."""
        path = f"/api/v1/query?{urllib.parse.urlencode({'query': selector})}"
        return {
            round(at * 1000): float(value)
            for each in self.get(path)["data"]["result"]
            for at, value in each["values"]
        }

    def get(self, path: str) -> Any:
        answer = urllib3.request("GET", self.url + path, retries=False, timeout=ANSWER_S)
        assert answer.status == 200, answer.data
        return json.loads(answer.data)


def labels_of(metric: dict[str, str]) -> dict[str, str]:
    return {name: each for name, each in metric.items() if name not in {"job", "instance"}}


def program(name: str) -> str:
    """Return the path of ``prometheus`` or ``promtool``; skip the test where there is none."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"no {name} on the PATH: apt install prometheus")
    return found


def promtool(*words: str, said: str = "") -> str:
    """Return what promtool says about *said*, whatever its exit status."""
    done = subprocess.run(
        [program("promtool"), *words],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_S,
    )
    return done.stdout + done.stderr


@contextmanager
def running(folder: Path, config: str, *flags: str) -> Iterator[Prometheus]:
    """Run Prometheus with its data in *folder* and *config* as its configuration file."""
    file, url = folder / "prometheus.yml", f"127.0.0.1:{free_port()}"
    file.write_text(config)
    command = [program("prometheus"), f"--config.file={file}", f"--web.listen-address={url}"]
    command += [f"--storage.tsdb.path={folder}/data", "--log.level=warn", *flags]
    with (
        (folder / "prometheus.log").open("ab") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            await_ready(f"http://{url}/-/ready", process)
            yield Prometheus(f"http://{url}")
        finally:
            process.terminate()
            process.wait(START_S)


def await_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if urllib3.request("GET", url, retries=False, timeout=5).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not answer")
