"""The control socket: a Unix socket on which the running service answers questions.

One JSON object a line is the request, one JSON object a line the answer.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from collector.errors import EnergyMonitorError
from collector.journal.places import set_aside
from collector.status import Status, from_json

log = logging.getLogger(__name__)

MAX_REQUEST = 2 << 20
MAX_ANSWER = 16 << 20
WAIT_S = 5  # for a client, from its first word to its last
ANSWER_WITHIN_S = 15  # a Pi whose card is busy takes its time
CLIENTS_AT_ONCE = 8
SEE_STOP_WITHIN_S = 4.0  # where nobody ends the wait, as ``end`` does
AGAIN_AFTER_S = 0.5

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class NoAnswer(EnergyMonitorError):
    """A service is there, and does not answer in time."""


class NotRunning(EnergyMonitorError):
    """No service answers on the socket."""


class NotAllowed(NotRunning):
    """A service may be there, and this user may not ask it."""


def listen(path: Path) -> socket.socket:
    """Return the Unix socket *path*, ready for clients to connect to. Raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        set_aside(path)
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_name(path) as name:
        door.bind(name)
    path.chmod(0o660)
    door.listen()
    return door


def serve_at(door: socket.socket, answer: Answer, stop: threading.Event) -> None:
    """Answer all who come to *door*, each in a thread, until *stop* is set; then close it.

    *answer* is asked for one answer at a time.
    """
    free = threading.BoundedSemaphore(CLIENTS_AT_ONCE)
    one_at_a_time = threading.Lock()

    def attend(connection: socket.socket) -> None:
        try:
            with connection:
                serve_one(connection, answer, one_at_a_time)
        finally:
            free.release()

    door.settimeout(SEE_STOP_WITHIN_S)
    with door:
        while not stop.is_set():
            if not free.acquire(timeout=AGAIN_AFTER_S):
                continue
            try:
                connection, _ = door.accept()
            except OSError as error:  # nobody came, or no file is left to talk through
                free.release()
                if not isinstance(error, TimeoutError):
                    stop.wait(AGAIN_AFTER_S)
                continue
            threading.Thread(target=attend, args=(connection,), name="client", daemon=True).start()


def end(path: Path) -> None:
    """Come to the door once more, so that ``serve_at`` sees at once that it is to stop."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as caller, short_name(path) as name:
        caller.settimeout(0.1)
        caller.connect(name)


def serve_one(connection: socket.socket, answer: Answer, alone: threading.Lock) -> None:
    """Answer one request; a caller that is too slow in asking or listening is hung up on.

    What it asks is read while *alone*: 2 MB of JSON take 50 MB of memory.
    """
    left_s: float = WAIT_S
    with suppress(OSError):
        began = time.monotonic()
        line = receive_line(connection, began + left_s)
        left_s -= time.monotonic() - began
        with alone:
            reply = answer_to(line, answer)
        connection.settimeout(max(left_s, 0.1))
        connection.sendall(reply)


def receive_line(connection: socket.socket, deadline_s: float) -> bytes:
    """Return what comes up to the end of a line or of all. Raise OSError."""
    data = bytearray()
    while b"\n" not in data[-65536:] and len(data) < MAX_REQUEST:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        part = connection.recv(65536)
        if not part:
            break
        data += part
    return bytes(data)


def answer_to(line: bytes, answer: Answer) -> bytes:
    """Return the line that answers what *line* asks, or tells the error that there was."""
    if len(line) >= MAX_REQUEST:
        return encoded({"error": f"a request has at most {MAX_REQUEST} bytes"})
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return encoded({"error": "not a request: expected one JSON object on one line"})
    try:
        return encoded(answer(request))
    except Exception as error:
        log.exception("the request %.200r could not be answered: internal error", request)
        return encoded({"error": f"the service could not answer, internal error: {error!r}"})


def encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Name a socket by its open folder: the kernel takes 107 bytes, and folders can be deep."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Put *request* to the running service. Raise NotRunning, NoAnswer, EnergyMonitorError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(ANSWER_WITHIN_S)
            with short_name(path) as name:
                door.connect(name)
            door.sendall(encoded(request))
            with door.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline(MAX_ANSWER))
    except PermissionError as error:
        msg = f"no permission to ask the service at {path}: try 'sudo energy-monitor …'"
        raise NotAllowed(msg) from error
    except (TimeoutError, BlockingIOError) as error:
        msg = (
            f"the service at {path} is running, but did not answer within {ANSWER_WITHIN_S} s; "
            "'journalctl -u energy-monitor-collector' may show why"
        )
        raise NoAnswer(msg) from error
    except (OSError, ValueError) as error:
        msg = (
            f"no service answers at {path}: is it running? "
            "Start it with 'energy-monitor run' or 'sudo systemctl start energy-monitor-collector'"
        )
        raise NotRunning(msg) from error
    if "error" in answer:
        raise EnergyMonitorError(answer["error"])
    return answer


def status(path: Path) -> Status:
    """Ask the running service how it is doing. Raise NotRunning, NoAnswer, EnergyMonitorError."""
    try:
        return from_json(ask(path, {"ask": "status"}))
    except ValueError as error:
        raise NoAnswer(f"the service at {path} is of another release: {error}") from error
