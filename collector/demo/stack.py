"""InfluxDB and Grafana beside the demo, by Docker Compose: theirs alone, and gone at its end."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import collector
from collector.errors import EnergyMonitorError

FILE = Path(collector.__file__).parent.parent / "docker-compose.yml"
PROJECT = "energy-monitor-demo"  # an installation's stack has another name
PORTS = {8086: "InfluxDB", 3000: "Grafana"}
URL = "http://127.0.0.1:8086"
GRAFANA = "http://127.0.0.1:3000/"
ANSWER_S = 20  # of Docker to a simple question
ADMIN, READ_TOKEN = "grafana-admin", "influxdb-read-token"
OUTPUTS = """\
  rollup: {{type: rollup, since: beginning}}
outputs:
"""
OUTPUT = """\
  {name}:
    type: influxdb
    url: {url}
    org: home
    bucket: {bucket}
    token: !secret influxdb-token{beside}
    read_token: !secret influxdb-read-token{beside}
    since: beginning
"""
ROLLED = '    select: {{kinds: ["*_{period}"]}}\n'
PERIODS = ("1m", "1h", "1d")


def outputs(url: str = URL) -> str:
    """Return what the configuration needs besides, behind its derivations."""
    text = OUTPUTS.format() + OUTPUT.format(name="history", url=url, bucket="energy", beside="")
    for period in PERIODS:
        beside = f"-{period}"
        text += OUTPUT.format(
            name=f"history{beside}", url=url, bucket=f"energy{beside}", beside=beside
        )
        text += ROLLED.format(period=period)
    return text


def why_not() -> str:
    """Say in one sentence why there can be no Grafana here; '' where there can be one."""
    if not FILE.exists():
        return f"Grafana needs the project's {FILE.name}, which is only in a clone"
    if not shutil.which("docker"):
        return (
            "Grafana needs Docker, which is not installed: https://docs.docker.com/engine/install"
        )
    if not answers("compose", "version"):
        return "Grafana needs Docker's Compose plugin: sudo apt install docker-compose-plugin"
    if not answers("info"):
        return "Grafana needs Docker, whose daemon does not answer: 'docker info' says why"
    for port, whose in PORTS.items():
        if is_taken(port):
            return (
                f"Grafana needs port {port} for {whose}, which another program has, perhaps an "
                f"installation here: 'sudo ss -ltnp sport = :{port}' names it"
            )
    return ""


def answers(*words: str) -> bool:
    """Return whether Docker does what it is asked."""
    try:
        done = subprocess.run(  # noqa: S603
            ["docker", *words],  # noqa: S607  the one on the PATH
            check=False,
            capture_output=True,
            timeout=ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def is_taken(port: int) -> bool:
    with closing(socket.socket()) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", port))
            door.listen()
        except OSError:
            return True
    return False


@contextmanager
def running(file: Path, timezone: str) -> Iterator[None]:
    """Run both for the demo's configuration *file*. Raise EnergyMonitorError."""
    folder = file.parent / "secrets"
    for name in (ADMIN, READ_TOKEN):
        (folder / name).touch()  # Compose wants the files of all secrets
    (folder / ADMIN).write_text(secrets.token_urlsafe(12), encoding="ascii")
    told = {"SECRETS_DIR": str(folder), "TIMEZONE": timezone}
    try:
        compose(told, "up", "--detach", "--wait", "influxdb")
        set_up(file)
        for name in (ADMIN, READ_TOKEN):
            (folder / name).chmod(0o644)  # Grafana's user in its container is another one
        compose(told, "up", "--detach", "--wait", "grafana")
        yield
    finally:
        with suppress(EnergyMonitorError):  # what went wrong before says more
            compose(told, "down", "--volumes", "--timeout", "5")


def compose(told: dict[str, str], *words: str) -> None:
    """Let Compose do something. Raise EnergyMonitorError."""
    command = ["docker", "compose", "--file", str(FILE), "--project-name", PROJECT, *words]
    done = subprocess.run(command, check=False, env={**os.environ, **told})  # noqa: S603  ours
    if done.returncode:
        raise EnergyMonitorError(f"'docker compose {words[0]}' failed; what it said stands above")


def set_up(file: Path) -> None:
    """Make buckets and tokens. Raise EnergyMonitorError."""
    command = [sys.executable, "-m", "collector.cli", "setup", "influxdb", "history"]
    command += ["--rollups", "--no-restart", "--config", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  ours
    if done.returncode:
        raise EnergyMonitorError(done.stderr.strip())
