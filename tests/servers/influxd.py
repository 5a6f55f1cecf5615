"""Starts real InfluxDB servers on free ports of loopback, each with its data in a folder."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

ORG, BUCKET, ADMIN_TOKEN = "house", "energy", "the-admin-token-of-this-test"
START_S = 60  # a deadline for a loaded machine; it takes one or two
ANSWER_S = 60  # likewise; by itself urllib3.request waits for 3


@dataclass(frozen=True)
class Influxd:
    """A server that runs; 2.x is set up with *org*, *bucket* and the admin's *token*.

    1.x hands out backups at *backup_port*.
    """

    url: str
    process: subprocess.Popen[bytes] | None
    org: str = ORG
    bucket: str = BUCKET
    token: str = ADMIN_TOKEN
    backup_port: int = 0

    def get(self, path: str, fields=None, token=None):
        """Return the document that is answered."""
        return json.loads(self.ask("GET", path, fields, token).data)

    def post(self, path: str, **document):
        answer = self.ask("POST", path, body=json.dumps(document))
        assert answer.status in {200, 201}, answer.data
        return json.loads(answer.data)

    def ask(self, method: str, path: str, fields=None, token=None, body=None):
        """Send a request and return urllib3's response, whatever its status."""
        headers = {"Authorization": f"Token {token or self.token}"}
        url = f"{self.url}{path}?{urlencode(fields or {})}"
        return urllib3.request(
            method, url, headers=headers, body=body, retries=False, timeout=ANSWER_S
        )

    def query(self, influxql: str, bucket: str = "", token=None) -> list[list[Any]]:
        """Return the rows that InfluxQL finds, of all series, their times in ms."""
        fields = {"db": bucket or self.bucket, "epoch": "ms", "q": influxql}
        (result,) = self.get("/query", fields, token)["results"]
        assert "error" not in result, result
        return [row for series in result.get("series", []) for row in series["values"]]


def find(version: str) -> str:
    """Return the path of an influxd whose version begins so; skip the test where there is none.

    Debian calls its 1.6 ``influxd`` too, so every folder of the PATH is looked through.
    """
    for folder in os.environ["PATH"].split(os.pathsep):
        program = shutil.which("influxd", path=folder)
        if program:
            said = subprocess.run([program, "version"], capture_output=True, check=False).stdout
            if f"v{version}".encode() in said:
                return program
    wanted = {"1.": "apt install influxdb", "2.": "put there the one of an InfluxDB 2 release"}
    pytest.skip(f"no influxd {version}x on the PATH: {wanted[version]}")
    raise AssertionError


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(
    folder: Path, *, port: int = 0, set_up: bool = True, flags: Sequence[str] = ()
) -> Iterator[Influxd]:
    """Run InfluxDB 2 with its data in *folder*, set up with org, bucket and admin token."""
    port = port or free_port()
    command = [find("2."), f"--http-bind-address=127.0.0.1:{port}", "--reporting-disabled"]
    command += [f"--bolt-path={folder}/bolt", f"--sqlite-path={folder}/sqlite"]
    command += [f"--engine-path={folder}/engine", "--log-level=error", *flags]
    url = f"http://127.0.0.1:{port}"
    with started(command, folder, url) as process:
        influx = Influxd(url, process)
        if set_up:
            influx.post(
                "/api/v2/setup",
                username="admin",
                password="a-password",
                org=ORG,
                bucket=BUCKET,
                token=ADMIN_TOKEN,
            )
        yield influx


@contextmanager
def shared(folder: Path) -> Iterator[Influxd]:
    """Use the server of INFLUXDB2_URL and INFLUXDB2_TOKEN where they are set, else run one.

    On a server that is not ours the tests make buckets in the token's organisation: give them a
    scratch server.
    """
    url = os.environ.get("INFLUXDB2_URL")
    if url is None:
        with running(folder) as influx:
            yield influx
        return
    stranger = Influxd(url.rstrip("/"), None, token=os.environ["INFLUXDB2_TOKEN"])
    org = stranger.get("/api/v2/orgs")["orgs"][0]["name"]
    yield replace(stranger, org=org)


@contextmanager
def running_1(folder: Path, *, locked: bool = False) -> Iterator[Influxd]:
    """Run InfluxDB 1 with its data in *folder* and no users; *locked* asks for one's password."""
    port, backup_port = free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{backup_port}"\n'
        f'[meta]\ndir = "{folder}/meta"\n'
        f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nauth-enabled = {str(locked).lower()}\n'
    )
    url = f"http://127.0.0.1:{port}"
    with started([find("1."), "run", "-config", str(config)], folder, url) as process:
        yield Influxd(url, process, backup_port=backup_port)


@contextmanager
def started(command: list[str], folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* until the block ends, which begins when *url* answers a ping."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            await_ping(url, process, folder / "log")
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(START_S)
            process.kill()


def await_ping(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if urllib3.request("GET", f"{url}/ping", retries=False, timeout=5).status == 204:
                return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not answer:\n{log.read_text()[-2000:]}")
