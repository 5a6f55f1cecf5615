"""Starts Debian's mosquitto on a free port of loopback, with a password where one is wanted."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers.influxd import free_port

START_S = 30
USER, PASSWORD = "monitor", "open-sesame"


@dataclass(frozen=True)
class Mosquitto:
    """A broker that runs at *port*; with *login* it wants ``USER`` and ``PASSWORD``."""

    port: int
    process: Any
    login: bool = False

    @property
    def line(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def say(self, topic, payload, *, retain=False):
        """Publish one message, as MQTT 3.1.1 has it. Raise OSError where there is no broker."""
        payload = payload.encode() if isinstance(payload, str) else payload
        flags, words = 0x02, [b"test-" + os.urandom(4).hex().encode()]
        if self.login:
            flags, words = 0xC2, [*words, USER.encode(), PASSWORD.encode()]
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            head = text(b"MQTT") + bytes([4, flags, 0, 60])
            connection.sendall(packet(0x10, head + b"".join(map(text, words))))
            if connection.recv(4) != b"\x20\x02\x00\x00":
                raise ConnectionError("the broker does not let us in")
            connection.sendall(packet(0x31 if retain else 0x30, text(topic.encode()) + payload))
            connection.sendall(packet(0xE0, b""))
            connection.recv(1)  # it has taken everything, and hangs up


def text(data):
    return len(data).to_bytes(2, "big") + data


def packet(kind, content):
    size, left = b"", len(content)
    while left or not size:
        left, digit = divmod(left, 128)
        size += bytes([digit | (128 if left else 0)])
    return bytes([kind]) + size + content


def program(name="mosquitto"):
    """Return the path of a program; skip the test where it is not installed."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")
    if not found:
        pytest.skip(f"no {name} on the PATH: apt install mosquitto")
    return found


@contextmanager
def running(folder, *, login=False, port=None, extra=""):
    """Run a broker that keeps nothing; with *login* it wants ``USER`` and ``PASSWORD``."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    config, passwords = folder / "mosquitto.conf", folder / "passwords"
    access = "allow_anonymous true"
    if login:
        command = [program("mosquitto_passwd"), "-b", "-c", str(passwords), USER, PASSWORD]
        subprocess.run(command, check=True, capture_output=True)
        access = f"allow_anonymous false\npassword_file {passwords}"
    own = f"user {os.environ.get('USER', 'root')}\n" if os.geteuid() == 0 else ""
    config.write_text(f"{own}listener {port} 127.0.0.1\n{access}\n{extra}\n")
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen([program(), "-c", str(config)], stdout=log, stderr=log) as process,
    ):
        try:
            await_port(port, process, folder / "log")
            yield Mosquitto(port, process, login)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(START_S)
            process.kill()


def await_port(port, process, log):
    """Wait until somebody listens at *port*."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not answer:\n{log.read_text()[-2000:]}")
