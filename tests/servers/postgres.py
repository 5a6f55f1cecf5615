"""Starts Debian's PostgreSQL on a free port of loopback; what it holds, it forgets.

The server refuses to run as root, so root starts it as ``nobody``.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers.influxd import free_port

START_S = 60
ADMIN, ADMIN_PASSWORD = "postgres", "of-the-administrator"
USER, PASSWORD = "energy-monitor", "Qm4-open-sesame"
DATABASE = "energy"
TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@dataclass
class Postgres:
    """A server that runs at *port*, with the database ``DATABASE`` that ``USER`` owns."""

    port: int
    folder: Path
    process: Any = None

    @property
    def url(self):
        return f"postgresql://127.0.0.1:{self.port}"

    def connect(self, database=DATABASE, user=ADMIN, password=ADMIN_PASSWORD):
        place = f"host=127.0.0.1 port={self.port} dbname={database} user={user}"
        return psycopg.connect(place, password=password, autocommit=True, connect_timeout=10)

    def ask(self, statement, values=(), database=DATABASE):
        """Run a statement as the administrator and return its rows."""
        with self.connect(database) as connection:
            found = connection.execute(statement, values)
            return found.fetchall() if found.description else []

    def forget(self):
        """Drop every table of the house."""
        self.ask("DROP SCHEMA public CASCADE")
        self.ask(f'CREATE SCHEMA public AUTHORIZATION "{USER}"')

    def start(self):
        command = [*as_nobody(), program("postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                self.connect("postgres").close()
                return
            time.sleep(0.05)
        raise AssertionError(f"it does not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, how=signal.SIGINT):
        """End it; SIGINT ends connections, SIGQUIT is what a power cut is like."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(START_S)


def program(name):
    """Return the path of a program; skip the test where it is not installed."""
    found = shutil.which(name)
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=version)
    if not found and not newest:
        pytest.skip(f"no {name} on the PATH or in /usr/lib/postgresql: apt install postgresql")
    return found or str(newest[-1])


def version(path):
    number = path.parts[-3]
    return int(number) if number.isdigit() else 0


def as_nobody():
    """Return the words before a command that no root may run."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if not setpriv:
        pytest.skip("no setpriv on the PATH: apt install util-linux")
    return [setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]


@contextmanager
def running(
    settings: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    *,
    made: bool = True,
):
    """Run a server with *settings*, and *files* in its folder; role and database are *made*."""
    program("initdb")
    # Not below pytest's folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        server = Postgres(free_port(), folder)
        make(server, settings or {}, files or {})
        server.start()
        try:
            if made:
                role = f"CREATE ROLE \"{USER}\" LOGIN PASSWORD '{PASSWORD}'"
                server.ask(role, (), "postgres")
                server.ask(f'CREATE DATABASE {DATABASE} OWNER "{USER}"', (), "postgres")
                server.ask(f'ALTER SCHEMA public OWNER TO "{USER}"')
            yield server
        finally:
            server.stop()


def make(server, settings, files):
    data = server.folder / "data"
    password = server.folder / "password"
    password.write_text(ADMIN_PASSWORD)
    give(server.folder, password)
    command = [*as_nobody(), program("initdb"), "-D", str(data), "-U", ADMIN, "--no-sync"]
    words = ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
    subprocess.run([*command, *words], check=True, capture_output=True, timeout=START_S)
    every = {
        "port": server.port,
        "listen_addresses": "'127.0.0.1'",
        "unix_socket_directories": "''",
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": 20,
        "jit": "off",
        **settings,
    }
    text = "".join(f"{name} = {value}\n" for name, value in every.items())
    with (data / "postgresql.conf").open("a") as config:
        config.write(text)
    for file, content in files.items():
        (data / file).write_text(content)
        (data / file).chmod(0o600)
        give(data / file)


def give(*paths):
    """Give files to the user that the server runs as."""
    if not os.geteuid():
        nobody = pwd.getpwnam("nobody")
        for path in paths:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
