"""Starts Azurite, Microsoft's emulator of Azure Storage, on a free port of loopback.

``tests/install-servers`` puts it into a folder of the user's cache. It keeps all in memory.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from azure.storage.blob import (
    AccessPolicy,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from tests.fakes.http_answers import Asked, Reply
from tests.servers.influxd import ANSWER_S, free_port

VERSION = "3.35.0"  # runs on node 10 and newer, Debian's 18 and 20 among them
ACCOUNT = "devstoreaccount1"
# The key that Azurite's documentation gives to everyone.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
POLICY = "energy-monitor"
START_S = 60  # a deadline for a loaded machine; it takes one or two


@dataclass(frozen=True)
class Azurite:
    """A server that runs; *url* is that of its account, *service* Microsoft's client for it."""

    url: str
    service: BlobServiceClient

    def container(self, name: str) -> ContainerClient:
        """Return a container, made if need be, for one who may do everything."""
        container = self.service.get_container_client(name)
        if not container.exists():
            container.create_container()
        return container

    def sas(self, container: str, rights: str = "rcl", ends_in_s: float = 3600) -> str:
        return str(
            generate_container_sas(
                ACCOUNT,
                container,
                account_key=KEY,
                permission=rights,
                start=datetime.now(UTC) - timedelta(hours=2),
                expiry=datetime.now(UTC) + timedelta(seconds=ends_in_s),
            )
        )

    def sas_under_policy(self, container: str, rights: str = "rcl") -> str:
        policy = AccessPolicy(
            permission=ContainerSasPermissions.from_string(rights),
            start=datetime.now(UTC) - timedelta(hours=2),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        self.container(container).set_container_access_policy({POLICY: policy})
        return str(generate_container_sas(ACCOUNT, container, account_key=KEY, policy_id=POLICY))

    def answer(self, asked: Asked) -> Reply:
        """Answer a request that came to another address."""
        path = asked.path.removeprefix(f"/{ACCOUNT}")
        headers = {name: value for name, value in asked.headers.items() if name != "Host"}
        answer = urllib3.request(
            asked.method,
            f"{self.url}{path}?{asked.query}",
            headers=headers,
            body=asked.body,
            timeout=ANSWER_S,
        )
        kept = {
            name.title(): value
            for name, value in answer.headers.items()
            if name.lower() not in {"connection", "keep-alive", "transfer-encoding"}
            and (name.lower() != "content-length" or asked.method == "HEAD")
        }
        return Reply(answer.status, answer.data, kept)


def find() -> str:
    """Return the path of the program; skip the test where it is not installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache / f"energy-monitor-tests/azurite-{VERSION}/node_modules/.bin/azurite-blob"
    if not (program.exists() and shutil.which("node")):
        pytest.skip(f"no azurite {VERSION}: apt install npm, then run tests/install-servers")
    return str(program)


@contextmanager
def running(folder: Path, *options: str, scheme: str = "http") -> Iterator[Azurite]:
    """Run Azurite, its log in *folder*; with the scheme https its *options* name a certificate."""
    port = free_port()
    command = [find(), "--blobHost=127.0.0.1", f"--blobPort={port}", "--inMemoryPersistence"]
    # It knows fewer versions of the API than its clients, and refuses those it doesn't know.
    command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent", *options]
    url = f"{scheme}://127.0.0.1:{port}"
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            await_port(port, process, folder / "log")
            # By itself it tries again for minutes where nobody answers.
            account = f"{url}/{ACCOUNT}"
            with BlobServiceClient(account, credential=KEY, retry_total=0) as service:
                yield Azurite(account, service)
        finally:
            process.kill()  # it has nothing to keep


def await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"azurite does not listen:\n{log.read_text()[-2000:]}")
