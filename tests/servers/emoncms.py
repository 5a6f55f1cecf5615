"""Runs a real EmonCMS on loopback: its checkout by PHP's own server, with MariaDB and Redis.

``EMONCMS_HOME`` names a checkout of github.com/emoncms/emoncms (11.16 was tried); its code is not
ours to ship. ``apt install php-cli php-mysql php-redis php-mbstring mariadb-server redis-server``
gives the rest.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from tests.servers import redis_server
from tests.servers.influxd import free_port
from tests.servers.mosquitto import await_port

START_S = 60
PROGRAMS = ("php", "mariadbd", "mariadb-install-db", "mariadb")
PATH = f"{os.environ['PATH']}:/usr/sbin"
ROUTER = """<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (is_file(__DIR__ . $path) && substr($path, -4) != '.php') return false;
$_GET['q'] = $path;
$_SERVER['SERVER_ADDR'] = '127.0.0.1';
require __DIR__ . '/index.php';
"""
SETTINGS = """
domain = false
display_errors = false
[sql]
server = "localhost"
database = "emoncms"
username = "emoncms"
password = "of-this-test"
[redis]
enabled = true
host = "127.0.0.1"
port = {redis_port}
[input]
max_node_id_limit = 1000
[feed]
engines_hidden = [0,8,10]
min_feed_interval = 1
phpfina[datadir] = '{folder}/phpfina/'
phptimeseries[datadir] = '{folder}/phptimeseries/'
[log]
enabled = false
"""


@dataclass
class EmonCMS:
    """A server that runs, with a user whose keys are *write_key* and *read_key*.

    *account* is what a fake one holds (``tests.fakes.emoncms``).
    """

    url: str
    write_key: str = ""
    read_key: str = ""
    process: Any = None
    command: Any = None
    account: Any = None

    def ask(self, target: str, fields=None, body=None, method="GET"):
        """Return the document that is answered to a user who may write."""
        query = f"?{urlencode(fields)}" if fields else ""
        login = {"Authorization": f"Bearer {self.write_key}"} if self.write_key else {}
        answer = urllib3.request(
            method,
            f"{self.url}{target}{query}",
            headers={**login, "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(body) if body else None,
            retries=False,
            timeout=60,
        )
        assert answer.status == 200, (answer.status, answer.data)
        return json.loads(answer.data)

    def restart(self) -> None:
        """Kill PHP in whatever it is at, and start it again."""
        self.kill()
        self.start()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # its workers too
        self.process.wait()

    def start(self) -> None:
        self.process = subprocess.Popen(
            **self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": "3"},
        )
        await_port(int(self.url.rpartition(":")[2]), self.process, Path("/dev/null"))


def checkout() -> Path:
    """Return where EmonCMS is; skip the test where it or what it needs is missing."""
    home = os.environ.get("EMONCMS_HOME", "")
    if not home or not (Path(home) / "Modules" / "input").is_dir():
        pytest.skip("no EmonCMS: EMONCMS_HOME names no checkout of github.com/emoncms/emoncms")
    if missing := [each for each in PROGRAMS if not shutil.which(each, path=PATH)]:
        pytest.skip(f"no {', '.join(missing)}: apt install php-cli php-mysql mariadb-server")
    return Path(home)


@contextmanager
def running(folder: Path):
    """Run an EmonCMS with a user, its data in *folder*."""
    home = checkout()
    with ExitStack() as stack:
        (folder / "redis").mkdir()
        cache = stack.enter_context(redis_server.running(folder / "redis"))
        socket = stack.enter_context(database(folder / "sql"))
        copy = folder / "www"
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns(".git", "docs"))
        for each in ("phpfina", "phptimeseries"):
            (folder / each).mkdir()
        (copy / "router.php").write_text(ROUTER)
        text = SETTINGS.format(redis_port=cache.port, folder=folder)
        (copy / "settings.ini").write_text(text)
        port = free_port()
        settings = [f"mysqli.default_socket={socket}", "opcache.enable=1", "opcache.enable_cli=1"]
        words = [word for each in settings for word in ("-d", each)]
        command = ["php", *words, "-S", f"127.0.0.1:{port}", "-t", copy, copy / "router.php"]
        server = EmonCMS(f"http://127.0.0.1:{port}", command={"args": command, "cwd": copy})
        server.start()
        try:
            user = {"username": "meter", "password": "of-this-test", "email": "a@example.org"}
            server.write_key, server.read_key = register(server, user)
            yield server
        finally:
            server.kill()


def register(server, user):
    """Make a user; return its keys to write and to read."""
    made = server.ask("/user/register.json", body={**user, "timezone": "UTC"}, method="POST")
    assert made["success"], made
    found = server.ask("/user/auth.json", body=user, method="POST")
    return found["apikey_write"], found["apikey_read"]


@contextmanager
def database(folder: Path):
    """Run MariaDB with an empty database for EmonCMS; yield its socket."""
    socket = folder / "sock"
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    found = {each: shutil.which(each, path=PATH) or each for each in PROGRAMS}
    subprocess.run(
        [found["mariadb-install-db"], "--no-defaults", *as_root, f"--datadir={folder}",
         "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True,
    )  # fmt: skip
    command = [
        found["mariadbd"], "--no-defaults", *as_root, f"--datadir={folder}", f"--socket={socket}",
        "--skip-networking", "--innodb-flush-log-at-trx-commit=2",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        make = (
            "CREATE DATABASE emoncms; CREATE USER emoncms@localhost IDENTIFIED BY 'of-this-test';"
            "GRANT ALL ON emoncms.* TO emoncms@localhost;"
        )
        deadline = time.monotonic() + START_S
        login = [found["mariadb"], "--no-defaults", "-uroot", f"--socket={socket}", "-e", make]
        while subprocess.run(login, capture_output=True, check=False).returncode:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield socket
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
