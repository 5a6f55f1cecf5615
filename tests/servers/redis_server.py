"""Starts Debian's redis-server on a free port of loopback; what it holds, it keeps in memory."""

import contextlib
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from tests.servers.influxd import free_port
from tests.servers.mosquitto import await_port

STOP_S = 10


@dataclass(frozen=True)
class RedisServer:
    """A server that runs at *port*; *client* is the redis package's, logged in."""

    port: int
    client: Any

    @property
    def line(self):
        return f"tcp://127.0.0.1:{self.port}"


@contextmanager
def running(folder, *, password="", port=None):
    """Run a server; skip the test where it is not installed."""
    program = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/bin")
    if not program:
        pytest.skip("no redis-server on the PATH: apt install redis-server")
    port = port or free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "no"}
    if password:
        options["requirepass"] = password
    words = [str(each) for name, value in options.items() for each in (f"--{name}", value)]
    with (
        (folder / "redis.log").open("ab") as log,
        subprocess.Popen([program, *words], stdout=log, stderr=log) as process,
        contextlib.closing(redis.Redis(port=port, password=password or None)) as client,
    ):
        try:
            await_port(port, process, folder / "redis.log")
            yield RedisServer(port, client)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
