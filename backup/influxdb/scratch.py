"""An InfluxDB of its own for a rehearsal: a program of this machine, or else a container.

It listens on loopback only, gets little memory, and is gone afterwards with all it had.
"""

import ctypes
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from backup.influxdb.influxdb_1 import PORT as BACKUP_PORT
from backup.influxdb.influxdb_1 import Server1
from backup.influxdb.influxdb_2 import Server
from collector.errors import BackupFault

HTTP_PORT = 8086
START_S = 300  # a Pi that measures meanwhile; the image may have to be fetched from the card
STOP_S = 60
MEMORY_MIB = 480  # what docker-compose.yml gives InfluxDB
GOMEMLIMIT = "GOMEMLIMIT=220MiB"  # likewise
DATA_BYTES = 1 << 30  # of addresses, of which Go takes many more than it uses
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
NAME = "energy-monitor-rehearsal"
IMAGE_1 = "influxdb:1.8.10"  # as docker-compose.yml has it for 32-bit systems
# As in docker-compose.yml.
SETTINGS = (
    "--storage-cache-max-memory-size=100663296",
    "--storage-max-concurrent-compactions=1",
    "--storage-compact-throughput-burst=16777216",
    "--storage-series-file-max-concurrent-snapshot-compactions=1",
    "--storage-max-index-log-file-size=262144",
    "--query-concurrency=4",
    "--query-queue-size=20",
    "--reporting-disabled",
    "--pprof-disabled",
    "--ui-disabled",
    "--log-level=warn",
)


def find_1() -> list[str] | None:
    return find("1.", IMAGE_1)


def find_2() -> list[str] | None:
    return find("2.", pinned_image())


def find(version: str, image: str | None) -> list[str] | None:
    """Return how an InfluxDB is started here, whose version begins so; None where there is none.

    Both kinds have the same name, so every folder of the PATH is looked through.
    """
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        program = shutil.which("influxd", path=folder)
        if program and f" v{version}".encode() in output(program, "version"):
            return [program]
    docker = shutil.which("docker")
    if docker and image and output(docker, "version", "--format", "{{.Server.Version}}").strip():
        return [docker, image]
    return None


def output(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  ours, see find
    return done.stdout if done.returncode == 0 else b""


def pinned_image() -> str | None:
    """Return the image of the stack: the one in stack.env, which the unit hands over, or that in
    docker-compose.yml, beside which this is installed.
    """  # noqa: D205  one sentence
    if named := os.environ.get("INFLUXDB_IMAGE"):
        return named
    try:
        document = yaml.safe_load((Path(sys.prefix).parent / "docker-compose.yml").read_text())
        image = str(document["services"]["influxdb"]["image"])
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return None
    return image.removeprefix("${INFLUXDB_IMAGE:-").removesuffix("}")


@contextmanager
def running_2(command: list[str], folder: Path, org: str) -> Iterator[Server]:
    """Run what ``find_2`` has found, with its data in *folder*, which is made and removed.

    Its token sees the organisation *org*. Raise BackupFault where it does not start.
    """
    remove(folder)
    folder.mkdir(mode=0o700, parents=True)
    port = free_port()
    options = [f"--bolt-path={folder}/bolt", f"--sqlite-path={folder}/sqlite"]
    options += [f"--engine-path={folder}/engine", *SETTINGS]
    options += [] if in_container(command) else [f"--http-bind-address=127.0.0.1:{port}"]
    server = Server(f"http://127.0.0.1:{port}", secrets.token_urlsafe(32))
    try:
        with started(command, folder, {port: HTTP_PORT}, options) as process:
            until_answered(server.version, process, folder)
            set_up(server, org)
            yield server
    finally:
        remove(folder)


@contextmanager
def running_1(command: list[str], folder: Path, _org: str) -> Iterator[Server1]:
    """Run InfluxDB 1 likewise; it lets everyone in. Raise BackupFault."""
    remove(folder)
    folder.mkdir(mode=0o700, parents=True)
    port, backup_port = free_port(), free_port()
    ports = {port: HTTP_PORT, backup_port: BACKUP_PORT}
    http, backups = (
        f":{inside}" if in_container(command) else f"127.0.0.1:{outside}"
        for outside, inside in ports.items()
    )
    (folder / "influxdb.conf").write_text(
        f'reporting-disabled = true\nbind-address = "{backups}"\n'
        f'[meta]\ndir = "{folder}/meta"\n[monitor]\nstore-enabled = false\n'
        f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\nindex-version = "tsi1"\n'
        f'[http]\nbind-address = "{http}"\nlog-enabled = false\n'
    )
    server = Server1(f"http://127.0.0.1:{port}", "none", backup_port)
    options = ["run", "-config", f"{folder}/influxdb.conf"]
    try:
        with started(command, folder, ports, options) as process:
            until_answered(server.metastore, process, folder)
            yield server
    finally:
        remove(folder)


def in_container(command: list[str]) -> bool:
    return len(command) > 1


@contextmanager
def started(
    command: list[str], folder: Path, ports: dict[int, int], options: list[str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run InfluxDB as a process, or its container in one, until the block ends.

    *ports* are those of this machine, each with the one of the container that it leads to.
    """
    program, *image = command
    if image:
        output(program, "rm", "--force", NAME)  # of a rehearsal that was killed
        words = [program, "run", "--rm", "--pull=missing", f"--name={NAME}", f"--env={GOMEMLIMIT}"]
        words += [f"--user={os.geteuid()}:{os.getegid()}", f"--env=HOME={folder}"]
        words += [f"--memory={MEMORY_MIB}m", f"--volume={folder}:{folder}", "--log-driver=none"]
        words += [f"--publish=127.0.0.1:{port}:{inside}" for port, inside in ports.items()]
        words += ["--entrypoint=influxd", *image]
    else:
        words = [program]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    environment |= dict([GOMEMLIMIT.split("=")])
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(  # noqa: S603  likewise
            [*words, *options],
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=end_with(os.getpid()),  # noqa: PLW1509  no other thread runs yet
        ) as process,
    ):
        if not image:
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (DATA_BYTES, DATA_BYTES))
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
            if image:
                output(program, "rm", "--force", NAME)


def end_with(parent: int) -> Callable[[], None]:
    """Return what has a child end when this process does, however that is killed (prctl(2))."""
    libc = ctypes.CDLL(None)

    def ask_for_it() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it is gone already
            os.kill(os.getpid(), signal.SIGTERM)

    return ask_for_it


def set_up(server: Server, org: str) -> None:
    """Make the first user of a new InfluxDB 2. Raise BackupFault."""
    user = {"username": "rehearsal", "password": secrets.token_urlsafe(16)}
    wanted = {**user, "org": org, "bucket": "rehearsal", "token": server.token}
    server.document("POST", "/api/v2/setup", body=wanted)


def until_answered(
    ask: Callable[[], object], process: "subprocess.Popen[bytes]", folder: Path
) -> None:
    """Wait until InfluxDB answers. Raise BackupFault where it doesn't."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            ask()
        except BackupFault as error:
            if process.poll() is not None or time.monotonic() > deadline:
                last = (folder / "log").read_text(errors="replace").strip()[-500:]
                msg = f"the InfluxDB for the rehearsal does not start: {last or error}"
                raise BackupFault(msg) from error
            time.sleep(0.2)
        else:
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def remove(folder: Path) -> None:
    """Remove a rehearsal's folder. Raise BackupFault where another user's files are in it."""
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    except OSError as error:
        raise BackupFault(f"{folder} can't be removed: {error.strerror}: remove it") from error
