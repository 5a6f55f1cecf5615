"""Starts a real Grafana on a free port of loopback, provisioned from the repository's folder.

It needs ``grafana`` on the PATH, and its pages in the folder that ``GRAFANA_HOME`` names.
"""

import contextlib
import html
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from tests.servers.influxd import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "the-password-of-this-test"
START_S = 120  # a deadline: an empty database is brought up to date first, 10 s on a free machine
DRAW_MS = 20_000  # of the page's own time, which runs ahead while it waits for nothing
DRAW_S = 180  # a deadline for a loaded machine; it takes ten or twenty
# Root has no sandbox, and nothing is to be asked of the Internet.
CHROMIUM = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --hide-scrollbars
"""


@dataclass(frozen=True)
class Grafana:
    """A server that runs; its files are in *folder*."""

    url: str
    folder: Path

    def get(self, path: str) -> Any:
        """Return the document that is answered."""
        return self._ask("GET", path)

    def post(self, path: str, document: Any) -> Any:
        return self._ask("POST", path, body=json.dumps(document))

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        headers = urllib3.make_headers(basic_auth=f"admin:{PASSWORD}")
        headers["Content-Type"] = "application/json"
        answer = urllib3.request(method, self.url + path, headers=headers, body=body, timeout=60)
        assert answer.status == 200, (path, answer.status, answer.data)
        return json.loads(answer.data)

    def draw(self, path: str, height: int, zone: str) -> tuple[list[str], Path]:
        """Draw a page in Chromium, on a computer in *zone*; return its texts and its picture."""
        chromium = shutil.which("chromium") or pytest.skip("no chromium on the PATH")
        picture = self.folder / "page.png"
        command = [chromium, *CHROMIUM.split(), f"--user-data-dir={self.folder}/chromium"]
        command += [f"--window-size=1600,{height}", f"--virtual-time-budget={DRAW_MS}"]
        dom, _ = (
            subprocess.run(
                [*command, dump, self.url + path],
                env={**os.environ, "TZ": zone},
                capture_output=True,
                timeout=DRAW_S,
                check=True,
            ).stdout.decode()
            for dump in ("--dump-dom", f"--screenshot={picture}")
        )
        return texts(dom), picture


@contextmanager
def running(folder: Path, influx_url: str, secrets: Path, **settings: str) -> Iterator[Grafana]:
    """Run Grafana with its data in *folder*, its data source pointed at *influx_url*.

    *secrets* is the folder with the file influxdb-read-token. *settings* are environment
    variables, on top of those in docker-compose.yml.
    """
    home = os.environ.get("GRAFANA_HOME", "")
    if not (home and shutil.which("grafana")):
        pytest.skip("no grafana on the PATH with GRAFANA_HOME set")
    provisioning = provision(folder, {"http://influxdb:8086": influx_url, "/run/secrets": secrets})
    (folder / "admin").write_text(PASSWORD)
    port = free_port()
    environment = compose_environment() | {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PROVISIONING": str(provisioning),
        "GF_SECURITY_ADMIN_PASSWORD__FILE": str(folder / "admin"),
        "GRAFANA_WEBHOOK": "http://127.0.0.1:9/",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(provisioning / "dashboards/home.json"),
        **settings,
    }
    command = ["grafana", "server", "--homepath", home]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            grafana = Grafana(f"http://127.0.0.1:{port}", folder)
            await_health(grafana.url, process, folder / "log")
            yield grafana
        finally:
            process.terminate()


def provision(folder: Path, addresses: dict[str, str | Path]) -> Path:
    """Copy the repository's provisioning, with the *addresses* that hold here in place of its."""
    copy = shutil.copytree(ROOT / "grafana-provisioning", folder / "provisioning")
    source = copy / "datasources/influxdb.yaml"
    text = source.read_text()
    for there, here in addresses.items():
        assert there in text
        text = text.replace(there, str(here))
    source.write_text(text)
    return copy


def compose_environment() -> dict[str, str]:
    """Return what docker-compose.yml sets for Grafana where its user sets nothing."""
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    environment = stack["services"]["grafana"]["environment"]
    return {name: value for name, value in environment.items() if "${" not in value}


def await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if urllib3.request("GET", f"{url}/api/health", retries=False, timeout=5).status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"grafana does not answer:\n{log.read_text()[-2000:]}")


def texts(dom: str) -> list[str]:
    """Return every piece of text that stands on a page, in the order of the document."""
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", "", dom, flags=re.DOTALL)
    pieces = (html.unescape(piece).strip() for piece in re.split(r"<[^>]+>", shown))
    return [piece for piece in pieces if piece]
