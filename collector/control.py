"""The control socket: a Unix socket on which the running service answers questions.

One JSON object a line is the request, one JSON object a line the answer.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.errors import EnergyMonitorError

MAX_REQUEST = 16 << 20
MAX_ANSWER = 16 << 20
WAIT_S = 5


class NotRunning(EnergyMonitorError):
    """No service answers on the socket."""


def serve(
    path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]], stop: threading.Event
) -> None:
    """Answer requests on the Unix socket *path* until *stop* is set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        with short_name(path) as name:
            door.bind(name)
        path.chmod(0o660)
        door.listen()
        door.settimeout(0.5)
        while not stop.is_set():
            try:
                connection, _ = door.accept()
            except TimeoutError:
                continue
            with connection:
                serve_one(connection, answer)
    path.unlink(missing_ok=True)


def serve_one(
    connection: socket.socket, answer: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Answer one request; a caller that is too slow or talks nonsense is hung up on."""
    connection.settimeout(WAIT_S)
    try:
        with connection.makefile("rb") as lines:
            request = json.loads(lines.readline(MAX_REQUEST))
        if isinstance(request, dict):
            connection.sendall(json.dumps(answer(request)).encode() + b"\n")
    except (OSError, ValueError):
        return


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Name a socket by its open folder: the kernel takes 107 bytes, and folders can be deep."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Put *request* to the running service. Raise NotRunning where none answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(WAIT_S)
            with short_name(path) as name:
                door.connect(name)
            door.sendall(json.dumps(request).encode() + b"\n")
            with door.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline(MAX_ANSWER))
    except PermissionError as error:
        msg = f"no right to ask the service at {path}: try 'sudo energy-monitor …'"
        raise NotRunning(msg) from error
    except (OSError, ValueError) as error:
        msg = (
            f"no service answers at {path}: is it running? "
            "Start it with 'energy-monitor run' or 'systemctl start energy-monitor-collector'"
        )
        raise NotRunning(msg) from error
    if "error" in answer:
        raise EnergyMonitorError(answer["error"])
    return answer
